//! What all requests share.

use std::sync::OnceLock;
use std::sync::atomic::AtomicBool;

use tokio::sync::{Semaphore, SemaphorePermit};

use super::rate::RequestRate;
use super::settings::Settings;
use crate::app::App;
use crate::app::logins::Logins;
use crate::app::tokens::Tokens;
use crate::domain::{Error, Result};
use crate::store::sessions::SessionRows;

/// How many servers pages ask at once for what they run: many people may look at large
/// environments, and deployments need the connections more.
const QUESTIONS: usize = 12;

/// How many bodies of pushes are held in memory at once.
const HOOK_BODIES: usize = 16;

/// The use cases, the sessions, and the limits that count over all requests.
pub struct Site {
    /// The use cases and what they work with.
    pub app: App,
    pub settings: Settings,
    pub(super) sessions: SessionRows,
    pub logins: Logins,
    pub(super) tokens: Tokens,
    /// Whether the log has said that a proxy seems to be missing in the configuration.
    pub(super) hinted_at_proxy: AtomicBool,
    questions: Semaphore,
    hook_turns: Semaphore,
    /// How often the JSON API is asked; made when it is first asked, by the settings as they are then.
    api_rate: OnceLock<RequestRate>,
}

impl Site {
    pub fn new(app: App) -> Self {
        Self {
            settings: Settings::of(app.config()),
            sessions: app.sessions(),
            logins: Logins::default(),
            tokens: Tokens::default(),
            hinted_at_proxy: AtomicBool::new(false),
            questions: Semaphore::new(QUESTIONS),
            hook_turns: Semaphore::new(HOOK_BODIES),
            api_rate: OnceLock::new(),
            app,
        }
    }

    /// Counts the requests of the JSON API.
    pub(super) fn api_rate(&self) -> &RequestRate {
        self.api_rate
            .get_or_init(|| RequestRate::new(self.settings.api_requests))
    }

    /// Waits until a page may ask another server something; hold the permit meanwhile.
    pub(super) async fn question(&self) -> Result<SemaphorePermit<'_>> {
        self.questions.acquire().await.map_err(Error::internal)
    }

    /// Waits until the body of another push may be read; hold the permit meanwhile.
    pub(super) async fn hook_turn(&self) -> Result<SemaphorePermit<'_>> {
        self.hook_turns.acquire().await.map_err(Error::internal)
    }
}
