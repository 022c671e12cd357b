//! Putting the tree on one server.
//!
//! Walking a big tree costs a server more than everything else, so it is walked once, for the
//! digest at the end. What was there before is taken from its marker. If somebody has changed files
//! since, the digest comes out wrong; then the tree is listed and what is still missing is sent too.
//!
//! Two commands follow the inspection. The first unpacks into a staging directory, which nobody
//! sees; the second puts the files in place and answers with the digest it reached. They are two
//! because a command that reads its input cannot be ended as a whole process group, and the second
//! must stop when it is cancelled.

use super::aftermath::aftermath;
use super::changed::Changed;
use super::delivery::{Delivery, DeliveryProgress, staging};
use super::difference::{Difference, kind_of, parent};
use super::error::{Error, Trouble, readable};
use super::listing::{Listed, Path};
use super::remote::{APPLY, MARK, STAGE, ask};
use super::source::{Prepared, Start, TreeSource};
use crate::domain::SyncMethod;

/// Paths that turned into something else which are told one by one.
const MOST_TURNED: usize = 20;

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
    /// What is not in the manifest but could not be removed. The next deployment tries again.
    pub left: Vec<String>,
    /// A sentence for each directory, file or link on the server that something of another kind has replaced,
    /// as that may have been somebody's intention; none for a new release.
    pub turned: Vec<String>,
}

/// The outcome of one attempt.
enum Attempt {
    Reached(Delivered),
    /// The marker was wrong about the tree.
    Missed {
        done: Option<Delivered>,
        changed: Changed,
        stuck: Vec<Path>,
    },
}

impl TreeSource {
    /// Puts the tree on a server: in place, or as a new release beside the running one, which
    /// [`super::activate`] then puts in service. Returns once the server has confirmed that it has
    /// exactly this tree.
    ///
    /// # Errors
    /// [`Error::Server`] says what went wrong there and what had been changed by then; with the
    /// symlink method, nothing in service has changed after a failure.
    pub async fn deliver(&self, delivery: &Delivery<'_>) -> Result<Delivered, Error> {
        delivery.inspection.check(delivery.layout.method)?;
        let (done, before) = match self.attempt(delivery, true).await? {
            Attempt::Reached(delivered) => return Ok(delivered),
            Attempt::Missed { done, changed, .. } => (done, changed),
        };
        tracing::info!(
            target = delivery.inspection.target,
            "the tree there is not the one we left"
        );
        match self.settle(delivery).await {
            Ok(mut delivered) => {
                if let Some(done) = done {
                    delivered.sent_files += done.sent_files;
                    delivered.sent_bytes += done.sent_bytes;
                    delivered.deleted += done.deleted;
                    delivered.modes_set += done.modes_set;
                    for told in done.turned {
                        if !delivered.turned.contains(&told) {
                            delivered.turned.push(told);
                        }
                    }
                }
                Ok(delivered)
            }
            Err(Error::Server { trouble, changed }) => Err(Error::from(trouble).after(before.and(changed))),
            Err(other) => Err(other),
        }
    }

    /// Starts from a fresh listing of the server.
    async fn settle(&self, delivery: &Delivery<'_>) -> Result<Delivered, Error> {
        let (done, changed, stuck) = match self.attempt(delivery, false).await? {
            Attempt::Reached(delivered) => return Ok(delivered),
            Attempt::Missed { done, changed, stuck } => (done, changed, self.with_ancestors(stuck)),
        };
        let missed = |changed| Error::from(Trouble::Verification).after(changed);
        let Some(done) = done.filter(|_| !stuck.is_empty()) else {
            return Err(missed(changed));
        };
        // Perhaps only what cannot be removed makes the difference.
        let start = Start::restless();
        match self.mark(delivery, &start, &done.directory, &stuck).await {
            Ok(Attempt::Reached(_)) => Ok(Delivered {
                deleted: done.deleted.saturating_sub(stuck.len() as u64),
                left: stuck.iter().map(|path| readable(path)).collect(),
                ..done
            }),
            Ok(Attempt::Missed { .. }) => Err(missed(changed)),
            Err(error) => Err(error.after(changed)),
        }
    }

    /// `stuck`, and the directories above that are there only because of it.
    fn with_ancestors(&self, mut stuck: Vec<Path>) -> Vec<Path> {
        for at in 0..stuck.len() {
            let above = std::iter::successors(parent(&stuck[at]), |path| parent(path));
            let above: Vec<Path> = above.map(<[u8]>::to_vec).collect();
            stuck.extend(above);
        }
        stuck.retain(|path| !self.goal.entries().contains_key(path));
        stuck.sort();
        stuck.dedup();
        stuck
    }

    /// One attempt, based on what the marker claims (`believe`) or on what the server lists.
    async fn attempt(&self, delivery: &Delivery<'_>, believe: bool) -> Result<Attempt, Error> {
        let Delivery {
            layout, inspection, ..
        } = *delivery;
        (delivery.progress)(DeliveryProgress::Comparing);
        let start = self.start(delivery, believe).await?;
        let is_right = layout.method == SyncMethod::InPlace && start.key == Some(self.goal.digest());
        if let (true, Some(root)) = (is_right, &inspection.resolved) {
            return self.mark(delivery, &start, root, &[]).await;
        }
        let cancel = &delivery.limits.cancel;
        let prepared = self.prepare(&start, layout, inspection.gzip, cancel).await?;
        let pack = &prepared.pack;
        let (mut bytes, mut inodes) = (pack.content_bytes, pack.inodes);
        if !inspection.room.copies_are_free && inspection.base().is_some() {
            bytes = bytes.max(self.goal.bytes());
            inodes += self.goal.entries().len() as u64;
        }
        inspection.room.holds(bytes, inodes)?;
        let root = self.stage(delivery, &start, &prepared).await?;
        (delivery.progress)(DeliveryProgress::Placing);
        let applied = self.apply(delivery, &start, &root).await;
        let mut delivered = self.outcome(&root, Some(&prepared));
        if layout.method == SyncMethod::InPlace {
            delivered.turned = self.turned(&prepared.work);
        }
        if let Ok(None) = applied {
            return Ok(Attempt::Reached(delivered));
        }
        let data = self.data(delivery, &start);
        let after = aftermath(delivery, &root, &data, &prepared, &self.goal).await;
        let changed = match (after, &applied) {
            (Some(changed), _) => changed,
            // It was cancelled or ran out of time after the work was done.
            (None, Err(Trouble::Connection(_))) => return Ok(Attempt::Reached(delivered)),
            // It failed before it changed anything, so this comes from an earlier attempt.
            (None, _) => Changed::Nothing,
        };
        match applied {
            Err(trouble) if start.is_sure || !matches!(trouble, Trouble::Other { .. }) => {
                Err(Error::from(trouble).after(changed))
            }
            // This includes a directory where a file should go.
            other => Ok(Attempt::Missed {
                done: Some(delivered),
                changed,
                stuck: other.ok().flatten().unwrap_or_default(),
            }),
        }
    }

    fn outcome(&self, root: &str, prepared: Option<&Prepared>) -> Delivered {
        let (pack, work) = (prepared.map(|p| &p.pack), prepared.map(|p| &p.work));
        let modes = |work: &Difference| work.modes.values().map(|paths| paths.len() as u64).sum();
        Delivered {
            sent_files: pack.map_or(0, |pack| pack.files),
            sent_bytes: pack.map_or(0, |pack| pack.wire_bytes),
            deleted: work.map_or(0, Difference::removed),
            modes_set: work.map_or(0, modes),
            unchanged: prepared.is_none(),
            directory: root.to_owned(),
            left: Vec::new(),
            turned: Vec::new(),
        }
    }

    /// See [`Delivered::turned`].
    fn turned(&self, work: &Difference) -> Vec<String> {
        let sentence = |(path, there): (&Path, &Listed)| {
            let (was, is) = (kind_of(there)?, self.goal.entries().get(path)?.kind());
            let fate = match there {
                Listed::Symlink(to) => format!("it led to {}, which was left alone", readable(to)),
                _ => "what was in it is gone".to_owned(),
            };
            Some(format!(
                "{} was {was} on the server and is {is} now: {fate}.",
                readable(path)
            ))
        };
        let mut told: Vec<String> = work
            .turned
            .iter()
            .filter_map(sentence)
            .take(MOST_TURNED)
            .collect();
        let more = work.turned.len().saturating_sub(MOST_TURNED);
        if more > 0 {
            told.push(format!("So it was with {more} more."));
        }
        told
    }

    /// Writes the markers if the tree is right already, not counting what is `stuck`.
    async fn mark(
        &self,
        delivery: &Delivery<'_>,
        start: &Start,
        root: &str,
        stuck: &[Path],
    ) -> Result<Attempt, Error> {
        let [kept, above, names] = delivery.layout.rules.expressions_without(stuck);
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
            Attempt::Reached(self.outcome(root, None))
        } else {
            Attempt::Missed {
                done: None,
                changed: Changed::Nothing,
                stuck: Vec::new(),
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
        (delivery.progress)(DeliveryProgress::Sending {
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
            layout.rules.readers.as_deref().unwrap_or_default(),
        ];
        let stdin = pack.stdin().await?;
        let beside = match layout.method {
            SyncMethod::InPlace => Changed::Nothing,
            SyncMethod::Symlink => Changed::OnlyBeside,
        };
        let sent = ask(session, STAGE, &args.map(str::as_bytes), limits.transfer(stdin)).await;
        let readers = layout.rules.readers.as_deref();
        let answer =
            sent.map_err(|trouble| Error::from(with_group(trouble, readers)).after(beside.clone()))?;
        match answer.text("root") {
            Some(root) if answer.ended() => Ok(root),
            _ => Err(Error::from(Trouble::Vanished).after(beside)),
        }
    }

    /// Puts the staged files in place. `None` when the tree is right afterwards; otherwise what could
    /// not be removed.
    async fn apply(
        &self,
        delivery: &Delivery<'_>,
        start: &Start,
        root: &str,
    ) -> Result<Option<Vec<Path>>, Trouble> {
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
        let beside = inspection
            .target
            .rsplit_once('/')
            .map_or("", |(parent, _)| parent);
        let (staging, data) = (staging(delivery), self.data(delivery, start));
        let stored = layout.stored_words();
        let readers = layout.rules.readers.as_deref().unwrap_or_default();
        let method = layout.method.as_str();
        let mut args = vec![
            root, &staging, base, &goal, &kept, &above, &names, &during, &after, &data, beside, readers,
            method,
        ];
        args.extend(stored.iter().map(String::as_str));
        let args: Vec<&[u8]> = args.into_iter().map(str::as_bytes).collect();
        let how = limits.transfer(crate::ssh::Stdin::Empty);
        let answer = ask(session, APPLY, &args, how).await;
        let answer = answer.map_err(|trouble| with_group(trouble, Some(readers)))?;
        let stuck = || answer.all("stuck").map(<[u8]>::to_vec).collect();
        Ok((!answer.ended()).then(stuck))
    }

    fn data(&self, delivery: &Delivery<'_>, start: &Start) -> String {
        let digest = self.goal.digest();
        let data = delivery.layout.data(delivery.stamp, digest, start.is_restless);
        // Numbers, flags and strings always have a JSON form.
        serde_json::to_string(&data).unwrap_or_default()
    }
}

/// `trouble`, with the name of the group if it is about that.
fn with_group(trouble: Trouble, readers: Option<&str>) -> Trouble {
    match trouble {
        Trouble::Group { detail, .. } => Trouble::Group {
            group: readers.unwrap_or_default().to_owned(),
            detail,
        },
        other => other,
    }
}
