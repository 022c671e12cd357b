//! Pushes: how the deployer learns of them, and what it deploys by itself.
//!
//! A project may have a hook, an address with a secret at which its Git host tells of pushes (`hooks`). What
//! comes there is noted and answered at once (`receive`). It only says that a fetch is worth it: one instance
//! fetches (`watch`, `round`), and then looks at the branches that were named. What they show is deployed
//! (`automatic`), unless the environment leaves it out (`filters`), through [`request`](super::deployments::request())
//! as everything else, in the name of the account `auto`. Repositories whose hosts tell nothing are asked
//! every so many minutes (`polling`).

mod arrivals;
mod automatic;
mod filters;
mod hooks;
mod polling;
mod receive;
mod round;
mod watch;

pub use arrivals::Arrivals;
pub use automatic::beginning;
pub use hooks::{HookSecret, PollMinutes, PushSettings, make, poll_every, remove, settings};
pub use receive::{Told, UnsignedPush, hook, receive, refuse};
pub use watch::{fetched_so_far, watch};
