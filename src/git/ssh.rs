//! The SSH connection to a Git host: verified host key, public-key login, one channel that runs
//! `git-upload-pack`.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use russh::client::{self, DisconnectReason, Handle};
use russh::keys::{HashAlg, PublicKeyOrCertificate};
use russh::{Channel, ChannelMsg, Disconnect};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::GitOptions;
use super::error::{Error, Result};
use crate::clock::Clock;
use crate::domain::KeyName;
use crate::handshake::known_hosts::{KeyDoubt, KnownHost};
use crate::handshake::login::{Farewell, LoginAttempt, LoginRefusal, log_in};
use crate::handshake::{no_common_algorithm, preferred};

/// How often a silent connection is checked for a sign of life.
const KEEPALIVE: Duration = Duration::from_secs(15);
/// How long `git-lfs-authenticate` may take.
const AUTHENTICATE_TIMEOUT: Duration = Duration::from_secs(20);
/// Bytes of its answer that are read: an address and a token.
const AUTHENTICATE_BYTES: usize = 64 * 1024;

/// A connection that let us in.
pub(super) struct HostConnection {
    handle: Handle<Guard>,
}

/// Refuses hosts whose key we do not know, and keeps the reason.
struct Guard {
    known: KnownHost,
    /// The doubt, and the key that was shown.
    refusal: Arc<Mutex<Option<(KeyDoubt, String)>>>,
    farewell: Farewell,
}

impl client::Handler for Guard {
    type Error = russh::Error;

    async fn check_server_key(&mut self, shown: &PublicKeyOrCertificate) -> Result<bool, russh::Error> {
        let (verdict, key) = match shown {
            PublicKeyOrCertificate::PublicKey { key, .. } => {
                let shown = format!("{} {}", key.algorithm(), key.fingerprint(HashAlg::Sha256));
                (self.known.check(key), shown)
            }
            PublicKeyOrCertificate::Certificate(certificate) => {
                (self.known.check_certificate(certificate, now()), String::new())
            }
        };
        let trusted = verdict.is_ok();
        *self.refusal.lock() = verdict.err().map(|doubt| (doubt, key));
        Ok(trusted)
    }

    async fn disconnected(&mut self, reason: DisconnectReason<russh::Error>) -> Result<(), russh::Error> {
        self.farewell.hear(&reason);
        match reason {
            DisconnectReason::ReceivedDisconnect(_) => Ok(()),
            DisconnectReason::Error(error) => Err(error),
        }
    }
}

/// Seconds since 1970.
fn now() -> u64 {
    u64::try_from(Clock::System.now().timestamp()).unwrap_or(0)
}

/// Speaks SSH over `stream`, verifies the host and logs in as `user`, with `key` alone where one is named.
///
/// # Errors
/// [`Error::HostKey`], [`Error::AuthRefused`], [`Error::Unreachable`].
pub(super) async fn connect(
    stream: TcpStream,
    (host, port): (&str, u16),
    (user, key): (&str, Option<&KeyName>),
    options: &GitOptions,
) -> Result<HostConnection> {
    let unreadable =
        |error| Error::HostKey(format!("Nothing was fetched: {error}. Let the deployer read it."));
    let known = KnownHost::look_up(host, port, &options.known_hosts).map_err(unreadable)?;
    let config = client::Config {
        preferred: preferred(&known, None, false),
        keepalive_interval: Some(KEEPALIVE),
        nodelay: true,
        ..client::Config::default()
    };
    let (refusal, farewell) = (Arc::default(), Farewell::default());
    let guard = Guard {
        known,
        refusal: Arc::clone(&refusal),
        farewell: farewell.clone(),
    };
    let place = format!("{host}:{port}");
    let mut handle = match client::connect_stream(Arc::new(config), stream, guard).await {
        Ok(handle) => handle,
        Err(error) => {
            if let Some((doubt, shown)) = refusal.lock().take() {
                return Err(Error::HostKey(doubted((host, port), &doubt, &shown, options)));
            }
            let why = match no_common_algorithm(&error) {
                Some(why) => format!(
                    "the deployer and it cannot agree on how to encrypt. {}",
                    why.trim_end_matches('.')
                ),
                None => format!("it does not speak SSH as we do ({error})"),
            };
            return Err(Error::Unreachable { host: place, why });
        }
    };
    let files = options.keys.offered(key);
    let login = LoginAttempt {
        user,
        files: &files,
        agent: options.agent.as_ref().filter(|_| key.is_none() || crate::sabotage::on("h31")),
        legacy: false,
        now: now(),
    };
    let refused = |refusal| Error::AuthRefused {
        host: place,
        user: user.to_owned(),
        why: why(refusal),
    };
    log_in(&mut handle, login, &farewell).await.map_err(refused)?;
    Ok(HostConnection { handle })
}

/// What to say of a host that cannot be believed, and what to do.
fn doubted((host, port): (&str, u16), doubt: &KeyDoubt, shown: &str, options: &GitOptions) -> String {
    let files: Vec<_> = options
        .known_hosts
        .iter()
        .map(|file| file.display().to_string())
        .collect();
    let files = match files.is_empty() {
        true => "a known_hosts file and name that file in the configuration".to_owned(),
        false => files.join(" or "),
    };
    match doubt {
        KeyDoubt::Revoked => {
            format!(
                "The Git host {host} shows a key that is marked as revoked ({shown}). Nothing was fetched."
            )
        }
        KeyDoubt::Unknown => format!(
            "The Git host {host} is not known here. It shows the key {shown}. If its owner confirms this fingerprint, add the key to {files}: ssh-keyscan -p {port} {host}."
        ),
        KeyDoubt::Changed => format!(
            "The key of the Git host {host} is not the one that is known here: it shows {shown}. Somebody may be in between; nothing was fetched. If its owner confirms the new key, replace the old one in {files}."
        ),
        KeyDoubt::Certificate { .. } => format!(
            "The Git host {host} shows {doubt}. Nothing was fetched. Ask whoever signs certificates there, or add the host's own key to {files}."
        ),
    }
}

/// Why the host let nobody in, without a full stop.
fn why(refusal: LoginRefusal) -> String {
    let why = match refusal {
        LoginRefusal::NoKey { reason } => {
            format!("there was no key to offer: {reason}; name a key file or an agent in the configuration")
        }
        LoginRefusal::BadKey(problem) => format!("there was no key to offer. {problem}"),
        LoginRefusal::MoreDemanded {
            accepted,
            methods,
            advice,
        } => format!("it accepted {accepted} and demands more: {methods}. {advice}"),
        LoginRefusal::Refused { tried, advice } => format!(
            "it accepted no key that was offered ({tried}). For a repository, add the public half there as a deploy key. {advice}"
        ),
    };
    why.trim_end_matches('.').to_owned()
}

impl HostConnection {
    /// Starts `git-upload-pack` for `path`.
    pub(super) async fn upload_pack(&self, path: &str) -> Result<Channel<client::Msg>, russh::Error> {
        let channel = self.handle.channel_open_session().await?;
        channel.exec(true, upload_pack_command(path)).await?;
        Ok(channel)
    }

    /// What the host says of Git LFS for the repository at `path`: an address and headers, as JSON.
    pub(super) async fn lfs_authenticate(&self, path: &str) -> Result<Vec<u8>> {
        let command = format!("git-lfs-authenticate {} download", quoted(path));
        let asking = async {
            let mut channel = self.handle.channel_open_session().await?;
            channel.exec(true, command).await?;
            let (mut said, mut complaint, mut status) = (Vec::new(), Vec::new(), None);
            while let Some(message) = channel.wait().await {
                let (into, data) = match &message {
                    ChannelMsg::Data { data } => (&mut said, data),
                    ChannelMsg::ExtendedData { data, .. } => (&mut complaint, data),
                    ChannelMsg::ExitStatus { exit_status } => {
                        status = Some(*exit_status);
                        continue;
                    }
                    ChannelMsg::Close => break,
                    _ => continue,
                };
                let room = crate::sabotage::most("l26", AUTHENTICATE_BYTES).saturating_sub(into.len()).min(data.len());
                into.extend_from_slice(&data[..room]);
            }
            Ok::<_, russh::Error>((said, complaint, status))
        };
        let answered = timeout(crate::sabotage::most("u54", AUTHENTICATE_TIMEOUT), asking).await;
        let failed = |why: String| Error::Lfs {
            what: "The files".into(),
            why: format!("git-lfs-authenticate on the repository's host {why}"),
        };
        match answered {
            Ok(Ok((said, _, Some(0)))) => Ok(said),
            Ok(Ok((_, complaint, _))) => {
                let complaint = String::from_utf8_lossy(&complaint);
                let complaint = complaint.trim().lines().next().unwrap_or_default().escape_debug();
                Err(failed(format!(
                    "failed, saying “{complaint}”. If its files are elsewhere, name the address as lfs.url in .lfsconfig"
                )))
            }
            Ok(Err(error)) => Err(failed(format!("could not be run ({error})"))),
            Err(_) => Err(failed(format!(
                "did not answer within {} s",
                AUTHENTICATE_TIMEOUT.as_secs()
            ))),
        }
    }

    /// Says goodbye; the other side need not answer.
    pub(super) async fn close(&self) {
        // A connection that is gone already needs no goodbye.
        let _ = self.handle.disconnect(Disconnect::ByApplication, "", "").await;
    }
}

/// What the other side's shell is asked to run: `path` is one quoted word whatever is in it.
pub(super) fn upload_pack_command(path: &str) -> String {
    format!("git-upload-pack {}", quoted(path))
}

fn quoted(word: &str) -> String {
    format!("'{}'", word.replace('\'', r"'\''"))
}
