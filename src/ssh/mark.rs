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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Keeps what it gets.
    #[derive(Default)]
    struct Kept(Vec<u8>, Vec<u8>);

    impl Output for Kept {
        async fn stdout(&mut self, data: Bytes) {
            self.0.extend_from_slice(&data);
        }

        async fn stderr(&mut self, data: Bytes) {
            self.1.extend_from_slice(&data);
        }
    }

    fn waiting(output: &mut Kept) -> AfterMark<'_, Kept> {
        AfterMark {
            mark: b"MARK".to_vec(),
            output,
            before: Some(BytesMut::new()),
            complaint: Vec::new(),
        }
    }

    proptest! {
        #![proptest_config(crate::cases::cases(200))]

        #[test]
        fn what_comes_after_the_mark_is_passed_on_wherever_the_bytes_are_cut(
            greeting in prop::collection::vec(prop::sample::select(b"MARK \n\0x".to_vec()), 0..60),
            own in prop::collection::vec(any::<u8>(), 0..60),
            cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..8),
        ) {
            prop_assume!(!greeting.windows(4).any(|part| part == b"MARK"));
            let all = [greeting.as_slice(), b"MARK", &own].concat();
            let begins = all.windows(4).position(|part| part == b"MARK").unwrap() + 4;
            let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(all.len() + 1)).collect();
            cuts.push(all.len());
            cuts.sort_unstable();
            let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
            let mut output = Kept::default();
            let mut waiting = waiting(&mut output);
            let mut from = 0;
            for upto in cuts {
                runtime.block_on(waiting.stdout(Bytes::copy_from_slice(&all[from..upto])));
                from = upto;
            }
            prop_assert!(waiting.before.is_none());
            prop_assert_eq!(&output.0, &all[begins..]);
        }
    }

    #[tokio::test]
    async fn of_a_greeting_without_end_little_is_kept() {
        let (mut output, piece) = (Kept::default(), Bytes::from(vec![b'x'; 4096]));
        let mut waiting = waiting(&mut output);
        for _ in 0..100 {
            waiting.stdout(piece.clone()).await;
            waiting.stderr(piece.clone()).await;
            let kept = waiting.before.as_ref().map_or(0, BytesMut::len);
            assert!(kept <= GREETING_LIMIT, "{kept} bytes of a greeting");
            let kept = waiting.complaint.len();
            assert!(kept < GREETING_LIMIT + piece.len(), "{kept} bytes of a complaint");
        }
        // A mark that comes in two pieces is seen all the same.
        waiting.stdout(Bytes::from_static(b"MA")).await;
        waiting.stdout(Bytes::from_static(b"RKown")).await;
        waiting.stdout(Bytes::from_static(b" output")).await;
        assert!(waiting.before.is_none());
        assert_eq!(output.0, b"own output");
        assert_eq!(output.1.len(), 100 * 4096);
    }
}
