//! The log of a deployment: everything printed is masked, batched, stored with line numbers, and then
//! announced to its watchers.
//!
//! Each step writes into a [`StepLog`], which turns bytes into lines and hands them to the one
//! writer of the deployment through a bounded channel. The writer stores what has gathered in a
//! single transaction: at once when nothing was written lately, else after [`BATCH_TIME`], so that a
//! quiet script is seen immediately and a loud one costs few writes. The channel slows down a
//! program that prints faster than the store takes it, so memory does not grow with the log.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, timeout_at};
use tokio_util::sync::CancellationToken;

use super::lines::LineBuffer;
use super::log_limit::{LogLimits, StepOutput};
use super::mask::Mask;
use super::patience::Patience;
use crate::clock::Clock;
use crate::domain::{Chunk, Error, Line, Result, StepId, StepKind, Stream};
use crate::store::log;
use crate::store::{Lease, Store};

/// How long lines are gathered after a recent write.
const BATCH_TIME: Duration = Duration::from_millis(40);
/// Bytes of text that are written at once, whatever the time. The hub keeps a few writes for slow viewers:
/// their number times this is the memory that a loud script takes.
const BATCH_SIZE: usize = 128 * 1024;
/// The same in lines: short ones take more room than their text.
const BATCH_LINES: usize = 2000;
/// Pieces waiting for the writer before printing programs are slowed down; a piece is at most what
/// one SSH packet carries.
const WAITING_PIECES: usize = 32;

enum Message {
    Lines {
        step: Arc<StepName>,
        lines: Vec<Line>,
        size: usize,
    },
    Flush(oneshot::Sender<()>),
}

/// Which step printed a line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StepName {
    /// Its row.
    pub id: Option<StepId>,
    /// The server it runs on; empty for the deployer's host.
    pub server: String,
    /// What it does.
    pub kind: StepKind,
}

/// The log of one deployment while it runs. Cheap to clone.
#[derive(Clone)]
pub struct Log {
    sender: mpsc::Sender<Message>,
    mask: Mask,
    broken: CancellationToken,
    limits: LogLimits,
    /// Bytes that programs printed and that were kept, over all steps.
    kept: Arc<AtomicU64>,
}

/// Where the log of one deployment goes.
pub struct Sink {
    /// Keeps the lines.
    pub store: Store,
    /// Gives the lines their time.
    pub clock: Clock,
    /// The lease on their deployment: the proof that we may write them.
    pub lease: Lease,
    /// How much of what programs print is kept.
    pub limits: LogLimits,
    /// How long to wait for a busy database.
    pub patience: Duration,
}

impl Log {
    /// Starts the writer. It cancels `broken` when it can no longer write: disk full, lease lost.
    pub fn open(sink: Sink, mask: Mask, broken: CancellationToken) -> Self {
        let (sender, receiver) = mpsc::channel(WAITING_PIECES);
        let token = broken.clone();
        let limits = sink.limits;
        tokio::spawn(async move {
            if let Err(error) = write(sink, receiver).await {
                tracing::error!(
                    error = &error as &dyn std::error::Error,
                    "the log cannot be stored"
                );
                token.cancel();
            }
        });
        Self {
            sender,
            mask,
            broken,
            limits,
            kept: Arc::default(),
        }
    }

    /// `text` as it may be shown and stored: without secrets.
    pub fn masked(&self, text: &str) -> String {
        if crate::sabotage::on("m8") { return text.to_owned(); }
        self.mask.apply(text).into_owned()
    }

    /// The log of one step.
    pub fn step(&self, name: StepName) -> StepLog {
        StepLog {
            log: self.clone(),
            name: Arc::new(name),
            printed: Arc::new(Mutex::new(StepOutput::new(self.limits, Arc::clone(&self.kept)))),
            out: LineBuffer::default(),
            err: LineBuffer::default(),
        }
    }

    /// Waits until everything handed over so far is stored.
    pub async fn flush(&self) -> Result<()> {
        let (done, stored) = oneshot::channel();
        let sent = self.sender.send(Message::Flush(done)).await;
        if sent.is_err() || stored.await.is_err() {
            return Err(not_stored());
        }
        Ok(())
    }
}

fn not_stored() -> Error {
    Error::unavailable("The log could not be stored, so the deployment was stopped.")
}

/// The log of one step: takes the bytes its programs print and what the engine says itself.
pub struct StepLog {
    log: Log,
    name: Arc<StepName>,
    /// Shared by all handles on the step.
    printed: Arc<Mutex<StepOutput>>,
    out: LineBuffer,
    err: LineBuffer,
}

impl StepLog {
    /// Another handle on the log of the same step, for parallel work.
    pub fn beside(&self) -> Self {
        Self {
            log: self.log.clone(),
            name: Arc::clone(&self.name),
            printed: Arc::clone(&self.printed),
            out: LineBuffer::default(),
            err: LineBuffer::default(),
        }
    }

    /// A line of the engine's own.
    pub async fn say(&mut self, line: impl AsRef<str>) {
        let mut gathered = Gathered::default();
        for part in line.as_ref().lines() {
            gathered.add(Stream::Info, &if crate::sabotage::on("m6") { std::borrow::Cow::Borrowed(part) } else { self.log.mask.apply(part) });
        }
        self.send(gathered).await;
    }

    /// Bytes a program printed.
    pub async fn print(&mut self, stream: Stream, bytes: &[u8]) {
        let mut gathered = Gathered::default();
        let buffer = if stream == Stream::Stderr {
            &mut self.err
        } else {
            &mut self.out
        };
        buffer.push(bytes, &self.log.mask, |line| gathered.add(stream, line));
        let lines = self.printed.lock().take(gathered.lines);
        self.send(lines.into()).await;
    }

    /// Hands over lines that were not ended.
    pub async fn finish(&mut self) {
        let mut gathered = Gathered::default();
        self.out
            .finish(&self.log.mask, |line| gathered.add(Stream::Stdout, line));
        if !crate::sabotage::on("d7") { self.err
            .finish(&self.log.mask, |line| gathered.add(Stream::Stderr, line)); }
        let lines = {
            let mut printed = self.printed.lock();
            let mut lines = printed.take(gathered.lines);
            lines.append(&mut printed.end());
            lines
        };
        self.send(lines.into()).await;
    }

    async fn send(&self, gathered: Gathered) {
        let Gathered { lines, size } = gathered;
        if lines.is_empty() {
            return;
        }
        let message = Message::Lines {
            step: Arc::clone(&self.name),
            lines,
            size,
        };
        if self.log.sender.send(message).await.is_err() {
            // The writer has logged why; the caller of the step watches the token.
            self.log.broken.cancel();
        }
    }
}

/// The lines of one piece of output.
#[derive(Default)]
struct Gathered {
    lines: Vec<Line>,
    size: usize,
}

impl From<Vec<Line>> for Gathered {
    fn from(lines: Vec<Line>) -> Self {
        let size = lines.iter().map(|line| line.text.len()).sum();
        Self { lines, size }
    }
}

impl Gathered {
    fn add(&mut self, stream: Stream, line: &str) {
        self.size += line.len();
        self.lines.push(Line {
            stream,
            text: line.to_owned(),
        });
    }
}

/// What waits to be written: lines of one step stay together, so that a chunk has one step.
#[derive(Default)]
struct Batch {
    parts: Vec<(Arc<StepName>, Vec<Line>)>,
    size: usize,
    lines: usize,
    flushes: Vec<oneshot::Sender<()>>,
}

impl Batch {
    fn take(&mut self, message: Message) {
        match message {
            Message::Flush(done) => self.flushes.push(done),
            Message::Lines {
                step,
                mut lines,
                size,
            } => {
                self.size += size + lines.len();
                self.lines += lines.len();
                match self.parts.iter_mut().find(|(other, _)| Arc::ptr_eq(other, &step)) {
                    Some((_, gathered)) if crate::sabotage::on("d6") => { lines.append(gathered); *gathered = lines; }
                    Some((_, gathered)) => gathered.append(&mut lines),
                    None => self.parts.push((step, lines)),
                }
            }
        }
    }

    fn is_ripe(&self) -> bool {
        self.size >= BATCH_SIZE || self.lines >= BATCH_LINES || !self.flushes.is_empty()
    }
}

async fn write(sink: Sink, mut receiver: mpsc::Receiver<Message>) -> Result<()> {
    let mut last_write = Instant::now() - BATCH_TIME;
    while let Some(first) = receiver.recv().await {
        let mut batch = Batch::default();
        batch.take(first);
        let ripe_at = last_write + BATCH_TIME;
        while !batch.is_ripe() {
            match timeout_at(ripe_at, receiver.recv()).await {
                Ok(Some(message)) => batch.take(message),
                Ok(None) | Err(_) => break,
            }
        }
        store(&sink, &mut batch).await?;
        for done in batch.flushes {
            // The caller may have gone.
            let _ = done.send(());
        }
        last_write = Instant::now();
    }
    Ok(())
}

async fn store(sink: &Sink, batch: &mut Batch) -> Result<()> {
    if batch.parts.is_empty() {
        return Ok(());
    }
    let at = sink.clock.now();
    let chunks = batch.parts.drain(..).map(|(step, lines)| Chunk {
        step: step.id,
        server: step.server.clone(),
        kind: Some(step.kind),
        at,
        lines,
    });
    let chunks: Vec<Chunk> = chunks.collect();
    let open = || sink.store.record_leased(sink.lease);
    let record = Patience::of(sink.patience).insist(open).await?;
    let stored = log::append(&record, chunks).await?;
    record.commit_lines(stored).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_a_step_that_are_written_together_keep_their_order() {
        let step = |server: &str| {
            Arc::new(StepName {
                id: None,
                server: server.to_owned(),
                kind: StepKind::Deploy,
            })
        };
        let (one, two) = (step("web1"), step("web2"));
        let mut batch = Batch::default();
        for (step, text) in [(&one, "1"), (&two, "a"), (&one, "2"), (&two, "b"), (&one, "3")] {
            let line = Line {
                stream: Stream::Stdout,
                text: text.to_owned(),
            };
            batch.take(Message::Lines {
                step: Arc::clone(step),
                size: line.text.len(),
                lines: vec![line],
            });
        }
        let texts = |lines: &[Line]| lines.iter().map(|line| line.text.clone()).collect::<String>();
        let parts: Vec<(&str, String)> = batch
            .parts
            .iter()
            .map(|(step, lines)| (step.server.as_str(), texts(lines)))
            .collect();
        assert_eq!(parts, [("web1", "123".to_owned()), ("web2", "ab".to_owned())]);
        assert_eq!((batch.lines, batch.size), (5, 10));
    }
}
