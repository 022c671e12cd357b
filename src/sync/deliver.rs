//! Putting the tree on one server.
//!
//! A walk over a big tree costs a server more than all else, so there is one: the digest of what
//! stands there afterwards. What stood there before is what its marker claims. Should that not have
//! been true, because somebody changed files there, then the digest comes out wrong, the tree is
//! listed, and what is still missing is sent as well.
//!
//! Two commands after the inspection: one takes the pack into a staging directory, and has changed
//! nothing that anybody sees; the other puts it in place and answers with the digest it reached.
//! They are two because a command that reads its input cannot be ended as a whole group, and it is
//! the second that must not go on when it was cancelled.

use std::collections::HashSet;

use super::changed::{Changed, Partial, Portion};
use super::delivery::{Delivery, Progress};
use super::difference::Difference;
use super::digest::Digest;
use super::error::{Error, Trouble, readable};
use super::listing::Path;
use super::manifest::{Entry, Manifest};
use super::remote::{AFTERMATH, APPLY, Answer, Limits, MARK, STAGE, ask};
use super::rules::STAGING;
use super::source::{Prepared, Source, Start};
use crate::domain::SyncMethod;

/// What was done on a server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivered {
    /// Files and links that were sent.
    pub sent_files: u64,
    /// Bytes that went over the wire for them.
    pub sent_bytes: u64,
    /// Files, links and directories that were removed.
    pub deleted: u64,
    /// Files whose permission bits were set.
    pub modes_set: u64,
    /// Whether the tree was right already and only the marker was written.
    pub unchanged: bool,
    /// The directory the tree is in, as an absolute path: what [`super::activate`] switches to.
    pub directory: String,
    /// The directory that was in service before: where a rollback leads (symlink method).
    pub previous: Option<String>,
    /// The digest that the server answered with.
    pub digest: Digest,
}

/// What came of one try.
enum Attempt {
    Reached(Delivered),
    /// The tree there was not what it was taken for.
    Missed {
        done: Option<Delivered>,
        changed: Changed,
    },
}

impl Source {
    /// Puts the tree on a server: in place, or as a new release beside the running one, which
    /// [`super::activate`] then puts in service. Returns once the server has confirmed that it has
    /// exactly this tree.
    ///
    /// # Errors
    /// [`Error::Server`] says what went wrong there and what had been changed by then; after a
    /// failure of the symlink method that is nothing in service.
    pub async fn deliver(&self, delivery: &Delivery<'_>) -> Result<Delivered, Error> {
        delivery.inspection.check(delivery.layout.method)?;
        let (done, before) = match self.attempt(delivery, true).await? {
            Attempt::Reached(delivered) => return Ok(delivered),
            Attempt::Missed { done, changed } => (done, changed),
        };
        tracing::info!(
            target = delivery.inspection.target,
            "the tree there is not the one we left"
        );
        match self.attempt(delivery, false).await {
            Ok(Attempt::Reached(mut delivered)) => {
                if let Some(done) = done {
                    delivered.sent_files += done.sent_files;
                    delivered.sent_bytes += done.sent_bytes;
                    delivered.deleted += done.deleted;
                    delivered.modes_set += done.modes_set;
                }
                Ok(delivered)
            }
            Ok(Attempt::Missed { changed, .. }) => {
                Err(Error::from(Trouble::Verification).after(before.and(changed)))
            }
            Err(Error::Server { trouble, changed }) => Err(Error::from(trouble).after(before.and(changed))),
            Err(other) => Err(other),
        }
    }

    /// Once, from what the marker claims (`believe`) or from what the server lists.
    async fn attempt(&self, delivery: &Delivery<'_>, believe: bool) -> Result<Attempt, Error> {
        let Delivery {
            layout, inspection, ..
        } = *delivery;
        (delivery.progress)(Progress::Comparing);
        let start = self.start(delivery, believe).await?;
        let is_right = layout.method == SyncMethod::InPlace && start.key == Some(self.goal.digest());
        if let (true, Some(root)) = (is_right, &inspection.resolved) {
            return self.mark(delivery, &start, root).await;
        }
        let prepared = self.prepare(&start, inspection.gzip).await?;
        if !inspection.room.copies_are_free && inspection.base().is_some() {
            let all = prepared.pack.content_bytes.max(self.goal.bytes());
            inspection.room.holds(all, self.goal.entries().len() as u64)?;
        } else {
            inspection
                .room
                .holds(prepared.pack.content_bytes, prepared.pack.inodes)?;
        }
        let root = self.stage(delivery, &start, &prepared).await?;
        (delivery.progress)(Progress::Placing);
        let applied = self.apply(delivery, &start, &root).await;
        let delivered = self.outcome(delivery, &root, Some(&prepared));
        if let Ok(true) = applied {
            return Ok(Attempt::Reached(delivered));
        }
        let data = self.data(delivery, &start);
        let after = aftermath(delivery, &root, &data, &prepared, &self.goal).await;
        let changed = match (after, &applied) {
            (Some(changed), _) => changed,
            // What ended it from outside came too late.
            (None, Err(Trouble::Connection(_))) => return Ok(Attempt::Reached(delivered)),
            // It gave up by itself before it began: that is what an earlier try has left.
            (None, _) => Changed::Nothing,
        };
        match applied {
            Err(trouble) if start.is_sure || !matches!(trouble, Trouble::Other { .. }) => {
                Err(Error::from(trouble).after(changed))
            }
            // Also when, say, a directory stands where a file should go.
            _ => Ok(Attempt::Missed {
                done: Some(delivered),
                changed,
            }),
        }
    }

    fn outcome(&self, delivery: &Delivery<'_>, root: &str, prepared: Option<&Prepared>) -> Delivered {
        let (pack, work) = (prepared.map(|p| &p.pack), prepared.map(|p| &p.work));
        let modes = |work: &Difference| work.modes.values().map(|paths| paths.len() as u64).sum();
        Delivered {
            sent_files: pack.map_or(0, |pack| pack.files),
            sent_bytes: pack.map_or(0, |pack| pack.wire_bytes),
            deleted: work.map_or(0, Difference::removed),
            modes_set: work.map_or(0, modes),
            unchanged: prepared.is_none(),
            directory: root.to_owned(),
            previous: previous(delivery),
            digest: self.goal.digest(),
        }
    }

    /// Writes the markers of a tree that is right already, if it is.
    async fn mark(&self, delivery: &Delivery<'_>, start: &Start, root: &str) -> Result<Attempt, Error> {
        let [kept, above, names] = delivery.layout.rules.expressions();
        let (marker, data) = (delivery.stamp.marker(root, false), self.data(delivery, start));
        let goal = self.goal.digest().to_string();
        let before = delivery.inspection.data.as_ref();
        let walk = before
            .filter(|data| data.digest == goal)
            .and_then(|data| data.walk.as_deref())
            .unwrap_or_default();
        let args = [root, &marker, &data, &goal, &kept, &above, &names, walk].map(str::as_bytes);
        let answer = ask(delivery.session, MARK, &args, delivery.limits.question()).await?;
        Ok(if answer.ended() {
            Attempt::Reached(self.outcome(delivery, root, None))
        } else {
            Attempt::Missed {
                done: None,
                changed: Changed::Nothing,
            }
        })
    }

    /// Sends the pack; returns the tree's directory on the server.
    async fn stage(
        &self,
        delivery: &Delivery<'_>,
        start: &Start,
        prepared: &Prepared,
    ) -> Result<String, Error> {
        let Delivery {
            session,
            layout,
            stamp,
            limits,
            ..
        } = *delivery;
        let pack = &prepared.pack;
        (delivery.progress)(Progress::Sending {
            files: pack.files,
            bytes: pack.wire_bytes,
        });
        let (releases, release, staging) = (layout.releases(), stamp.release_name(), staging(delivery));
        let data = self.data(delivery, start);
        let gzip = if pack.gzip { "z" } else { "" };
        let args = [
            layout.target.as_str(),
            layout.method.as_str(),
            &releases,
            &release,
            &staging,
            gzip,
            &data,
        ];
        let stdin = pack.stdin().await?;
        let beside = match layout.method {
            SyncMethod::InPlace => Changed::Nothing,
            SyncMethod::Symlink => Changed::OnlyBeside,
        };
        let sent = ask(session, STAGE, &args.map(str::as_bytes), limits.transfer(stdin)).await;
        let answer = sent.map_err(|trouble| Error::from(trouble).after(beside.clone()))?;
        match answer.text("root") {
            Some(root) if answer.ended() => Ok(root),
            _ => Err(Error::from(Trouble::Vanished).after(beside)),
        }
    }

    /// Whether the tree there is the right one afterwards.
    async fn apply(&self, delivery: &Delivery<'_>, start: &Start, root: &str) -> Result<bool, Trouble> {
        let Delivery {
            session,
            layout,
            inspection,
            stamp,
            limits,
            ..
        } = *delivery;
        let base = match layout.method {
            SyncMethod::InPlace => "",
            SyncMethod::Symlink => inspection.base().unwrap_or(""),
        };
        let goal = self.goal.digest().to_string();
        let [kept, above, names] = layout.rules.expressions();
        let (during, after) = (stamp.marker(root, true), stamp.marker(root, false));
        let parent = inspection
            .target
            .rsplit_once('/')
            .map_or("", |(parent, _)| parent);
        let shared = format!("{parent}/{}", layout.shared());
        let (staging, data) = (staging(delivery), self.data(delivery, start));
        let mut args = vec![
            root, &staging, base, &goal, &kept, &above, &names, &during, &after, &data, &shared,
        ];
        if layout.method == SyncMethod::Symlink {
            args.extend(layout.rules.shared().iter().map(String::as_str));
        }
        let args: Vec<&[u8]> = args.into_iter().map(str::as_bytes).collect();
        let how = limits.transfer(crate::ssh::Stdin::Empty);
        Ok(ask(session, APPLY, &args, how).await?.ended())
    }

    fn data(&self, delivery: &Delivery<'_>, start: &Start) -> String {
        let digest = self.goal.digest();
        let data = delivery.layout.data(delivery.stamp, digest, start.is_restless);
        // Numbers, flags and strings always have a JSON form.
        serde_json::to_string(&data).unwrap_or_default()
    }
}

fn previous(delivery: &Delivery<'_>) -> Option<String> {
    let Delivery {
        layout, inspection, ..
    } = *delivery;
    match layout.method {
        SyncMethod::InPlace => None,
        SyncMethod::Symlink => inspection.resolved.clone(),
    }
}

fn staging(delivery: &Delivery<'_>) -> String {
    format!("{STAGING}{}", delivery.stamp.deployment)
}

/// Finds out what a failed attempt has changed, and clears away what it left. `None`: all was done, the
/// tree seen to be right and everything cleared up or about to be.
async fn aftermath(
    delivery: &Delivery<'_>,
    root: &str,
    data: &str,
    prepared: &Prepared,
    goal: &Manifest,
) -> Option<Changed> {
    let Delivery { session, layout, .. } = *delivery;
    let method = layout.method;
    let kind = if method == SyncMethod::Symlink {
        "release"
    } else {
        ""
    };
    let staging = staging(delivery);
    let args = [root, &staging, layout.target.as_str(), kind, data].map(str::as_bytes);
    // Of its own time and not to be cancelled: it is what makes the cancelling true.
    let answer = ask(session, AFTERMATH, &args, Limits::cleaning_up()).await;
    Some(match (method, answer) {
        (SyncMethod::Symlink, _) => Changed::OnlyBeside,
        (SyncMethod::InPlace, Ok(answer)) if answer.text("finished").is_some() => return None,
        (SyncMethod::InPlace, Ok(answer)) if answer.text("gone").is_some() => Changed::Unknown,
        (SyncMethod::InPlace, Ok(answer)) if answer.ended() => partly(&answer, prepared, goal),
        (SyncMethod::InPlace, _) => Changed::Unknown,
    })
}

fn partly(answer: &Answer, prepared: &Prepared, goal: &Manifest) -> Changed {
    let work = &prepared.work;
    if answer.text("unfinished").is_none() {
        return Changed::Nothing;
    }
    let told = |key| {
        let paths = answer
            .all(key)
            .map(|path| path.strip_prefix(b"./").unwrap_or(path));
        paths.collect::<HashSet<&[u8]>>()
    };
    let (left, missing, set, still) = (told("left"), told("missing"), told("set"), told("still"));
    let entry = |path: &Path| goal.entries().get(path);
    let leaves = work
        .send
        .iter()
        .filter(|path| !matches!(entry(path), Some(Entry::Directory { .. })));
    // Whether one that does not count was there before, nobody knows.
    let directories = work
        .directories
        .iter()
        .filter(|path| matches!(entry(path), Some(Entry::Directory { counted: true, .. })));
    let removals = [&work.clear, &work.delete]
        .into_iter()
        .flat_map(|removal| removal.files.iter().chain(&removal.directories));
    Changed::Partly(Box::new(Partial {
        put: portion(leaves, |path| !left.contains(path)),
        made: portion(directories, |path| !missing.contains(path)),
        modes: portion(work.modes.values().flatten(), |path| set.contains(path)),
        removed: portion(removals, |path| !still.contains(path)),
    }))
}

fn portion<'a>(all: impl Iterator<Item = &'a Path>, is_done: impl Fn(&[u8]) -> bool) -> Portion {
    let mut portion = Portion::default();
    for path in all {
        portion.of += 1;
        if is_done(path) {
            portion.done.push(readable(path));
        }
    }
    portion
}
