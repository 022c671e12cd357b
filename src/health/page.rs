//! A page fetched from a server, and whether its status and text are the expected ones.
//!
//! Redirects, if they are followed, are requested from the same server and port: a
//! balancer's name in a `Location` must not lead the check to other, healthy servers.
//! So they are followed as long as they stay on the host that was asked for.

use std::time::Duration;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use url::Url;

use super::attempt::Fault;
use super::target::{LOOPBACK, ProbedServer};
use crate::domain::health::{AskedFrom, HttpProbe, MOST_REDIRECTS};
use crate::http::{self, Limits, Longer, Request, Response, Tls};

/// How much of a page is searched for its text, in bytes; health pages are short.
const SEARCHED: usize = 1024 * 1024;

/// How much of an address is shown, in characters.
const SHOWN: usize = 200;

/// Fetches the page, following redirects; the answer as a sentence.
pub(super) async fn ask(
    probe: &HttpProbe,
    from: AskedFrom,
    target: &ProbedServer<'_>,
    limit: Duration,
    cancel: &CancellationToken,
) -> Result<String, Fault> {
    let deadline = Instant::now() + limit;
    let mut path = probe.path.clone();
    let mut redirects = 0;
    loop {
        let asking = Asking {
            probe,
            target,
            deadline,
            limit,
            cancel,
        };
        let answer = asking.fetch(from, &path).await?;
        let location = answer.header("location").filter(|_| is_redirect(answer.status));
        let Some(location) = location.filter(|_| probe.redirects) else {
            return judge(probe, &target.authority(probe.port, from), &answer);
        };
        if redirects == if crate::sabotage::on("q29") { 50 } else { MOST_REDIRECTS } {
            let location = shown(location);
            return Err(Fault::new(format!(
                "{} redirects too often: after {MOST_REDIRECTS} redirects it leads to “{location}”.",
                target.authority(probe.port, from)
            )));
        }
        redirects += 1;
        path = follow(probe, from, target, &path, location)?;
    }
}

/// What all requests of one attempt share.
struct Asking<'a> {
    probe: &'a HttpProbe,
    target: &'a ProbedServer<'a>,
    deadline: Instant,
    limit: Duration,
    cancel: &'a CancellationToken,
}

impl Asking<'_> {
    async fn fetch(&self, from: AskedFrom, path: &str) -> Result<Response, Fault> {
        let probe = self.probe;
        let host = host_of(probe, from, self.target);
        let request = Request::get(path).host(host.as_str());
        let limits = Limits {
            connect: self.left(),
            total: self.left(),
            body: if probe.text.is_empty() { 0 } else { crate::sabotage::most("q28", SEARCHED) },
            longer: Longer::Cut,
        };
        let outcome = match from {
            AskedFrom::Deployer => {
                let server = http::Host {
                    name: self.target.address.to_owned(),
                    port: probe.port,
                    tls: probe.tls.then(|| tls(probe)),
                };
                server.fetch(&request, &limits, self.cancel).await
            }
            AskedFrom::Server => self.fetch_there(&request, &host, &limits).await?,
        };
        // The message names the whole limit; earlier redirects may have used a part of it.
        let to = || self.target.authority(probe.port, from);
        let limit = self.limit;
        outcome.map_err(|error| match error {
            http::Error::TimedOut { .. } => http::Error::TimedOut { to: to(), limit }.into(),
            http::Error::ConnectTimeout { .. } => http::Error::ConnectTimeout { to: to(), limit }.into(),
            error => error.into(),
        })
    }

    /// Through the SSH connection.
    async fn fetch_there(
        &self,
        request: &Request,
        host: &str,
        limits: &Limits,
    ) -> Result<Result<Response, http::Error>, Fault> {
        let port = self.probe.port;
        let stream = self
            .target
            .forward(port, self.deadline, self.limit, self.cancel)
            .await?;
        let to = self.target.authority(port, AskedFrom::Server);
        let limits = Limits {
            total: self.left(),
            ..limits.clone()
        };
        if !self.probe.tls {
            return Ok(http::send(stream, request, &to, &limits, self.cancel).await);
        }
        let wrapped = Box::pin(async {
            let stream = tls(self.probe)
                .wrap(stream, http::name_of(host), &to, self.deadline)
                .await?;
            http::send(stream, request, &to, &limits, self.cancel).await
        });
        let wrapped = self.cancel.run_until_cancelled(wrapped).await;
        Ok(wrapped.unwrap_or(Err(http::Error::Cancelled)))
    }

    fn left(&self) -> Duration {
        self.deadline.saturating_duration_since(Instant::now())
    }
}

fn tls(probe: &HttpProbe) -> Tls {
    if probe.verify {
        Tls::public()
    } else {
        Tls::unverified()
    }
}

/// The `Host` header: the one wanted, else where the question goes.
fn host_of(probe: &HttpProbe, from: AskedFrom, target: &ProbedServer<'_>) -> String {
    if !probe.host.is_empty() {
        return probe.host.clone();
    }
    let name = match from {
        AskedFrom::Deployer => target.address,
        AskedFrom::Server => LOOPBACK,
    };
    let tls = probe.tls.then(Tls::public);
    let host = http::Host {
        name: name.to_owned(),
        port: probe.port,
        tls,
    };
    host.to_string()
}

fn is_redirect(status: u16) -> bool {
    matches!(status, 301 | 302 | 303 | 307 | 308)
}

/// Where a redirect from `path` leads on the same host: a path, perhaps with a query.
fn follow(
    probe: &HttpProbe,
    from: AskedFrom,
    target: &ProbedServer<'_>,
    path: &str,
    location: &str,
) -> Result<String, Fault> {
    let fault = |why: &str| {
        let who = target.authority(probe.port, from);
        Fault::new(format!("{who} redirects to “{}”, {why}.", shown(location)))
    };
    let scheme = if probe.tls { "https" } else { "http" };
    let here = format!("{scheme}://{}{path}", host_of(probe, from, target));
    let here = Url::parse(&here).map_err(|_| fault("and its own address cannot be read"))?;
    let there = here.join(location).map_err(|_| fault("which is no address"))?;
    if there.host_str() != here.host_str() {
        return Err(fault(
            "which is another host; only redirects on the same one are followed",
        ));
    }
    if there.scheme() != here.scheme() {
        let what = if probe.tls { "leaves TLS" } else { "asks for TLS" };
        return Err(fault(&format!(
            "which {what}; let the check ask that port instead"
        )));
    }
    Ok(match there.query() {
        Some(query) => format!("{}?{query}", there.path()),
        None => there.path().to_owned(),
    })
}

fn judge(probe: &HttpProbe, who: &str, answer: &Response) -> Result<String, Fault> {
    let status = answer.status;
    if !probe.status.contains(status) {
        let wanted = probe.status;
        return Err(Fault::new(format!(
            "{who} answered {status}; {wanted} is expected."
        )));
    }
    if !answer.text().contains(&probe.text) {
        return Err(Fault::new(format!(
            "{who} answered {status}, but “{}” is not in the page.",
            probe.text
        )));
    }
    Ok(format!("{who} answered {status}."))
}

fn shown(address: &str) -> String {
    address.chars().take(SHOWN).collect()
}
