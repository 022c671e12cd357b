//! Host keys: fetched, compared by a person, trusted.
//!
//! Two steps, on purpose. [`fetch`] asks the server for its key and shows it. [`trust`] gets back the
//! key that the person compared, asks the server once more, and pins the key only when both are the
//! same: what was shown is what is trusted.

use std::time::Duration;

use futures_util::{StreamExt, stream};
use serde_json::json;

use super::demand_everything;
use super::server_events::resource;
use crate::access::Permit;
use crate::app::App;
use crate::config::Config;
use crate::domain::{Error, Event, EventKind, HostKey, Instant, Result, Server, ServerId};
use crate::engine::reach;
use crate::handshake::known_hosts::KnownHost;
use crate::store::servers;

/// How long a person waits for a server to show its key.
const FETCH_LIMIT: Duration = Duration::from_secs(10);

/// How many servers are asked for their keys by one press: a minute's wait when none answers.
pub const SCANNED_AT_ONCE: usize = 100;
/// How many of them are asked at the same time.
const ASKED_TOGETHER: usize = 20;

/// The key that a server shows now, beside its trusted one.
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
    /// Whether it is the trusted key.
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
    show(app, server).await
}

async fn show(app: &App, server: Server) -> Result<Shown> {
    // Nobody logs in on the server itself.
    let endpoint = reach::endpoint_as(&app.store, &server, "", None).await?;
    let fetched = app.ssh.fetch_host_key(&endpoint, FETCH_LIMIT).await?;
    Ok(Shown {
        server,
        openssh: fetched.openssh,
        fingerprint: fetched.fingerprint,
        algorithm: fetched.algorithm,
    })
}

/// Trusts the key `seen` of a server if the server still shows it. Trusting the same key again
/// changes nothing.
///
/// # Errors
/// A conflict when the server shows another key; when it cannot be reached; not found.
pub async fn trust(app: &App, permit: &Permit, id: ServerId, seen: &str) -> Result<Shown> {
    demand_everything(permit)?;
    let server = servers::by_id(&app.store, id).await?;
    let shown = show(app, server).await?;
    if shown.openssh != seen.trim() {
        return Err(Error::conflict(format!(
            "Not trusted: server “{}” now shows {}, which is not the key you compared. Fetch and compare again; if it keeps changing, something intercepts the connection.",
            shown.server.name, shown.fingerprint
        )));
    }
    if shown.is_pinned() {
        return Ok(shown);
    }
    let now = app.now();
    let change = app.store.change(permit, now).await?;
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

/// What a server showed when many were asked.
#[derive(Debug)]
pub struct Scanned {
    pub server: Server,
    /// Its key, or a sentence that says why there is none.
    pub outcome: Result<Shown, String>,
}

/// The servers without a trusted key, by name.
pub async fn waiting(app: &App, permit: &Permit) -> Result<Vec<Server>> {
    demand_everything(permit)?;
    let mut all = servers::list(&app.store).await?;
    all.retain(|server| !is_known(app, server));
    Ok(all)
}

/// Asks the first of the servers without a trusted key for theirs.
///
/// # Errors
/// Of the store. A server that cannot be reached is no error here but a [`Scanned::outcome`].
pub async fn scan(app: &App, permit: &Permit) -> Result<Vec<Scanned>> {
    let waiting = waiting(app, permit).await?;
    let ask = |server: Server| async move {
        let outcome = show(app, server.clone()).await;
        Scanned {
            server,
            outcome: outcome.map_err(|error| error.message().to_owned()),
        }
    };
    let asked = waiting.into_iter().take(SCANNED_AT_ONCE).map(ask);
    Ok(stream::iter(asked).buffered(ASKED_TOGETHER).collect().await)
}

/// Trusts many keys that were shown, each if its server still shows it and has no other trusted one.
/// Returns each server's name with what came of it.
///
/// # Errors
/// Invalid, when these are more than one scan shows.
pub async fn trust_all(
    app: &App,
    permit: &Permit,
    seen: Vec<(ServerId, String)>,
) -> Result<Vec<(String, Result<()>)>> {
    demand_everything(permit)?;
    if seen.len() > SCANNED_AT_ONCE {
        let message = format!("Trust at most {SCANNED_AT_ONCE} keys at once.");
        return Err(Error::invalid(message));
    }
    let one = |(id, key): (ServerId, String)| async move {
        match servers::by_id(&app.store, id).await {
            Ok(server) => (
                server.name.to_string(),
                trust_first(app, permit, &server, &key).await,
            ),
            Err(error) => (id.to_string(), Err(error)),
        }
    };
    let trusting = stream::iter(seen.into_iter().map(one));
    Ok(trusting.buffered(ASKED_TOGETHER).collect().await)
}

/// Trusts the first key of a server; another one in its place takes a comparison of both.
async fn trust_first(app: &App, permit: &Permit, server: &Server, seen: &str) -> Result<()> {
    match &server.host_key {
        Some(key) if key.openssh != seen.trim() => Err(Error::conflict(
            "Another key was trusted meanwhile. Compare both on the server's page.",
        )),
        _ => trust(app, permit, server.id, seen).await.map(drop),
    }
}

/// Whether something connects to a server: its key was confirmed, or a file of known hosts has the server.
pub fn is_known(app: &App, server: &Server) -> bool {
    server.host_key.is_some() || is_in_files(&app.config, &server.address, server.port)
}

/// Whether a file of known hosts has `host`, or an authority for it.
pub fn is_in_files(config: &Config, host: &str, port: u16) -> bool {
    let known = KnownHost::look_up(host, port, &config.ssh.known_hosts);
    known.is_ok_and(|known| known.is_known())
}

/// Revokes trust: nothing connects to the server until a key is trusted again.
pub async fn forget(app: &App, permit: &Permit, id: ServerId) -> Result<()> {
    demand_everything(permit)?;
    let now = app.now();
    let change = app.store.change(permit, now).await?;
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

/// All keys trusted so far, newest first, with the time each was replaced.
pub async fn history(app: &App, permit: &Permit, id: ServerId) -> Result<Vec<(HostKey, Option<Instant>)>> {
    demand_everything(permit)?;
    servers::host_key_history(&app.store, id).await
}
