//! Separates the output of a command from what the login shell prints before it.

use bytes::{Bytes, BytesMut};

use super::Error;
use super::guard::Mark;
use super::{Exit, Output};

/// The most that is kept of what is printed before the mark: more than any greeting.
const GREETING_LIMIT: usize = 64 * 1024;

/// Passes on what comes after the mark.
pub(super) struct AfterMark<'a, O> {
    mark: Vec<u8>,
    output: &'a mut O,
    /// `None` once the mark was seen.
    before: Option<BytesMut>,
    /// What came on standard error until then. It is passed on at once.
    complaint: Vec<u8>,
}

impl<'a, O: Output> AfterMark<'a, O> {
    pub(super) fn new(mark: &Mark, output: &'a mut O) -> Self {
        Self {
            mark: mark.bytes(),
            output,
            before: Some(BytesMut::new()),
            complaint: Vec::new(),
        }
    }

    /// How the command ended, if it was run at all.
    ///
    /// # Errors
    /// [`Error::NotRun`] with what was printed instead, when the mark never came.
    pub(super) fn demand(self, exit: Exit, server: &str) -> Result<Exit, Error> {
        let Some(before) = self.before else {
            return Ok(exit);
        };
        let said = [&before[..], &self.complaint].concat();
        let said = String::from_utf8_lossy(&said);
        let last = said.lines().map(str::trim).rfind(|line| !line.is_empty());
        Err(Error::NotRun {
            server: server.to_owned(),
            said: last.unwrap_or("it said nothing").to_owned(),
        })
    }
}

impl<O: Output> Output for AfterMark<'_, O> {
    async fn stdout(&mut self, data: Bytes) {
        let Some(before) = &mut self.before else {
            return self.output.stdout(data).await;
        };
        before.extend_from_slice(&data);
        let found = before.windows(self.mark.len()).position(|part| part == self.mark);
        if let Some(at) = found {
            let rest = before.split_off(at + self.mark.len()).freeze();
            self.before = None;
            if !rest.is_empty() {
                self.output.stdout(rest).await;
            }
        } else if before.len() > crate::sabotage::most("h34", GREETING_LIMIT) {
            // The last bytes may be the beginning of the mark.
            let _ = before.split_to(before.len() - self.mark.len());
        }
    }

    async fn stderr(&mut self, data: Bytes) {
        if self.before.is_some() && self.complaint.len() < crate::sabotage::most("h35", GREETING_LIMIT) {
            self.complaint.extend_from_slice(&data);
        }
        self.output.stderr(data).await;
    }
}
