//! Asking repositories whether something moved.

use std::collections::HashMap;

use chrono::TimeDelta;

use crate::app::App;
use crate::domain::{Error, Polling, PushedBranch, Result};
use crate::git::{Error as Git, Mirror};
use crate::store::{again, polling};

/// The longest pause after failures, in minutes, unless it is asked more seldom anyway.
const LONGEST_PAUSE: u32 = 60;

/// The branches that are elsewhere at the remote than in the mirror, or new. Nothing is fetched.
pub(super) async fn moved(mirror: &Mirror) -> Result<Vec<PushedBranch>> {
    let there = mirror.remote_branches().await?;
    let here = match mirror.tips().await {
        Ok(tips) => tips.into_iter().collect(),
        Err(Git::NotFetched | Git::Empty) => HashMap::new(),
        Err(error) => return Err(error.into()),
    };
    let is_new = |(name, commit): &(_, _)| here.get(name) != Some(commit);
    let moved = there.into_iter().filter(is_new);
    Ok(moved
        .map(|(name, commit)| PushedBranch {
            name,
            commit: Some(commit),
        })
        .collect())
}

/// Minutes until the next look after so many failures in a row.
fn pause(minutes: u32, failures: u32) -> u32 {
    let doubled = minutes.saturating_mul(2_u32.saturating_pow(failures));
    doubled.min(LONGEST_PAUSE.max(minutes))
}

/// Notes how a look went, and when the next one is.
pub(super) async fn note(app: &App, before: &Polling, failure: Option<&Error>) -> Result<()> {
    let failures = match failure {
        Some(_) => before.failures.saturating_add(1),
        None => 0,
    };
    let minutes = pause(before.minutes, failures);
    let next = Polling {
        next_at: app.now() + TimeDelta::minutes(i64::from(minutes)),
        failures,
        trouble: failure
            .map(|error| error.message().to_owned())
            .unwrap_or_default(),
        ..before.clone()
    };
    again(|| async {
        let record = app.store.record().await?;
        polling::note(&record, &next).await?;
        record.commit().await
    })
    .await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_double_the_pause_up_to_an_hour() {
        let pauses: Vec<u32> = (0..6).map(|failures| pause(5, failures)).collect();
        assert_eq!(pauses, [5, 10, 20, 40, 60, 60]);
        assert_eq!((pause(240, 0), pause(240, 5)), (240, 240));
        assert_eq!(pause(1440, u32::MAX), 1440);
    }
}
