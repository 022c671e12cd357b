//! Releases of the symlink method: switching to one, and removing old ones.

use super::error::{Error, Trouble};
use super::layout::{Layout, ReleaseData, deployment_of};
use super::remote::{ACTIVATE, Answer, Limits, PRUNE, RELEASES, ask};
use crate::domain::{DeploymentId, Release};
use crate::ssh::Session;

/// A directory among the releases on a server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReleaseDirectory {
    /// Its name.
    pub name: String,
    /// What our own file in it says.
    pub data: Option<ReleaseData>,
    /// What its marker says.
    pub release: Option<Release>,
    /// Whether a link beside the target leads to it.
    pub in_service: bool,
}

/// Puts `release` in service by one rename; a rollback is the same call with an older one.
/// Returns the directory that was in service before.
///
/// # Errors
/// [`Error::Server`]: what was in service still is.
pub async fn activate(
    session: &Session,
    layout: &Layout,
    release: &str,
    deployment: DeploymentId,
    limits: &Limits,
) -> Result<Option<String>, Error> {
    let id = deployment.to_string();
    let args = [layout.target.as_str(), release, &id].map(str::as_bytes);
    let answer = ask(session, ACTIVATE, &args, limits.question())
        .await
        .map_err(|trouble| match trouble {
            Trouble::Unfinished { .. } => Trouble::Unfinished {
                release: release.to_owned(),
            },
            Trouble::NotALink { .. } => Trouble::NotALink {
                target: layout.target.to_string(),
            },
            other => other,
        })?;
    Ok(answer.text("previous").filter(|path| !path.is_empty()))
}

/// Lists the releases on a server, of every environment of the project.
///
/// # Errors
/// [`Error::Server`] when it cannot be asked.
pub async fn releases(
    session: &Session,
    layout: &Layout,
    limits: &Limits,
) -> Result<Vec<ReleaseDirectory>, Error> {
    Ok(ask_releases(session, layout, limits).await?.1)
}

async fn ask_releases(
    session: &Session,
    layout: &Layout,
    limits: &Limits,
) -> Result<(Option<String>, Vec<ReleaseDirectory>), Error> {
    let name = layout.releases();
    let args = [layout.target.as_str(), &name].map(str::as_bytes);
    let answer = ask(session, RELEASES, &args, limits.question()).await?;
    Ok((answer.text("directory"), read(&answer)))
}

fn read(answer: &Answer) -> Vec<ReleaseDirectory> {
    let mut releases: Vec<ReleaseDirectory> = Vec::new();
    for (key, value) in answer.records() {
        let text = String::from_utf8_lossy(value).into_owned();
        match (key, releases.last_mut()) {
            (b"release", _) => {
                releases.push(ReleaseDirectory {
                    name: text,
                    data: None,
                    release: None,
                    in_service: false,
                });
            }
            (b"data", Some(last)) => last.data = serde_json::from_str(&text).ok(),
            (b"marker", Some(last)) => last.release = Release::parse_marker(&text),
            (b"current", _) => {
                for release in releases.iter_mut().filter(|release| release.name == text) {
                    release.in_service = true;
                }
            }
            _ => {}
        }
    }
    releases
}

/// Removes old releases of this environment: all but those in service, those named in `never`
/// (directories or names: the previous one, for a rollback), and the newest `keep` of the rest.
/// Releases that were never completed are not worth keeping.
/// Directories that we did not make are never touched. Returns the names of what was removed.
///
/// # Errors
/// [`Error::Server`]; what was removed by then was old.
pub async fn prune(
    session: &Session,
    layout: &Layout,
    keep: u32,
    never: &[String],
    limits: &Limits,
) -> Result<Vec<String>, Error> {
    let (Some(directory), releases) = ask_releases(session, layout, limits).await? else {
        return Ok(Vec::new());
    };
    let old = to_prune(&releases, layout, keep, never);
    if old.is_empty() {
        return Ok(Vec::new());
    }
    let args: Vec<&[u8]> = std::iter::once(&directory)
        .chain(&old)
        .map(String::as_bytes)
        .collect();
    ask(session, PRUNE, &args, limits.transfer(crate::ssh::Stdin::Empty)).await?;
    Ok(old)
}

/// Which releases to remove.
fn to_prune(releases: &[ReleaseDirectory], layout: &Layout, keep: u32, never: &[String]) -> Vec<String> {
    let is_ours = |release: &&ReleaseDirectory| {
        release.data.as_ref().is_some_and(|data| {
            data.project == layout.project.as_str()
                && data.environment == layout.environment.as_str()
                && deployment_of(&release.name) == Some(data.deployment)
        })
    };
    let named = |name: &str| never.iter().any(|path| path.rsplit('/').next() == Some(name));
    let mut old: Vec<&ReleaseDirectory> = releases
        .iter()
        .filter(is_ours)
        .filter(|release| !release.in_service && !named(&release.name))
        .collect();
    old.sort_by_key(|release| std::cmp::Reverse(deployment_of(&release.name)));
    let is_whole = |release: &&ReleaseDirectory| release.release.as_ref().is_some_and(|r| !r.in_progress);
    // Nobody can go back to a release that was never completed.
    let (whole, broken): (Vec<_>, Vec<_>) = old.into_iter().partition(is_whole);
    let old = whole.into_iter().skip(keep as usize).chain(broken);
    old.map(|release| release.name.clone()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::SyncMethod;
    use crate::sync::rules::Rules;

    fn directory(name: &str, environment: &str, in_progress: bool) -> ReleaseDirectory {
        let data = deployment_of(name).map(|deployment| ReleaseData {
            deployment,
            digest: String::new(),
            project: "shop".into(),
            environment: environment.into(),
        });
        let release = Release {
            branch: "main".into(),
            commit: "0".into(),
            at: chrono::DateTime::UNIX_EPOCH,
            path: String::new(),
            in_progress,
        };
        ReleaseDirectory {
            name: name.into(),
            data,
            release: Some(release),
            in_service: false,
        }
    }

    #[test]
    fn only_old_complete_releases_of_this_environment_and_broken_ones_are_removed() {
        let name = |id| format!("20261122_main_01234567_{id}");
        let mut all: Vec<_> = [9, 10, 11, 12, 13]
            .map(|id| directory(&name(id), "prod", false))
            .into();
        all.push(directory(&name(14), "prod", true));
        all.push(directory(&name(3), "beta", false));
        all.push(directory("20261122_main_01234567", "prod", false));
        all.push(directory("backup", "prod", false));
        all[0].in_service = true;
        let layout = Layout {
            project: "shop".parse().unwrap(),
            environment: "prod".parse().unwrap(),
            target: "/srv/shop".parse().unwrap(),
            method: SyncMethod::Symlink,
            rules: Rules::default(),
        };
        let never = [format!("/srv/shop_releases/{}", name(10))];
        assert_eq!(to_prune(&all, &layout, 1, &never), [name(12), name(11), name(14)]);
    }
}
