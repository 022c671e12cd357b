//! A site of its own for each test.

use std::collections::HashMap;
use std::sync::Arc;

use async_trait::async_trait;
use deployer::clock::Clock;
use deployer::web::session::Sessions;
use deployer::web::{self, Settings, Site};
use tokio::net::TcpListener;
use tokio::sync::{Mutex, oneshot};
use tower_sessions::session::{Id, Record};
use tower_sessions::{SessionStore, session_store};

/// Sessions for the length of a test.
#[derive(Debug, Default)]
pub struct Remembered(Mutex<HashMap<Id, Record>>);

#[async_trait]
impl SessionStore for Remembered {
    async fn create(&self, record: &mut Record) -> session_store::Result<()> {
        self.save(record).await
    }
    async fn save(&self, record: &Record) -> session_store::Result<()> {
        self.0.lock().await.insert(record.id, record.clone());
        Ok(())
    }
    async fn load(&self, id: &Id) -> session_store::Result<Option<Record>> {
        Ok(self.0.lock().await.get(id).cloned())
    }
    async fn delete(&self, id: &Id) -> session_store::Result<()> {
        self.0.lock().await.remove(id);
        Ok(())
    }
}

/// A running site; stops when dropped.
pub struct TestSite {
    /// `http://127.0.0.1:PORT`
    pub url: String,
    _stop: oneshot::Sender<()>,
}

impl TestSite {
    pub async fn start() -> Self {
        Self::start_on("127.0.0.1:0").await
    }

    pub async fn start_on(address: &str) -> Self {
        let site = Arc::new(Site {
            sessions: Sessions::kept_in(Remembered::default()),
            settings: Settings::default(),
            clock: Clock::System,
        });
        let listener = TcpListener::bind(address).await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let (stop, stopped) = oneshot::channel();
        tokio::spawn(web::serve(site, listener, async {
            let _ = stopped.await;
        }));
        Self { url, _stop: stop }
    }
}
