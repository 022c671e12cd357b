//! A tree in place whose deployment was interrupted: its marker says that it is being changed, but it may be
//! complete. Files are put in place first and summed afterwards, so a deployer that is killed in between
//! mostly leaves the complete new tree, or the complete old one if nothing was put in place yet.

use super::Trust;
use super::digest::Digest;
use super::error::Error;
use super::layout::{Layout, Stamp};
use super::remote::{Limits, TORN, ask};
use super::source::list;
use crate::domain::Release;
use crate::ssh::Session;

/// The trees that an interrupted one may turn out to be.
#[derive(Debug, Clone)]
pub struct Torn<'a> {
    /// What was being put there.
    pub stamp: &'a Stamp,
    /// The digest of that; `None` when it is not known any more.
    pub new: Option<Digest>,
    /// What was there before, and the digests that it may have; `None` when that is not known.
    pub before: Option<(Release, Vec<Digest>)>,
}

impl Torn<'_> {
    /// Compares the tree in `root` with both, and writes the marker of the one that it is; `None` when it is
    /// neither.
    ///
    /// # Errors
    /// [`Error::Server`] when it cannot be read or marked.
    pub async fn settle(
        &self,
        session: &Session,
        layout: &Layout,
        root: &str,
        limits: &Limits,
    ) -> Result<Option<Release>, Error> {
        let found = list(session, layout, root, Trust::Times, limits).await?.digest();
        let (release, data) = match &self.before {
            _ if self.new == Some(found) => {
                let data = layout.data(self.stamp, found, false);
                let text = serde_json::to_string(&data).map_err(Error::task)?;
                (self.stamp.release(root), text)
            }
            Some((before, digests)) if digests.contains(&found) => (before.clone(), String::new()),
            _ => return Ok(None),
        };
        let marker = release.to_marker();
        let args = [root, &marker, &data, self.stamp.commit.as_str()].map(str::as_bytes);
        let answer = ask(session, TORN, &args, limits.question()).await?;
        Ok(answer.ended().then_some(release))
    }
}
