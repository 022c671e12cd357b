//! How much of what programs print is kept: the first part and the last part of each step.
//!
//! A script in an endless loop can print a gigabyte in a minute. Its deployment's log must not fill the
//! database's disk, and the end of a log is what a person looks at first. Lines of the engine's own are
//! few and always kept.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::domain::{Line, Stream};

/// How much of the end is kept of a step that prints too much. It is held in memory until the step ends.
pub const TAIL: u64 = 256 * 1024;
/// Bytes that a line takes in addition to its text.
const LINE_COST: u64 = 16;

/// Bytes of program output that are kept.
#[derive(Debug, Clone, Copy)]
pub struct LogLimits {
    /// Of one step on one server.
    pub step: u64,
    /// Of all steps of a deployment together. Past it each step keeps only its last [`TAIL`].
    pub deployment: u64,
}

impl Default for LogLimits {
    fn default() -> Self {
        Self {
            step: 32 << 20,
            deployment: 256 << 20,
        }
    }
}

/// What one step has printed so far.
pub(super) struct StepOutput {
    limits: LogLimits,
    /// Of this step.
    kept: u64,
    /// Of all steps of the deployment.
    kept_by_all: Arc<AtomicU64>,
    is_over: bool,
    /// The last lines since the limit was met.
    tail: VecDeque<Line>,
    tail_size: u64,
    left_out_lines: u64,
    left_out_bytes: u64,
}

impl StepOutput {
    pub(super) fn new(limits: LogLimits, kept_by_all: Arc<AtomicU64>) -> Self {
        Self {
            limits,
            kept: 0,
            kept_by_all,
            is_over: false,
            tail: VecDeque::new(),
            tail_size: 0,
            left_out_lines: 0,
            left_out_bytes: 0,
        }
    }

    /// Takes lines that a program printed and returns those to store now.
    pub(super) fn take(&mut self, lines: Vec<Line>) -> Vec<Line> {
        let mut now = Vec::with_capacity(if self.is_over { 0 } else { lines.len() });
        for line in lines {
            let size = size(&line);
            if self.is_over {
                self.keep_for_the_end(line, size);
                continue;
            }
            let of_all = self.kept_by_all.fetch_add(size, Ordering::Relaxed);
            self.kept += size;
            let over = match (self.kept > crate::sabotage::most("d4", self.limits.step), of_all > crate::sabotage::most("d3", self.limits.deployment)) {
                (true, _) => Some(("this step", self.limits.step)),
                (_, true) => Some(("this deployment", self.limits.deployment)),
                _ => None,
            };
            match over {
                None => now.push(line),
                Some((whose, limit)) => {
                    self.is_over = true;
                    now.push(info(format!(
                        "The log of {whose} has reached {}: only the end of what follows is kept.",
                        mebibytes(limit)
                    )));
                    self.keep_for_the_end(line, size);
                }
            }
        }
        now
    }

    /// The last lines of a step that printed too much, after a line that says what is missing.
    pub(super) fn end(&mut self) -> Vec<Line> {
        let mut lines = Vec::new();
        if self.left_out_lines > 0 {
            lines.push(info(format!(
                "{} lines ({}) are left out here.",
                self.left_out_lines,
                mebibytes(self.left_out_bytes)
            )));
        }
        lines.extend(self.tail.drain(..));
        (self.tail_size, self.left_out_lines, self.left_out_bytes) = (0, 0, 0);
        lines
    }

    fn keep_for_the_end(&mut self, line: Line, size: u64) {
        self.tail_size += size;
        self.tail.push_back(line);
        while self.tail_size > crate::sabotage::most("d5", TAIL) {
            let Some(oldest) = self.tail.pop_front() else {
                break;
            };
            self.tail_size -= self::size(&oldest);
            self.left_out_lines += 1;
            self.left_out_bytes += oldest.text.len() as u64;
        }
    }
}

fn size(line: &Line) -> u64 {
    line.text.len() as u64 + LINE_COST
}

fn info(text: String) -> Line {
    Line {
        stream: Stream::Info,
        text,
    }
}

fn mebibytes(bytes: u64) -> String {
    match bytes {
        0..1_048_576 => format!("{} KiB", bytes.div_ceil(1024)),
        _ => format!("{} MiB", bytes >> 20),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_the_end_no_more_is_held_than_is_kept() {
        let limits = LogLimits {
            step: 1024,
            ..LogLimits::default()
        };
        let mut output = StepOutput::new(limits, Arc::default());
        let line = |number: u64| Line {
            stream: Stream::Stdout,
            text: format!("{number:0984}"),
        };
        let mut first = output.take(vec![line(0)]);
        for number in 1..=1000 {
            first.extend(output.take(vec![line(number)]));
            assert!(output.tail_size <= TAIL);
        }
        assert_eq!((first.len(), first[0].text.clone()), (2, line(0).text));
        let last = output.end();
        let kept = TAIL / 1000;
        assert_eq!(
            last[0].text,
            format!("{} lines (710 KiB) are left out here.", 1000 - kept)
        );
        assert_eq!(last[1].text, line(1001 - kept).text);
        assert_eq!(last.last().map(|line| line.text.clone()), Some(line(1000).text));
        assert_eq!(last.len() as u64, kept + 1);
    }
}
