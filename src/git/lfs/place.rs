//! Where the files of a repository in Git LFS are, and with what login.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::Deserialize;
use url::Url;

use super::batch;
use super::download::LfsServer;
use crate::git::elsewhere::demand_near;
use crate::git::error::{Error, Result};
use crate::git::link::reach;
use crate::git::url::{Location, RemoteUrl, check_url};
use crate::git::{GitOptions, ssh};

/// All files, in sentences.
const ALL: &str = "The files";

/// Where to get objects.
pub(super) enum ObjectPlace {
    /// In a repository on this host.
    Here(PathBuf),
    /// From a server.
    There(Box<LfsServer>),
}

/// What `git-lfs-authenticate` prints.
#[derive(Deserialize)]
struct Authenticated {
    href: String,
    #[serde(default)]
    header: BTreeMap<String, String>,
}

impl ObjectPlace {
    fn there(server: LfsServer) -> Self {
        Self::There(Box::new(server))
    }

    /// For the repository at `remote`, whose `.lfsconfig` names the address `named`.
    ///
    /// # Errors
    /// [`Error::Refused`], [`Error::Lfs`], and what the way to the host has to say.
    pub(super) async fn find(remote: &RemoteUrl, named: Option<&str>, options: &GitOptions) -> Result<Self> {
        if let Some(named) = named {
            let refused = |why| Error::Refused {
                what: "The address of Git LFS in .lfsconfig".into(),
                why,
            };
            let url = check_named(remote, named, options).map_err(refused)?;
            return Ok(Self::there(LfsServer::new(
                url,
                BTreeMap::new(),
                remote,
                options,
            )?));
        }
        match &remote.location {
            Location::File { path } => {
                remote.demand_below(&options.local_directories)?;
                Ok(Self::Here(path.clone()))
            }
            Location::Https { .. } => {
                let url = by_rule(remote.as_str());
                Ok(Self::there(LfsServer::new(
                    url?,
                    BTreeMap::new(),
                    remote,
                    options,
                )?))
            }
            Location::Ssh {
                user,
                host,
                port,
                path,
            } => {
                let stream = reach(host, *port).await?;
                let who = (user.as_str(), remote.key.as_ref());
                let connection = ssh::connect(stream, (host, *port), who, options).await?;
                let told = connection.lfs_authenticate(path).await;
                connection.close().await;
                let told: Authenticated = serde_json::from_slice(&told?).map_err(|error| Error::Lfs {
                    what: ALL.into(),
                    why: format!(
                        "git-lfs-authenticate on {host} answered what cannot be read ({})",
                        batch::words(&error.to_string())
                    ),
                })?;
                let url = parsed(&told.href)?;
                Ok(Self::there(LfsServer::new(url, told.header, remote, options)?))
            }
        }
    }
}

/// An address that the repository names: on its own host, or a configured one.
fn check_named(remote: &RemoteUrl, named: &str, options: &GitOptions) -> Result<Url, String> {
    let near = check_url(named)
        .and_then(|url| if crate::sabotage::on("l38") { Ok(url) } else { demand_near(remote, &url, &options.other_hosts).map(|()| url) })
        .map_err(|why| why.trim_end_matches('.').to_owned())?;
    match &near.location {
        Location::Https { .. } => Url::parse(named).map_err(|error| error.to_string()),
        Location::Ssh { .. } | Location::File { .. } => Err("must begin with https://".into()),
    }
}

/// Checks what [`ObjectPlace::find`] would refuse of an address in `.lfsconfig`, without asking anybody.
///
/// # Errors
/// [`Error::Refused`].
pub(in crate::git) fn check(remote: &RemoteUrl, named: Option<&str>, options: &GitOptions) -> Result<()> {
    let Some(named) = named else { return Ok(()) };
    match check_named(remote, named, options) {
        Ok(_) => Ok(()),
        Err(why) => Err(Error::Refused {
            what: "The address of Git LFS in .lfsconfig".into(),
            why,
        }),
    }
}

/// git-lfs's rule: `…/shop.git/info/lfs`, also for a repository at `…/shop`.
fn by_rule(repository: &str) -> Result<Url> {
    let repository = repository.trim_end_matches('/');
    let ending = match repository.ends_with(".git") {
        true => "/info/lfs",
        false => ".git/info/lfs",
    };
    parsed(&format!("{repository}{ending}"))
}

/// An address that a host told us.
fn parsed(text: &str) -> Result<Url> {
    let url = Url::parse(text)
        .ok()
        .filter(|url| url.scheme() == "https" && url.host_str().is_some());
    url.ok_or_else(|| Error::Lfs {
        what: ALL.into(),
        why: format!(
            "“{}” is not an https:// address, so what it sends could be read on the way",
            batch::words(text)
        ),
    })
}
