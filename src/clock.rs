//! The one place that reads the wall clock. Everything that decides by time takes the instant as a
//! parameter; the caller asks a [`Clock`].

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use chrono::{DateTime, Utc};

/// Where the present instant comes from: the system, or a hand that tests move.
#[derive(Debug, Clone, Default)]
pub enum Clock {
    /// The system's clock.
    #[default]
    System,
    /// Stays where it was set: microseconds since 1970.
    Set(Arc<AtomicI64>),
}

impl Clock {
    /// A clock that stays at `instant` until it is moved.
    pub fn set_to(instant: DateTime<Utc>) -> Self {
        Self::Set(Arc::new(AtomicI64::new(instant.timestamp_micros())))
    }

    /// Moves a clock made by [`Self::set_to`]; does nothing to the system's.
    pub fn move_to(&self, instant: DateTime<Utc>) {
        if let Self::Set(micros) = self {
            micros.store(instant.timestamp_micros(), Ordering::SeqCst);
        }
    }

    /// The present instant, to the microsecond, as the store keeps it.
    #[expect(clippy::disallowed_methods, reason = "this is the place that may")]
    pub fn now(&self) -> DateTime<Utc> {
        let micros = match self {
            Self::System => Utc::now().timestamp_micros(),
            Self::Set(micros) => micros.load(Ordering::SeqCst),
        };
        DateTime::from_timestamp_micros(micros).unwrap_or(DateTime::UNIX_EPOCH)
    }
}
