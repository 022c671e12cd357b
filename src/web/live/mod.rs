//! The live stream of a deployment: its log lines and its state, as server-sent events.
//!
//! Whatever happens is rendered once per deployment and sent to all its viewers as the same bytes
//! (`channel`). A viewer's stream (`viewer`) begins at the line the browser saw last, reads the
//! store until it has caught up, then follows the shared channel; when it falls behind it reads the
//! store again. So no line is lost or doubled, and a slow viewer costs a bounded ring.
//!
//! Acts depend on who looks, so no message carries them: when the state they are for has changed,
//! the message `acts` makes a page ask for its own.
//!
//! `changes` is the stream of everything that changes, for pages about more than one deployment.
//!
//! Whoever watches is asked again now and then whether they still may (`standing`).
//!
//! Every message carries the number of the last line that its receiver has seen with it, which the
//! browser sends back as `Last-Event-ID` when it reconnects.

mod changes;
mod channel;
mod frame;
mod standing;
mod viewer;

pub use changes::Changes;
pub use channel::Channels;
pub use frame::Filter;
pub use standing::while_allowed;
pub use viewer::{Seen, stream};
