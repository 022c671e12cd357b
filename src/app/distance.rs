//! How far what an environment runs is from another commit: ahead, behind, and what would go backwards.

use super::App;
use super::places::Place;
use crate::domain::{CommitId, Project};

/// How far the commit of an environment is from another one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Distance {
    /// Commits only it has.
    pub ahead: usize,
    /// Commits only the other has.
    pub behind: usize,
}

/// How far `place` is from `other`; `None` when unknown.
pub async fn distance(app: &App, project: &Project, place: &Place, other: &CommitId) -> Option<Distance> {
    let mirror = app.mirror(project).ok()?;
    let (ahead, behind) = mirror.ahead_behind(&place.current()?.commit, other).await.ok()?;
    Some(Distance { ahead, behind })
}

/// How many active servers of `place` run a commit that came after `commit`: deploying it there removes newer
/// changes from them. What the mirror does not know does not count.
pub async fn newer_than(app: &App, project: &Project, place: &Place, commit: &CommitId) -> usize {
    let Ok(mirror) = app.mirror(project) else {
        return 0;
    };
    let mut servers = 0;
    for run in place.runs.iter().filter(|run| run.commit != *commit) {
        if let Ok((1.., 0)) = mirror.ahead_behind(&run.commit, commit).await {
            servers += run.servers;
        }
    }
    servers
}

/// Whether deploying `commit` to `place` goes backwards on every active server there: it is not offered in one
/// click then.
pub async fn goes_back_everywhere(app: &App, project: &Project, place: &Place, commit: &CommitId) -> bool {
    let all = place.active();
    all > 0 && newer_than(app, project, place, commit).await == all
}
