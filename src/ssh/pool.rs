//! Kept connections.

use super::{Endpoint, Error, Options};

/// All connections of this process; cheap to clone.
#[derive(Debug, Clone)]
pub struct Pool {
    _options: std::sync::Arc<Options>,
}

/// One account on one server, connected; cheap to clone. It stays usable when the connection is
/// closed for idleness or was lost: the next command connects anew.
#[derive(Debug, Clone)]
pub struct Session {
    _endpoint: std::sync::Arc<Endpoint>,
}

impl Pool {
    /// An empty pool.
    pub fn new(options: Options) -> Self {
        Self {
            _options: std::sync::Arc::new(options),
        }
    }

    /// Connects to `endpoint`, or finds the connection that stands already.
    ///
    /// # Errors
    /// Everything about reaching the server, its host key and our keys.
    pub async fn session(&self, endpoint: &Endpoint) -> Result<Session, Error> {
        let _ = endpoint;
        todo!()
    }

    /// Closes every connection; commands that still run are ended. The pool stays usable.
    pub async fn shutdown(&self) {
        todo!()
    }
}
