//! One renderer per watched deployment: it turns the engine's events into messages and sends each
//! to all viewers. It lives as long as somebody watches.

use std::collections::HashMap;
use std::sync::{Arc, Weak};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::broadcast;
use tokio::time::{Instant, sleep_until};

use super::message::{self, Message};
use crate::app::App;
use crate::domain::{DeploymentId, NumberedChunk, Result};
use crate::engine::live::LiveEvent;
use crate::web::views::lines;
use crate::web::views::state::StateView;

/// Messages a viewer may be behind before it reads the store instead. One can hold half a megabyte of lines
/// made ready for browsers, so a loud script takes memory here, too.
const RING: usize = 16;
/// States change in bursts (a step ends, the next begins): one rendering serves all of a burst.
const STATE_PAUSE: Duration = Duration::from_millis(120);

/// The deployments somebody watches.
#[derive(Clone, Default)]
pub struct Channels(Arc<Mutex<HashMap<DeploymentId, Weak<DeploymentChannel>>>>);

/// The messages of one deployment.
pub struct DeploymentChannel {
    sender: broadcast::Sender<Message>,
    task: tokio::task::AbortHandle,
}

impl DeploymentChannel {
    /// The messages from now on.
    pub fn subscribe(&self) -> broadcast::Receiver<Message> {
        self.sender.subscribe()
    }
}

impl Drop for DeploymentChannel {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Channels {
    /// The channel of a deployment, with a renderer if it has none yet.
    pub fn open(&self, app: &App, id: DeploymentId) -> Arc<DeploymentChannel> {
        let mut channels = self.0.lock();
        channels.retain(|_, channel| channel.strong_count() > 0);
        if let Some(channel) = channels.get(&id).and_then(Weak::upgrade) {
            return channel;
        }
        let sender = broadcast::channel(RING).0;
        let events = app.hub().watch(id);
        let task = tokio::spawn(render(app.clone(), id, events, sender.clone())).abort_handle();
        let channel = Arc::new(DeploymentChannel { sender, task });
        channels.insert(id, Arc::downgrade(&channel));
        channel
    }
}

async fn render(
    app: App,
    id: DeploymentId,
    mut events: broadcast::Receiver<LiveEvent>,
    sender: broadcast::Sender<Message>,
) {
    let mut state_due: Option<Instant> = None;
    let mut last_state = Instant::now() - STATE_PAUSE;
    loop {
        let event = tokio::select! {
            event = events.recv() => event,
            () = sleep_until(state_due.unwrap_or_else(Instant::now)), if state_due.is_some() => {
                state_due = None;
                last_state = Instant::now();
                if send_state(&app, id, &sender).await {
                    return;
                }
                continue;
            }
        };
        match event {
            Ok(LiveEvent::Lines(chunks)) => chunks
                .iter()
                .for_each(|chunk| drop(sender.send(lines_of(id, chunk)))),
            Ok(LiveEvent::Changed) => {
                state_due.get_or_insert_with(|| (last_state + STATE_PAUSE).max(Instant::now()));
            }
            // Viewers see the gap in the numbers and read the store.
            Err(broadcast::error::RecvError::Lagged(_)) => {
                state_due.get_or_insert_with(Instant::now);
            }
            Err(broadcast::error::RecvError::Closed) => return,
        }
    }
}

/// Sends the present state; `true` when it is the last one.
async fn send_state(app: &App, id: DeploymentId, sender: &broadcast::Sender<Message>) -> bool {
    match state(app, id).await {
        Ok((message, is_final)) => {
            // No viewer is no fault.
            let _ = sender.send(message);
            if is_final {
                let _ = sender.send(Message::End);
            }
            is_final
        }
        Err(error) => {
            tracing::warn!(deployment = id.0, "the state could not be rendered: {error}");
            false
        }
    }
}

/// The state message, and whether the deployment has ended.
pub async fn state(app: &App, id: DeploymentId) -> Result<(Message, bool)> {
    let view = StateView::load(app, id).await?;
    Ok((
        Message::State {
            acts: view.acts.clone(),
            bytes: message::page_update(None, &view.fragments()?),
        },
        view.is_final(),
    ))
}

/// The message for stored lines.
fn lines_of(id: DeploymentId, chunk: &NumberedChunk) -> Message {
    Message::Lines {
        first: chunk.first_line,
        last: chunk.last_line(),
        server: chunk.chunk.server.clone(),
        kind: chunk.chunk.kind,
        bytes: message::page_update(
            Some(chunk.last_line()),
            &lines::message(id, chunk.clone().lines()),
        ),
    }
}
