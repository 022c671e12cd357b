//! Putting the tree on one server.
//!
//! Two commands after the inspection: one takes the pack into a staging directory, and has changed
//! nothing that anybody sees; the other puts it in place and answers with the digest it reached.
//! They are two because a command that reads its input cannot be ended as a whole group, and it is
//! the second that must not go on when it was cancelled.

use super::Trust;
use super::digest::Digest;
use super::error::{Changed, Error, Trouble, readable};
use super::inspection::Inspection;
use super::layout::{Layout, Stamp};
use super::listing::Path;
use super::manifest::{Entry, Manifest};
use super::remote::{AFTERMATH, APPLY, Answer, Limits, MARK, STAGE, ask};
use super::rules::STAGING;
use super::source::{Prepared, Source};
use crate::domain::SyncMethod;
use crate::ssh::Session;

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

/// How far a delivery is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Progress {
    /// The tree there is known; the difference is being made.
    Comparing,
    /// It is being sent.
    Sending {
        /// Files and links.
        files: u64,
        /// On the wire.
        bytes: u64,
    },
    /// It is being put in place and checked.
    Placing,
}

/// One delivery: to which server, of what, where.
pub struct Delivery<'a> {
    /// The server.
    pub session: &'a Session,
    /// Where things are there.
    pub layout: &'a Layout,
    /// What stands there: asked just before.
    pub inspection: &'a Inspection,
    /// What is put there.
    pub stamp: &'a Stamp,
    /// Whether the listing's sizes and times are believed.
    pub trust: Trust,
    /// How long it may take, and what ends it.
    pub limits: &'a Limits,
    /// Is told how far it is.
    pub progress: &'a (dyn Fn(Progress) + Send + Sync),
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
        let Delivery {
            session,
            layout,
            inspection,
            trust,
            limits,
            ..
        } = *delivery;
        inspection.check(layout.method)?;
        (delivery.progress)(Progress::Comparing);
        let start = self.start(session, layout, inspection, trust, limits).await?;
        let in_place = layout.method == SyncMethod::InPlace;
        let same = trust == Trust::Times && inspection.digest == Some(self.goal.digest());
        if let (true, true, Some(root)) = (in_place, same, &inspection.resolved) {
            return self.mark(delivery, root).await;
        }
        let prepared = self.prepare(start, inspection.gzip).await?;
        if !inspection.room.copies_are_free && inspection.base().is_some() {
            let all = prepared.pack.content_bytes.max(self.goal.bytes());
            inspection.room.holds(all, self.goal.entries().len() as u64)?;
        } else {
            inspection
                .room
                .holds(prepared.pack.content_bytes, prepared.pack.inodes)?;
        }
        let root = self.stage(delivery, &prepared).await?;
        (delivery.progress)(Progress::Placing);
        if let Err(trouble) = self.apply(delivery, &root).await {
            let changed = aftermath(delivery, &root, &prepared, &self.goal).await;
            return Err(Error::from(trouble).after(changed));
        }
        let modes_set = prepared.work.modes.values().map(|paths| paths.len() as u64).sum();
        Ok(Delivered {
            sent_files: prepared.pack.files,
            sent_bytes: prepared.pack.wire_bytes,
            deleted: prepared.work.removed(),
            modes_set,
            unchanged: false,
            directory: root,
            previous: previous(delivery),
            digest: self.goal.digest(),
        })
    }

    async fn mark(&self, delivery: &Delivery<'_>, root: &str) -> Result<Delivered, Error> {
        let marker = delivery.stamp.marker(root, false);
        let data = self.data(delivery);
        let args = [root, &marker, &data].map(str::as_bytes);
        ask(delivery.session, MARK, &args, delivery.limits.question()).await?;
        Ok(Delivered {
            sent_files: 0,
            sent_bytes: 0,
            deleted: 0,
            modes_set: 0,
            unchanged: true,
            directory: root.to_owned(),
            previous: None,
            digest: self.goal.digest(),
        })
    }

    /// Sends the pack; returns the tree's directory on the server.
    async fn stage(&self, delivery: &Delivery<'_>, prepared: &Prepared) -> Result<String, Error> {
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
        let data = self.data(delivery);
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

    async fn apply(&self, delivery: &Delivery<'_>, root: &str) -> Result<(), Trouble> {
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
        let (kept, above) = (layout.rules.kept_regex(), layout.rules.above_regex());
        let (during, after) = (stamp.marker(root, true), stamp.marker(root, false));
        let parent = inspection
            .target
            .rsplit_once('/')
            .map_or("", |(parent, _)| parent);
        let shared = format!("{parent}/{}", layout.shared());
        let (staging, data) = (staging(delivery), self.data(delivery));
        let mut args = vec![
            root, &staging, base, &goal, &kept, &above, &during, &after, &data, &shared,
        ];
        if layout.method == SyncMethod::Symlink {
            args.extend(layout.rules.shared().iter().map(String::as_str));
        }
        let args: Vec<&[u8]> = args.into_iter().map(str::as_bytes).collect();
        let how = limits.transfer(crate::ssh::Stdin::Empty);
        let answer = ask(session, APPLY, &args, how).await?;
        if answer.ended() {
            Ok(())
        } else {
            Err(Trouble::Verification)
        }
    }

    fn data(&self, delivery: &Delivery<'_>) -> String {
        let data = delivery.layout.data(delivery.stamp, self.goal.digest());
        // A number and three strings always have a JSON form.
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

/// Finds out what a failed attempt has changed, and clears away what it left.
async fn aftermath(delivery: &Delivery<'_>, root: &str, prepared: &Prepared, goal: &Manifest) -> Changed {
    let Delivery { session, layout, .. } = *delivery;
    let method = layout.method;
    let kind = if method == SyncMethod::Symlink {
        "release"
    } else {
        ""
    };
    let staging = staging(delivery);
    let args = [root, &staging, layout.target.as_str(), kind].map(str::as_bytes);
    // Of its own time and not to be cancelled: it is what makes the cancelling true.
    let answer = ask(session, AFTERMATH, &args, Limits::cleaning_up()).await;
    match (method, answer) {
        (SyncMethod::Symlink, _) => Changed::OnlyBeside,
        (SyncMethod::InPlace, Ok(answer)) if answer.ended() => partly(&answer, prepared, goal),
        (SyncMethod::InPlace, _) => Changed::Unknown,
    }
}

fn partly(answer: &Answer, prepared: &Prepared, goal: &Manifest) -> Changed {
    let work = &prepared.work;
    if answer.text("unfinished").is_none() {
        return Changed::Nothing;
    }
    let missing_from = |key: &str, paths: &mut dyn Iterator<Item = &Path>| -> Vec<String> {
        let left: std::collections::HashSet<&[u8]> = answer.all(key).collect();
        paths
            .filter(|path| !left.contains(path.as_slice()))
            .map(|path| readable(path))
            .collect()
    };
    let leaves = || {
        let is_directory = |path: &Path| matches!(goal.entries().get(path), Some(Entry::Directory { .. }));
        work.send.iter().filter(move |path| !is_directory(path))
    };
    let removals = || [&work.clear, &work.delete].into_iter().flat_map(|r| &r.files);
    Changed::Partly {
        put: missing_from("left", &mut leaves()),
        of_put: leaves().count() as u64,
        removed: missing_from("still", &mut removals()),
        of_removed: removals().count() as u64,
    }
}
