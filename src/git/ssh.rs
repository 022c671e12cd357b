//! The SSH connection to a Git host: verified host key, public-key login, one channel that runs
//! `git-upload-pack`.

use std::borrow::Cow;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use russh::client::{self, AuthResult, Handle};
use russh::keys::agent::AgentIdentity;
use russh::keys::agent::client::AgentClient;
use russh::keys::{PrivateKeyWithHashAlg, PublicKeyOrCertificate, load_secret_key};
use russh::{Channel, ChannelMsg, Disconnect, Preferred};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::GitOptions;
use super::error::{Error, Result};
use super::known_hosts::KnownHost;
use crate::clock::Clock;
use crate::handshake::{KEY_EXCHANGES, no_common_algorithm};

/// How many keys are offered: sshd closes the connection after six refusals by default.
const KEY_TRIES: usize = 5;
/// How often a silent connection is asked whether it still lives.
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
    refusal: Arc<Mutex<Option<Error>>>,
}

impl client::Handler for Guard {
    type Error = russh::Error;

    async fn check_server_key(&mut self, shown: &PublicKeyOrCertificate) -> Result<bool, russh::Error> {
        let verdict = match shown {
            PublicKeyOrCertificate::PublicKey { key, .. } => self.known.check(key),
            PublicKeyOrCertificate::Certificate(certificate) => {
                let now = u64::try_from(Clock::System.now().timestamp()).unwrap_or(0);
                self.known.check_certificate(certificate, now)
            }
        };
        let trusted = verdict.is_ok();
        *self.refusal.lock() = verdict.err();
        Ok(trusted)
    }
}

/// Speaks SSH over `stream`, verifies the host and logs in as `user`.
///
/// # Errors
/// [`Error::HostKey`], [`Error::AuthRefused`], [`Error::Unreachable`].
pub(super) async fn connect(
    stream: TcpStream,
    (host, port): (&str, u16),
    user: &str,
    options: &GitOptions,
) -> Result<HostConnection> {
    let known = KnownHost::look_up(host, port, &options.known_hosts)?;
    let key = known.order(&Preferred::DEFAULT.key).into();
    let host_key_certificates = known.certificates(&Preferred::DEFAULT.key).into();
    let config = client::Config {
        preferred: Preferred {
            kex: Cow::Borrowed(KEY_EXCHANGES),
            key,
            host_key_certificates,
            ..Preferred::DEFAULT
        },
        keepalive_interval: Some(KEEPALIVE),
        nodelay: true,
        ..client::Config::default()
    };
    let refusal = Arc::new(Mutex::new(None));
    let guard = Guard {
        known,
        refusal: refusal.clone(),
    };
    let place = format!("{host}:{port}");
    let mut handle = match client::connect_stream(Arc::new(config), stream, guard).await {
        Ok(handle) => handle,
        Err(error) => {
            let refused = refusal.lock().take();
            let why = match no_common_algorithm(&error) {
                Some(why) => format!(
                    "the deployer and it cannot agree on how to encrypt. {}",
                    why.trim_end_matches('.')
                ),
                None => format!("it does not speak SSH as we do ({error})"),
            };
            return Err(refused.unwrap_or(Error::Unreachable { host: place, why }));
        }
    };
    log_in(&mut handle, place, user, options).await?;
    Ok(HostConnection { handle })
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
                let room = AUTHENTICATE_BYTES.saturating_sub(into.len()).min(data.len());
                into.extend_from_slice(&data[..room]);
            }
            Ok::<_, russh::Error>((said, complaint, status))
        };
        let answered = timeout(AUTHENTICATE_TIMEOUT, asking).await;
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

/// Offers each key file, then each key of the agent, until one is taken.
async fn log_in(handle: &mut Handle<Guard>, host: String, user: &str, options: &GitOptions) -> Result<()> {
    let mut tries = Tries {
        offered: 0,
        troubles: Vec::new(),
    };
    for file in &options.key_files {
        if tries.offered < KEY_TRIES && offer_file(handle, user, file, &mut tries).await? {
            return Ok(());
        }
    }
    if let Some(socket) = &options.agent
        && offer_agent(handle, user, socket, &mut tries).await?
    {
        return Ok(());
    }
    Err(Error::AuthRefused {
        host,
        user: user.to_owned(),
        why: tries.sentence(),
    })
}

/// What was tried so far, for the sentence at the end.
struct Tries {
    offered: usize,
    troubles: Vec<String>,
}

impl Tries {
    fn sentence(&self) -> String {
        let mut why = match self.offered {
            0 => "there was no key to offer; name a key file or an agent in the configuration".to_owned(),
            1 => "it did not take the key we have; add its public half there as a deploy key".to_owned(),
            n => format!(
                "it took none of the {n} keys offered; add the public half of one there as a deploy key"
            ),
        };
        for trouble in &self.troubles {
            why.push_str("; ");
            why.push_str(trouble);
        }
        why
    }
}

fn lost(error: russh::Error) -> Error {
    Error::Remote(format!("the connection was closed during the login ({error})"))
}

async fn offer_file(handle: &mut Handle<Guard>, user: &str, file: &Path, tries: &mut Tries) -> Result<bool> {
    let key = match load_secret_key(file, None) {
        Ok(key) => key,
        Err(error) => {
            tries
                .troubles
                .push(format!("the key {} cannot be used ({error})", file.display()));
            return Ok(false);
        }
    };
    let hash = handle.best_supported_rsa_hash().await.map_err(lost)?.flatten();
    let key = PrivateKeyWithHashAlg::new(Arc::new(key), hash);
    tries.offered += 1;
    let answer = handle.authenticate_publickey(user, key).await.map_err(lost)?;
    Ok(matches!(answer, AuthResult::Success))
}

async fn offer_agent(
    handle: &mut Handle<Guard>,
    user: &str,
    socket: &Path,
    tries: &mut Tries,
) -> Result<bool> {
    let keys = async {
        let mut agent = AgentClient::connect_uds(socket).await?;
        let keys = agent.request_identities().await?;
        Ok::<_, russh::keys::Error>((agent, keys))
    };
    let (mut agent, keys) = match keys.await {
        Ok(found) => found,
        Err(error) => {
            let trouble = format!("the agent at {} does not answer ({error})", socket.display());
            tries.troubles.push(trouble);
            return Ok(false);
        }
    };
    let hash = handle.best_supported_rsa_hash().await.map_err(lost)?.flatten();
    for identity in keys {
        let AgentIdentity::PublicKey { key, .. } = identity else {
            continue;
        };
        if tries.offered >= KEY_TRIES {
            break;
        }
        tries.offered += 1;
        match handle
            .authenticate_publickey_with(user, key, hash, &mut agent)
            .await
        {
            Ok(AuthResult::Success) => return Ok(true),
            Ok(AuthResult::Failure { .. }) => {}
            Err(error) => tries.troubles.push(format!("the agent could not sign ({error})")),
        }
    }
    Ok(false)
}
