//! One HAProxy of a balancer: its address, read from text, and the connection to it.

use url::Url;

use super::options::{Limits, Options};
use super::runtime::{Socket, SocketAddress};
use super::state::BackendSlot;
use super::stats::StatsPage;
use super::table::StatsTable;
use super::{Admin, Error, PasswordFile};
use crate::http::Tls;

/// A connection to one HAProxy, of either kind.
#[derive(Debug, Clone)]
pub(super) enum Haproxy {
    Runtime(Socket),
    Stats(StatsPage),
}

impl Haproxy {
    /// Reads `text` as an address of that kind; `wrong` turns a reason into an error.
    pub(super) fn open(
        kind: &str,
        text: &str,
        options: &Options,
        wrong: impl Fn(String) -> Error,
    ) -> Result<Self, Error> {
        match kind {
            "runtime" => {
                let address = socket_address(text).ok_or_else(|| {
                    wrong(format!(
                        "“{}” is not the address of a socket; write unix:/path or tcp://host:port",
                        text.escape_debug()
                    ))
                })?;
                let label = text.to_owned();
                Ok(Self::Runtime(Socket { label, address }))
            }
            "stats" => page(text, options, wrong).map(Self::Stats),
            _ => Err(wrong(format!(
                "its kind is “{}”, which is neither “runtime” nor “stats”",
                kind.escape_debug()
            ))),
        }
    }

    /// The address as people wrote it.
    pub(super) fn label(&self) -> &str {
        match self {
            Self::Runtime(socket) => &socket.label,
            Self::Stats(page) => &page.label,
        }
    }

    /// Every backend and server it has.
    pub(super) async fn read(&self, limits: &Limits) -> Result<StatsTable, Error> {
        match self {
            Self::Runtime(socket) => socket.read(limits).await,
            Self::Stats(page) => page.read(limits).await,
        }
    }

    /// Sets every slot to `admin`, in order; stops at the first that fails.
    pub(super) async fn set_all(
        &self,
        slots: &[BackendSlot],
        admin: Admin,
        limits: &Limits,
    ) -> Result<(), Error> {
        for slot in slots {
            match self {
                Self::Runtime(socket) => socket.set(slot, admin, limits).await?,
                Self::Stats(page) => page.set(slot, admin, limits).await?,
            }
        }
        Ok(())
    }

    /// Whether it would let us change something.
    pub(super) async fn may_change(&self, limits: &Limits) -> Result<(), Error> {
        match self {
            Self::Runtime(socket) => socket.may_change(limits).await,
            Self::Stats(page) => page.may_change(limits).await,
        }
    }
}

fn socket_address(text: &str) -> Option<SocketAddress> {
    let path = text.strip_prefix("unix:").unwrap_or(text);
    if path.starts_with('/') && !path.contains('\0') {
        // unix:///path is how a URL would be written.
        let path = if path.starts_with("///") { &path[2..] } else { path };
        return Some(SocketAddress::Unix(path.into()));
    }
    let url = Url::parse(text).ok().filter(|url| url.scheme() == "tcp")?;
    let bare = url.path().trim_matches('/').is_empty() && url.query().is_none() && url.username().is_empty();
    let host = url.host_str()?.trim_matches(['[', ']']).to_owned();
    (bare && !host.is_empty()).then_some(())?;
    Some(SocketAddress::Tcp(host, url.port()?))
}

fn page(text: &str, options: &Options, wrong: impl Fn(String) -> Error) -> Result<StatsPage, Error> {
    let no_url = || {
        wrong("the address of a statistics page has to be written http://host:port/path, or https".to_owned())
    };
    let url = Url::parse(text).map_err(|_| no_url())?;
    let known_port = url.port_or_known_default();
    let (Some(host), Some(port), "http" | "https") = (url.host_str(), known_port, url.scheme()) else {
        return Err(no_url());
    };
    if !url.username().is_empty() || url.password().is_some() {
        // The address is not shown: it holds a password.
        return Err(wrong(
            "an address must not hold a password, since everybody can read it; put it into the file that the configuration names as balancer.credentials".to_owned(),
        ));
    }
    let login = match &options.credentials {
        Some(path) => PasswordFile::read(path)?.of(&url),
        None => None,
    };
    let tls = match (url.scheme(), &options.certificates) {
        ("http", _) => None,
        (_, Some(path)) => Some(Tls::with_certificates(path).map_err(Error::Certificates)?),
        (_, None) => Some(Tls::public()),
    };
    let target = match url.query() {
        Some(query) => format!("{}?{query}", url.path()),
        None => url.path().to_owned(),
    };
    Ok(StatsPage {
        label: text.to_owned(),
        host: crate::http::Host {
            name: host.trim_matches(['[', ']']).to_owned(),
            port,
            tls,
        },
        target: target.trim_end_matches(";csv").to_owned(),
        login,
    })
}
