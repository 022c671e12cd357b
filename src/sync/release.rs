//! Releases of the symlink method: looking at them, and removing old ones.

use chrono::TimeDelta;

use super::error::{Error, readable};
use super::layout::{Layout, ReleaseData, deployment_of};
use super::remote::{Limits, PRUNE, RELEASES, ScriptAnswer, WITHDRAW, ask};
use crate::domain::{CommitId, DeploymentId, HeldData, Instant, Release};
use crate::ssh::Session;

/// A directory among the releases on a server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReleaseDirectory {
    pub name: String,
    /// What our own file in it says.
    pub data: Option<ReleaseData>,
    /// What its marker says.
    pub release: Option<Release>,
    /// Whether a link beside the target leads to it.
    pub in_service: bool,
    /// What applications wrote in it at excluded and shared paths, which no store has. Empty for the release
    /// in service, as the next deployment moves that.
    pub holds: Vec<HeldData>,
}

/// What is in service on a server, and which releases a rollback could use.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Looked {
    /// The directory the target leads to, free of symbolic links; `None` when there is none.
    pub resolved: Option<String>,
    /// What the marker in it says.
    pub release: Option<Release>,
    /// The directory that holds the releases; `None` when there is none.
    pub directory: Option<String>,
    /// This environment's releases in it, newest first, unfinished ones too; those of other
    /// environments and of other programs are left out.
    pub releases: Vec<ReleaseDirectory>,
    /// Old releases that could be removed only in part, as paths.
    pub remains: Vec<String>,
}

impl Looked {
    pub(super) fn read(answer: &ScriptAnswer, layout: &Layout) -> Self {
        let mut releases = read(answer);
        releases.retain(|release| release.is_of(layout));
        releases.sort_by_key(|release| std::cmp::Reverse(deployment_of(&release.name)));
        Self {
            resolved: answer.text("resolved"),
            release: answer.text("live").and_then(|text| Release::parse_marker(&text)),
            directory: answer.text("directory"),
            releases,
            remains: answer.all("remains").map(readable).collect(),
        }
    }

    /// What applications wrote in old releases, and what no store has.
    pub fn held(&self) -> Vec<HeldData> {
        let releases = self.releases.iter();
        releases.flat_map(|release| release.holds.clone()).collect()
    }

    /// The newest complete release that holds `commit`, as an absolute path: what [`super::activate`]
    /// puts in service without anything being sent.
    pub fn holding(&self, commit: &CommitId) -> Option<String> {
        let holds = |release: &&ReleaseDirectory| {
            release.is_complete()
                && release.data.as_ref().is_none_or(|data| !data.doubted)
                && release
                    .release
                    .as_ref()
                    .is_some_and(|r| r.commit == commit.as_str())
        };
        let found = self.releases.iter().find(holds)?;
        Some(format!("{}/{}", self.directory.as_deref()?, found.name))
    }
}

/// Asks what is in service and which releases there are, in one command that reads a few small files.
/// It does not check whether the trees are still as they were deployed.
///
/// # Errors
/// [`Error::Server`] when it cannot be asked.
pub async fn look(session: &Session, layout: &Layout, limits: &Limits) -> Result<Looked, Error> {
    let answer = ask_releases(session, layout, limits).await?;
    Ok(Looked::read(&answer, layout))
}

async fn ask_releases(session: &Session, layout: &Layout, limits: &Limits) -> Result<ScriptAnswer, Error> {
    let (name, stored) = (layout.releases(), layout.stored_words());
    let mut args = vec![layout.target.as_str(), &name];
    args.extend(stored.iter().map(String::as_str));
    let args: Vec<&[u8]> = args.into_iter().map(str::as_bytes).collect();
    Ok(ask(session, RELEASES, &args, limits.question()).await?)
}

fn read(answer: &ScriptAnswer) -> Vec<ReleaseDirectory> {
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
                    holds: Vec::new(),
                });
            }
            (b"holds", Some(last)) => last.holds.push(HeldData {
                path: text,
                command: String::new(),
            }),
            (b"by", Some(last)) => {
                if let Some(held) = last.holds.last_mut() {
                    held.command = text;
                }
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

/// Removes the link that `deployment` made where nothing was in service before. Does nothing where the target
/// leads elsewhere.
///
/// # Errors
/// [`Error::Server`] when it cannot be done.
pub async fn withdraw(
    session: &Session,
    layout: &Layout,
    deployment: DeploymentId,
    limits: &Limits,
) -> Result<(), Error> {
    let (releases, id) = (layout.releases(), deployment.to_string());
    let args = [layout.target.as_str(), &releases, &id].map(str::as_bytes);
    ask(session, WITHDRAW, &args, limits.question()).await?;
    Ok(())
}

/// Which old releases stay.
#[derive(Debug, Clone, Copy)]
pub struct Retention<'a> {
    /// How many of the newest stay, besides those in service and those in `never`.
    pub keep: u32,
    /// Releases younger than this stay too: one is removed only when it is beyond both the count and
    /// the age. `None`: only the count matters.
    pub keep_for: Option<TimeDelta>,
    /// Directories, or their names, that always stay, such as the one to roll back to.
    pub never: &'a [String],
    /// The present instant.
    pub now: Instant,
}

/// What became of old releases.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Pruned {
    /// The names of those that are gone.
    pub removed: Vec<String>,
    /// The paths that could not be removed, each with the reason, those of earlier prunings too.
    pub left: Vec<String>,
    /// What keeps old releases that would have gone otherwise, and others.
    pub held: Vec<HeldData>,
}

/// Removes old releases of this environment, as `retention` says, and incomplete ones. Releases that
/// a link leads to, that a process works in or that hold what an application wrote stay. Directories that we did not make are never
/// touched. What cannot be removed is left for the next pruning.
///
/// # Errors
/// [`Error::Server`] when the server cannot be asked; what was removed by then was old.
pub async fn prune(
    session: &Session,
    layout: &Layout,
    retention: &Retention<'_>,
    limits: &Limits,
) -> Result<Pruned, Error> {
    let answer = ask_releases(session, layout, limits).await?;
    let Some(directory) = answer.text("directory") else {
        return Ok(Pruned::default());
    };
    let looked = Looked::read(&answer, layout);
    let old = to_prune(&looked.releases, layout, retention);
    let mut pruned = match old.is_empty() && looked.remains.is_empty() {
        true => Pruned::default(),
        false => remove(session, &directory, &old, limits).await?,
    };
    pruned.held = looked.held();
    Ok(pruned)
}

/// Tries again to remove what earlier prunings left; returns what still remains, each with the reason.
///
/// # Errors
/// As [`prune`].
pub async fn remove_remains(
    session: &Session,
    layout: &Layout,
    limits: &Limits,
) -> Result<Vec<String>, Error> {
    let answer = ask_releases(session, layout, limits).await?;
    match answer.text("directory") {
        Some(directory) if answer.text("remains").is_some() => {
            Ok(remove(session, &directory, &[], limits).await?.left)
        }
        _ => Ok(Vec::new()),
    }
}

/// Removes releases by name, and what remains of others.
async fn remove(
    session: &Session,
    directory: &str,
    names: &[String],
    limits: &Limits,
) -> Result<Pruned, Error> {
    let names = names.iter().map(String::as_str);
    let args: Vec<&[u8]> = std::iter::once(directory)
        .chain(names)
        .map(str::as_bytes)
        .collect();
    let answer = ask(session, PRUNE, &args, limits.transfer(crate::ssh::Stdin::Empty)).await?;
    let all = |key| answer.all(key).map(readable).collect();
    Ok(Pruned {
        removed: all("removed"),
        left: all("left"),
        held: Vec::new(),
    })
}

impl ReleaseDirectory {
    /// Whether we made it for this environment.
    fn is_of(&self, layout: &Layout) -> bool {
        self.data.as_ref().is_some_and(|data| {
            data.project == layout.project.as_str()
                && data.environment == layout.environment.as_str()
                && deployment_of(&self.name) == Some(data.deployment)
        })
    }

    /// Whether everything that belongs in it is there.
    pub fn is_complete(&self) -> bool {
        self.release.as_ref().is_some_and(|r| !r.in_progress)
    }
}

/// Which releases to remove.
fn to_prune(releases: &[ReleaseDirectory], layout: &Layout, retention: &Retention<'_>) -> Vec<String> {
    let named = |name: &str| {
        let mut never = retention.never.iter();
        never.any(|path| path.rsplit('/').next() == Some(name))
    };
    let mut old: Vec<&ReleaseDirectory> = releases
        .iter()
        .filter(|release| release.is_of(layout))
        .filter(|release| !release.in_service && !named(&release.name) && release.holds.is_empty())
        .collect();
    old.sort_by_key(|release| std::cmp::Reverse(deployment_of(&release.name)));
    let oldest = retention.keep_for.map(|age| retention.now - age);
    let is_young = |release: &&ReleaseDirectory| {
        let at = release.release.as_ref().map(|r| r.at);
        oldest.is_some_and(|oldest| at.is_some_and(|at| at >= oldest))
    };
    // An incomplete release cannot be rolled back to.
    let (whole, broken): (Vec<_>, Vec<_>) = old.into_iter().partition(|release| release.is_complete());
    let beyond = whole.into_iter().skip(retention.keep as usize);
    let old = beyond.filter(|release| !is_young(release)).chain(broken);
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
            restless: false,
            doubted: false,
            linked: Vec::new(),
            walk: None,
            own: None,
        });
        let release = Release {
            branch: "main".into(),
            commit: "0".repeat(40),
            at: chrono::DateTime::UNIX_EPOCH + TimeDelta::days(deployment_of(name).map_or(0, |id| id.0)),
            path: String::new(),
            in_progress,
        };
        ReleaseDirectory {
            name: name.into(),
            data,
            release: Some(release),
            in_service: false,
            holds: Vec::new(),
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
        let retention = |keep, days: Option<i64>| Retention {
            keep,
            keep_for: days.map(TimeDelta::days),
            never: &never,
            now: chrono::DateTime::UNIX_EPOCH + TimeDelta::days(20),
        };
        let pruned = |keep, days| to_prune(&all, &layout, &retention(keep, days));
        assert_eq!(pruned(1, None), [name(12), name(11), name(14)]);
        // They were put there on the 11th, 12th and 13th day.
        assert_eq!(
            pruned(1, Some(8)),
            [name(11), name(14)],
            "the 12th is young enough"
        );
        assert_eq!(pruned(1, Some(7)), [name(12), name(11), name(14)]);
        assert_eq!(
            pruned(0, Some(8)),
            [name(11), name(14)],
            "young ones stay without a count"
        );
        assert_eq!(pruned(3, Some(1)), [name(14)], "old ones stay within the count");
    }

    #[test]
    fn the_newest_complete_release_of_a_commit_is_the_one_to_go_back_to() {
        let name = |id| format!("20261122_main_01234567_{id}");
        let looked = Looked {
            directory: Some("/srv/shop_releases".into()),
            releases: vec![
                directory(&name(14), "prod", true),
                directory(&name(13), "prod", false),
            ],
            ..Looked::default()
        };
        let commit = |digit: &str| digit.repeat(40).parse().unwrap();
        let path = format!("/srv/shop_releases/{}", name(13));
        assert_eq!(looked.holding(&commit("0")), Some(path));
        assert_eq!(looked.holding(&commit("1")), None);
    }
}
