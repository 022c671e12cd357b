//! What all requests share.

use tokio::sync::Semaphore;

use super::settings::Settings;
use crate::app::App;
use crate::app::logins::Logins;
use crate::store::sessions::SessionRows;

/// How many servers pages ask at once for what they run: many people may look at large
/// environments, and deployments need the connections more.
const QUESTIONS: usize = 12;

/// What all requests share.
pub struct Site {
    /// The use cases and what they work with.
    pub app: App,
    /// From the configuration.
    pub settings: Settings,
    pub(super) sessions: SessionRows,
    pub(super) logins: Logins,
    /// Taken while a page asks a server something.
    pub(super) questions: Semaphore,
}

impl Site {
    /// A site over `app`.
    pub fn new(app: App) -> Self {
        Self {
            settings: Settings::of(app.config()),
            sessions: app.sessions(),
            logins: Logins::default(),
            questions: Semaphore::new(QUESTIONS),
            app,
        }
    }
}
