//! Which groups of somebody still count, when permission is asked again.
//!
//! A deployment keeps the groups that its requester had. Groups are the provider's to give and to take, so what the
//! last login told counts, not what a login told when the deployment was requested: a group that is gone by now
//! counts no more, and none does when the last login is too long ago for a provider that cannot be asked.

use std::time::Duration;

use super::shared::EngineParts;
use crate::domain::{Actor, Identity, Instant, Result, if_found};
use crate::store::{identities, users};

/// Somebody with the groups that still count.
pub(super) struct Grouped {
    pub actor: Actor,
    /// Why others do not, as a sentence after another one; empty where all do.
    pub lacks: String,
}

/// `actor` with the groups that count at `now`.
///
/// # Errors
/// Of the store.
pub(super) async fn grouped(parts: &EngineParts, actor: &Actor, now: Instant) -> Result<Grouped> {
    if actor.groups.is_empty() {
        return Ok(Grouped {
            actor: actor.clone(),
            lacks: String::new(),
        });
    }
    let known = match if_found(users::by_name(&parts.store, &actor.name).await)? {
        Some(user) => identities::of_user(&parts.store, user.id).await?,
        None => Vec::new(),
    };
    Ok(judged(actor, &known, parts.settings.groups_max_age, now))
}

fn judged(actor: &Actor, known: &[Identity], max_age: Duration, now: Instant) -> Grouped {
    let is_fresh = |told: &&Identity| {
        let age = told.groups_at.map(|at| (now - at).to_std().unwrap_or_default());
        age.is_some_and(|age| age < max_age)
    };
    let fresh: Vec<&Identity> = known.iter().filter(is_fresh).collect();
    let counts = |group: &&String| fresh.iter().any(|told| told.groups.contains(*group));
    let groups: Vec<String> = actor.groups.iter().filter(counts).cloned().collect();
    let gone: Vec<&String> = actor
        .groups
        .iter()
        .filter(|group| !groups.contains(*group))
        .collect();
    let name = &actor.name;
    let lacks = match (gone.as_slice(), fresh.is_empty()) {
        ([], _) => String::new(),
        (_, true) => format!(
            " The groups of {name} were told too long ago to count: they count for {}. {name} has to log in again, or \
             somebody else who may has to go on with it.",
            spelled(max_age)
        ),
        ([one], false) => format!(" {name} is no longer in the group {one}."),
        (several, false) => {
            let several: Vec<&str> = several.iter().map(|one| one.as_str()).collect();
            format!(" {name} is no longer in the groups {}.", several.join(", "))
        }
    };
    Grouped {
        actor: Actor {
            groups,
            ..actor.clone()
        },
        lacks,
    }
}

/// “24 h”, “90 min”, “30 s”.
fn spelled(time: Duration) -> String {
    match time.as_secs() {
        seconds if seconds.is_multiple_of(3600) => format!("{} h", seconds / 3600),
        seconds if seconds.is_multiple_of(60) => format!("{} min", seconds / 60),
        seconds => format!("{seconds} s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{IdentityId, LoginProvider, UserId};

    fn told(provider: LoginProvider, groups: &[&str], at: &str) -> Identity {
        Identity {
            id: IdentityId(1),
            user: UserId(1),
            provider,
            subject: "a".to_owned(),
            created_at: at.parse().unwrap(),
            groups: groups.iter().map(|group| (*group).to_owned()).collect(),
            groups_at: Some(at.parse().unwrap()),
        }
    }

    #[test]
    fn what_the_last_login_told_counts_for_its_time() {
        let ann = Actor {
            groups: vec!["dev".to_owned(), "ops".to_owned()],
            ..Actor::user("ann", "")
        };
        let day = Duration::from_secs(24 * 3600);
        let now = "2026-11-29T10:00:00Z".parse().unwrap();
        let judge = |known: &[Identity]| {
            let Grouped { actor, lacks } = judged(&ann, known, day, now);
            (actor.groups.join(" "), lacks.trim().to_owned())
        };
        let both = told(
            LoginProvider::Plugin,
            &["ops", "dev", "new"],
            "2026-11-28T10:00:01Z",
        );
        assert_eq!(judge(&[both]), ("dev ops".to_owned(), String::new()));
        let old = told(LoginProvider::Plugin, &["ops", "dev"], "2026-11-28T10:00:00Z");
        let stale = "The groups of ann were told too long ago to count: they count for 24 h. ann has to log in again, \
                     or somebody else who may has to go on with it.";
        assert_eq!(
            judge(std::slice::from_ref(&old)),
            (String::new(), stale.to_owned())
        );
        assert_eq!(judge(&[]).0, "");
        let lost = told(LoginProvider::Proxy, &["dev"], "2026-11-29T09:00:00Z");
        assert_eq!(
            judge(&[old, lost]),
            ("dev".to_owned(), "ann is no longer in the group ops.".to_owned())
        );
    }
}
