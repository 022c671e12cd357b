//! One viewer's stream.

use std::sync::Arc;

use bytes::Bytes;
use futures_util::Stream;
use tokio::sync::{broadcast, mpsc};
use tokio_stream::wrappers::ReceiverStream;

use super::channel::{self, Channels, DeploymentChannel};
use super::message::{self, KEEP_ALIVE, LineFilter, Message};
use crate::app::{App, watch};
use crate::domain::{DeploymentId, Result};
use crate::store::log;
use crate::web::views::lines;

/// Lines read from the store at once while catching up.
const CATCH_UP: usize = 500;
/// Messages between this task and the socket. When the socket is slow the task waits here, and
/// the shared channel passes it by.
const IN_FLIGHT: usize = 8;

/// What the viewer's page shows when the stream begins.
pub struct StreamStart {
    /// Number of the last line.
    pub line: i64,
    /// The state that the page's acts are for.
    pub acts: String,
}

/// The messages for one viewer.
pub fn stream(
    app: App,
    channels: &Channels,
    id: DeploymentId,
    start: StreamStart,
    filter: LineFilter,
) -> impl Stream<Item = std::io::Result<Bytes>> + Send + 'static {
    let channel = channels.open(&app, id);
    // Subscribed before the store is read, so that nothing falls in between.
    let messages = channel.subscribe();
    let (sender, receiver) = mpsc::channel(IN_FLIGHT);
    tokio::spawn(async move {
        let mut viewer = Viewer {
            app,
            id,
            seen: start.line,
            acts: start.acts,
            filter,
            sender,
            _channel: channel,
        };
        if let Err(Stop::Failed(error)) = viewer.follow(messages).await {
            tracing::warn!(deployment = id.0, "a live stream ended early: {error}");
        }
    });
    ReceiverStream::new(receiver)
}

struct Viewer {
    app: App,
    id: DeploymentId,
    /// Number of the last line sent, or passed over by the filter.
    seen: i64,
    acts: String,
    filter: LineFilter,
    sender: mpsc::Sender<std::io::Result<Bytes>>,
    _channel: Arc<DeploymentChannel>,
}

enum Stop {
    Gone,
    Failed(crate::domain::Error),
}

impl From<crate::domain::Error> for Stop {
    fn from(error: crate::domain::Error) -> Self {
        Self::Failed(error)
    }
}

impl Viewer {
    async fn follow(&mut self, mut messages: broadcast::Receiver<Message>) -> Result<(), Stop> {
        self.catch_up(i64::MAX).await?;
        if self.send_state().await? {
            return self.end().await;
        }
        loop {
            let received = tokio::select! {
                received = tokio::time::timeout(KEEP_ALIVE, messages.recv()) => received,
                () = self.sender.closed() => return Err(Stop::Gone),
            };
            match received {
                Err(_) => self.send(message::keep_alive()).await?,
                Ok(Ok(Message::Lines {
                    first,
                    last,
                    server,
                    kind,
                    bytes,
                })) => {
                    if last <= self.seen {
                        continue;
                    }
                    if first != self.seen + 1 {
                        self.catch_up(last).await?;
                        continue;
                    }
                    self.seen = last;
                    if self.filter.takes(&server, kind) {
                        self.send(bytes).await?;
                    }
                }
                Ok(Ok(Message::State { acts, bytes })) => self.show_state(acts, bytes).await?,
                Ok(Ok(Message::End)) => return self.end().await,
                Ok(Err(broadcast::error::RecvError::Lagged(_))) => {
                    self.catch_up(i64::MAX).await?;
                    if self.send_state().await? {
                        return self.end().await;
                    }
                }
                // The renderer has gone: the last state shows why.
                Ok(Err(broadcast::error::RecvError::Closed)) => {
                    self.send_state().await?;
                    return self.end().await;
                }
            }
        }
    }

    /// Sends what the store has beyond the last line sent, up to line `until`.
    async fn catch_up(&mut self, until: i64) -> Result<(), Stop> {
        while self.seen < until {
            let wanted = log::LogFilter {
                server: self.filter.server.clone(),
                kind: self.filter.kind,
                ..log::LogFilter::default()
            };
            let found = watch::lines(&self.app, self.id, self.seen + 1, CATCH_UP, &wanted).await?;
            let found = found.into_iter().take_while(|line| line.number <= until);
            let found: Vec<_> = found.collect();
            let Some(last) = found.last().map(|line| line.number) else {
                break;
            };
            let html = lines::message(self.id, found.into_iter());
            self.send(message::page_update(Some(last), &html)).await?;
            self.seen = last;
        }
        if until != i64::MAX {
            self.seen = self.seen.max(until);
        }
        Ok(())
    }

    async fn send_state(&mut self) -> Result<bool, Stop> {
        let (state, is_final) = channel::state(&self.app, self.id).await?;
        if let Message::State { acts, bytes } = state {
            self.show_state(acts, bytes).await?;
        }
        Ok(is_final)
    }

    /// Sends the state, and asks the page to reload its acts when they are for another state.
    async fn show_state(&mut self, acts: String, bytes: Bytes) -> Result<(), Stop> {
        self.send(bytes).await?;
        if acts != self.acts {
            self.send(message::acts(&acts)).await?;
            self.acts = acts;
        }
        Ok(())
    }

    /// Ends the stream; the last lines may have been stored just before.
    async fn end(&mut self) -> Result<(), Stop> {
        self.catch_up(i64::MAX).await?;
        self.send(message::end()).await
    }

    async fn send(&self, bytes: Bytes) -> Result<(), Stop> {
        self.sender.send(Ok(bytes)).await.map_err(|_| Stop::Gone)
    }
}
