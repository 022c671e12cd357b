//! Proxies on the way out: a tunnel (`CONNECT`) for https, the whole URL in the request for http.

use bytes::Bytes;
use http_body_util::{Empty, Full};
use hyper::client::conn::http1;
use hyper::header::{self, HeaderValue};
use hyper::upgrade::Upgraded;
use hyper::{Method, Request, StatusCode};
use hyper_util::rt::TokioIo;
use percent_encoding::percent_decode_str;
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout_at};
use url::Url;

use super::connect::authority;
use super::request::basic_credentials;
use super::{Error, Host};
use crate::domain::ProxyException;

/// A proxy that speaks HTTP.
#[derive(Debug, Clone)]
pub struct Proxy {
    pub(super) host: String,
    pub(super) port: u16,
    authorization: Option<HeaderValue>,
}

impl Proxy {
    /// Reads an address such as `http://user:password@proxy:3128`.
    ///
    /// # Errors
    /// A sentence without the address, which may hold a password.
    pub fn parse(url: &str) -> Result<Self, String> {
        let wrong = || "A proxy's address has to be written http://host:port.".to_owned();
        let url = Url::parse(url).map_err(|_| wrong())?;
        let (Some(host), Some(port), "http") = (url.host_str(), url.port_or_known_default(), url.scheme())
        else {
            return Err(wrong());
        };
        if url.path() != "/" || url.query().is_some() || url.fragment().is_some() {
            return Err(
                "A proxy's address ends after its port: write http://host:port, without a path.".to_owned(),
            );
        }
        let decoded = |text: &str| percent_decode_str(text).decode_utf8_lossy().into_owned();
        let authorization = match url.username() {
            "" => None,
            user => {
                let password = url.password().unwrap_or_default();
                Some(basic_credentials(&decoded(user), &decoded(password)).ok_or_else(wrong)?)
            }
        };
        Ok(Self {
            host: host.trim_matches(['[', ']']).to_owned(),
            port,
            authorization,
        })
    }

    /// Why `to` cannot be reached: the proxy itself cannot. Somebody's cancel stays one.
    pub(super) fn unreachable(&self, to: &Host, error: Error) -> Error {
        match error {
            Error::Cancelled => error,
            error => Error::Proxy {
                proxy: authority(&self.host, self.port),
                to: to.to_string(),
                reason: error.to_string().trim_end_matches('.').to_owned(),
            },
        }
    }

    /// A request in plain text that this proxy passes on.
    pub(super) fn authorized(&self, mut request: Request<Full<Bytes>>) -> Request<Full<Bytes>> {
        if let Some(value) = &self.authorization {
            let headers = request.headers_mut();
            headers.insert(header::PROXY_AUTHORIZATION, value.clone());
        }
        request
    }

    /// Has the proxy on `stream` connect to `host`.
    pub(super) async fn tunnel(
        &self,
        stream: TcpStream,
        host: &Host,
        deadline: Instant,
    ) -> Result<TokioIo<Upgraded>, Error> {
        let proxy = authority(&self.host, self.port);
        let refused = |reason: String| Error::Proxy {
            proxy: proxy.clone(),
            to: host.to_string(),
            reason,
        };
        let broken = |cause| Error::broken(&proxy, cause);
        let asking = async {
            let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(broken)?;
            // It ends by itself, with the tunnel handed over or with its refusal.
            tokio::spawn(connection.with_upgrades());
            let there = authority(&host.name, host.port);
            let mut request = Request::builder()
                .method(Method::CONNECT)
                .uri(&there)
                .header(header::HOST, &there);
            if let Some(value) = &self.authorization {
                request = request.header(header::PROXY_AUTHORIZATION, value);
            }
            let request = request
                .body(Empty::<Bytes>::new())
                .map_err(|_| Error::BadRequest {
                    reason: "the host's name cannot be written in HTTP",
                })?;
            let answer = sender.send_request(request).await.map_err(broken)?;
            match answer.status() {
                StatusCode::OK => hyper::upgrade::on(answer).await.map_err(broken),
                StatusCode::PROXY_AUTHENTICATION_REQUIRED => {
                    Err(refused("it asks for a user name and password".to_owned()))
                }
                status => Err(refused(format!("it answered {status}"))),
            }
        };
        match timeout_at(deadline, Box::pin(asking)).await {
            Ok(tunnel) => tunnel.map(TokioIo::new),
            Err(_) => Err(refused("it did not answer in time".to_owned())),
        }
    }
}

/// Which proxy is used for what, as the settings `http_proxy`, `https_proxy` and `no_proxy` of
/// other programs say.
#[derive(Debug, Clone, Default)]
pub struct Proxies {
    /// For http.
    pub http: Option<Proxy>,
    /// For https.
    pub https: Option<Proxy>,
    /// What is asked directly.
    pub except: Vec<ProxyException>,
    /// The setting or variable whose proxy cannot be used, and why, as a sentence: what is not asked
    /// directly is not asked at all then.
    pub defect: Option<(String, String)>,
}

impl Proxies {
    /// For https alone, through the proxy of a setting or variable, if there is one: its name and the address.
    /// Exceptions that cannot be read are ignored, as other programs do.
    pub fn for_https<'a>(proxy: Option<(&str, &str)>, except: impl IntoIterator<Item = &'a str>) -> Self {
        let (set_by, address) = proxy.unzip();
        let proxy = address.map(Proxy::parse).transpose();
        let except = except
            .into_iter()
            .filter_map(|entry| ProxyException::read(entry).ok());
        let except = except.collect();
        match proxy {
            Ok(https) => Self {
                https,
                except,
                ..Self::default()
            },
            Err(why) => Self {
                defect: set_by.map(|set_by| (set_by.to_owned(), why)),
                except,
                ..Self::default()
            },
        }
    }

    /// The proxy through which `host` is asked.
    ///
    /// # Errors
    /// [`Error::BadProxy`].
    pub(super) fn of(&self, host: &Host) -> Result<Option<&Proxy>, Error> {
        if self.except.iter().any(|one| one.fits(&host.name, host.port)) {
            return Ok(None);
        }
        if let Some((set_by, why)) = &self.defect {
            return Err(Error::BadProxy {
                set_by: set_by.clone(),
                why: why.clone(),
            });
        }
        Ok(match host.tls {
            Some(_) => self.https.as_ref(),
            None => self.http.as_ref(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::Tls;
    use super::*;

    #[test]
    fn a_proxy_is_used_for_its_scheme_except_for_some_hosts() {
        let proxies = Proxies {
            http: Proxy::parse("http://one:3128").ok(),
            https: Proxy::parse("http://two").ok(),
            except: [
                ProxyException::read("10.0.0.1"),
                ProxyException::read(".Example.org"),
            ]
            .map(|one| one.expect("an exception"))
            .into(),
            defect: None,
        };
        let used = |name: &str, tls: Option<Tls>| {
            let host = Host {
                name: name.to_owned(),
                port: 80,
                tls,
            };
            let proxy = proxies.of(&host).expect("no defect");
            proxy.map(|proxy| (proxy.host.clone(), proxy.port))
        };
        assert_eq!(used("a.test", None), Some(("one".into(), 3128)));
        assert_eq!(used("a.test", Some(Tls::public())), Some(("two".into(), 80)));
        assert_eq!(used("badexample.org", None), Some(("one".into(), 3128)));
        for direct in ["10.0.0.1", "example.org", "git.EXAMPLE.org"] {
            assert_eq!(used(direct, None), None, "{direct}");
        }
        for bad in ["proxy:3128", "https://proxy", "http://", "http://a%3Ab:c@proxy"] {
            assert!(Proxy::parse(bad).is_err(), "{bad}");
        }
        for path in [
            "http://proxy:3128/way",
            "http://proxy:3128/?a=b",
            "http://me:secret@proxy/#x",
        ] {
            let why = Proxy::parse(path).expect_err("a path is not passed over");
            assert!(why.contains("without a path") && !why.contains("secret"), "{why}");
        }
        assert!(Proxy::parse("http://proxy:3128/").is_ok());
    }

    #[test]
    fn a_proxy_that_cannot_be_used_is_not_passed_by() {
        let proxies = Proxies::for_https(
            Some(("HTTPS_PROXY", "socks5://me:secret@proxy")),
            ["near.test", "not a host"],
        );
        let of = |name: &str| {
            let host = Host {
                name: name.to_owned(),
                port: 443,
                tls: Some(Tls::public()),
            };
            proxies.of(&host).map(|proxy| proxy.is_some())
        };
        assert!(matches!(of("near.test"), Ok(false)));
        let refused = of("far.test").expect_err("no way").to_string();
        assert!(
            refused.contains("The proxy of HTTPS_PROXY")
                && refused.contains("http://host:port")
                && !refused.contains("secret"),
            "{refused}"
        );
    }
}
