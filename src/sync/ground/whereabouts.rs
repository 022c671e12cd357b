//! Where the directories of environments are on a server, once all links are followed.

use super::Ground;
use crate::domain::SyncMethod;
use crate::ssh::Session;
use crate::sync::error::Error;
use crate::sync::remote::{Limits, WHEREABOUTS, ask};

impl Ground {
    /// The path that decides where the directories are: the files in place, or what the link is in.
    fn whereabouts(&self) -> &str {
        let target = &self.layout.target;
        match self.layout.method {
            SyncMethod::InPlace => target.as_str(),
            SyncMethod::Symlink => target.parent(),
        }
    }

    /// The same where [`Self::whereabouts`] leads to `path`; `None` for a path that is no target's.
    fn at(&self, path: &str) -> Option<Self> {
        let target = match self.layout.method {
            SyncMethod::InPlace => path.to_owned(),
            SyncMethod::Symlink => {
                let name = self.layout.target.as_str().rsplit('/').next()?;
                format!("{}/{name}", path.trim_end_matches('/'))
            }
        };
        let mut found = self.clone();
        found.layout.target = target.parse().ok()?;
        Some(found)
    }
}

/// Each of `grounds` as a server finds it, with all links followed; `None` where it could not tell. The session is
/// that of the first one's user.
///
/// # Errors
/// When the server cannot be asked.
pub async fn whereabouts(
    session: &Session,
    grounds: &[&Ground],
    limits: &Limits,
) -> Result<Vec<Option<Ground>>, Error> {
    let mut found = vec![None; grounds.len()];
    let Some(first) = grounds.first() else {
        return Ok(found);
    };
    let numbers: Vec<String> = (0..grounds.len()).map(|number| number.to_string()).collect();
    let mut args = Vec::with_capacity(3 * grounds.len());
    for (ground, number) in grounds.iter().zip(&numbers) {
        let user = if ground.user == first.user {
            ""
        } else {
            &ground.user
        };
        args.extend([number, user, ground.whereabouts()].map(str::as_bytes));
    }
    let answer = ask(session, WHEREABOUTS, &args, limits.question()).await?;
    for line in answer.texts("at") {
        let Some((number, path)) = line.split_once(' ') else {
            continue;
        };
        let number: usize = number.parse().unwrap_or(grounds.len());
        if let (Some(ground), Some(place)) = (grounds.get(number), found.get_mut(number)) {
            *place = ground.at(path);
        }
    }
    Ok(found)
}
