//! The key a server must show: looked at, compared by a person, trusted.
//!
//! Two acts, on purpose. [`fetch`] asks the server for its key and shows it; nothing is believed.
//! [`trust`] is given back the key that the person looked at, asks the server once more, and pins
//! it only when both are the same: what was shown is what is trusted.

use std::time::Duration;

use serde_json::json;

use super::{demand_everything, servers::resource};
use crate::access::Permit;
use crate::app::App;
use crate::domain::{Error, Event, EventKind, HostKey, Instant, Result, Server, ServerId};
use crate::ssh;
use crate::store::servers;

/// How long a person waits for a server to show its key.
const FETCH_LIMIT: Duration = Duration::from_secs(10);

/// A key as a server shows it now, beside the one it is trusted by.
#[derive(Debug, Clone)]
pub struct Shown {
    /// The server, with its pinned key.
    pub server: Server,
    /// In OpenSSH's form.
    pub openssh: String,
    /// `SHA256:…`.
    pub fingerprint: String,
    /// `ssh-ed25519`, ….
    pub algorithm: String,
}

impl Shown {
    /// Whether it is the key that is trusted already.
    pub fn is_pinned(&self) -> bool {
        let pinned = self.server.host_key.as_ref();
        pinned.is_some_and(|key| key.openssh == self.openssh)
    }
}

/// Asks a server for its host key.
///
/// # Errors
/// When it cannot be reached; not found.
pub async fn fetch(app: &App, permit: &Permit, id: ServerId) -> Result<Shown> {
    demand_everything(permit)?;
    let server = servers::by_id(&app.store, id).await?;
    show(server).await
}

async fn show(server: Server) -> Result<Shown> {
    let fetched = ssh::fetch_host_key(&server.address, server.port, FETCH_LIMIT).await?;
    Ok(Shown {
        server,
        openssh: fetched.openssh,
        fingerprint: fetched.fingerprint,
        algorithm: fetched.algorithm,
    })
}

/// Trusts the key `seen` of a server, if it is the one it shows now too. Trusting the trusted one
/// again changes nothing.
///
/// # Errors
/// A conflict when the server shows another key than the one that was looked at; when it cannot
/// be reached; not found.
pub async fn trust(app: &App, permit: &Permit, id: ServerId, seen: &str) -> Result<Shown> {
    demand_everything(permit)?;
    let server = servers::by_id(&app.store, id).await?;
    let shown = show(server).await?;
    if shown.openssh != seen.trim() {
        return Err(Error::conflict(format!(
            "Nothing was trusted: server “{}” now shows {}, which is not the key you looked at. Fetch it again and compare; if it keeps changing, something stands between you and the server.",
            shown.server.name, shown.fingerprint
        )));
    }
    if shown.is_pinned() {
        return Ok(shown);
    }
    let now = app.now();
    let change = app.store.change(permit, app.now()).await?;
    let before = servers::by_id(&change, id).await?;
    let key = HostKey {
        openssh: shown.openssh.clone(),
        fingerprint: shown.fingerprint.clone(),
        pinned_at: now,
        pinned_by: permit.actor().name.clone(),
    };
    servers::pin_host_key(&change, id, &key).await?;
    let detail = json!({
        "fingerprint": key.fingerprint,
        "algorithm": shown.algorithm,
        "replaces": before.host_key.map(|key| key.fingerprint),
    });
    change
        .commit(Event::new(EventKind::HostKeyTrusted, detail).about(resource(&before.name)))
        .await?;
    Ok(shown)
}

/// Takes the trust back: nothing connects to the server until a key is trusted again.
///
/// # Errors
/// Not found.
pub async fn forget(app: &App, permit: &Permit, id: ServerId) -> Result<()> {
    demand_everything(permit)?;
    let now = app.now();
    let change = app.store.change(permit, app.now()).await?;
    let server = servers::by_id(&change, id).await?;
    let Some(key) = server.host_key else {
        return Ok(());
    };
    servers::forget_host_key(&change, id, now).await?;
    let detail = json!({ "fingerprint": key.fingerprint });
    change
        .commit(Event::new(EventKind::HostKeyForgotten, detail).about(resource(&server.name)))
        .await
}

/// Every key the server was ever trusted by, newest first, with the time it was replaced.
pub async fn history(app: &App, permit: &Permit, id: ServerId) -> Result<Vec<(HostKey, Option<Instant>)>> {
    demand_everything(permit)?;
    servers::host_key_history(&app.store, id).await
}
