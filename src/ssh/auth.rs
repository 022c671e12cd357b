//! Logging in with our own keys: files first, then the agent. Nothing else; passwords are never
//! tried, so a server that takes our place cannot collect one.

use std::path::Path;
use std::sync::Arc;

use russh::client::{AuthResult, Handle};
use russh::keys::agent::AgentIdentity;
use russh::keys::agent::client::AgentClient;
use russh::keys::{Algorithm, HashAlg, PrivateKey, PrivateKeyWithHashAlg};
use russh::{MethodKind, MethodSet};

use super::handler::ConnectionHandler;
use super::{Endpoint, Error, Options};

/// sshd's default `MaxAuthTries` is 6 and it hangs up at the sixth failure; five keys leave it
/// able to say no.
const MAX_OFFERED_KEYS: usize = 5;

/// Logs `endpoint.user` in.
pub(super) async fn log_in(
    handle: &mut Handle<ConnectionHandler>,
    endpoint: &Endpoint,
    options: &Options,
) -> Result<(), Error> {
    let mut attempt = Attempt {
        handle,
        endpoint,
        tried: Vec::new(),
        accepted: Vec::new(),
        methods: None,
        complaint: None,
    };
    if attempt.with_files(options).await? || (options.use_agent && attempt.with_agent(options).await?) {
        return Ok(());
    }
    Err(attempt.failure())
}

/// One login under way, and what to say if it fails.
struct Attempt<'a> {
    handle: &'a mut Handle<ConnectionHandler>,
    endpoint: &'a Endpoint,
    tried: Vec<String>,
    /// Those of them that were accepted and did not suffice.
    accepted: Vec<String>,
    /// How the server last said that one may go on.
    methods: Option<MethodSet>,
    /// Why a key of ours was not even offered.
    complaint: Option<Error>,
}

impl Attempt<'_> {
    async fn with_files(&mut self, options: &Options) -> Result<bool, Error> {
        for path in &options.key_files {
            match load(path).await {
                Ok(key) if self.tried.len() < MAX_OFFERED_KEYS => {
                    self.tried.push(path.display().to_string());
                    if self.offer(Arc::new(key)).await? {
                        return Ok(true);
                    }
                }
                Ok(_) => break,
                Err(error) => {
                    tracing::warn!(%error, "an SSH key is skipped");
                    self.complaint = Some(error);
                }
            }
        }
        Ok(false)
    }

    async fn offer(&mut self, key: Arc<PrivateKey>) -> Result<bool, Error> {
        let hash = self.rsa_hash(&key.algorithm()).await;
        let key = PrivateKeyWithHashAlg::new(key, hash);
        let answer = self.handle.authenticate_publickey(&self.endpoint.user, key).await;
        self.judge(answer.map_err(Into::into))
    }

    async fn with_agent(&mut self, options: &Options) -> Result<bool, Error> {
        let no_agent = |error: russh::keys::Error| Error::NoKey {
            reason: format!("the ssh-agent does not answer ({error})"),
        };
        let (mut agent, identities) = match ask_agent(options.agent_socket.as_deref()).await {
            Ok(found) => found,
            Err(error) => {
                self.complaint.get_or_insert(no_agent(error));
                return Ok(false);
            }
        };
        for identity in identities {
            let AgentIdentity::PublicKey { key, comment } = identity else {
                continue;
            };
            if self.tried.len() >= MAX_OFFERED_KEYS {
                break;
            }
            self.tried.push(format!("the agent's key “{comment}”"));
            let hash = self.rsa_hash(&key.algorithm()).await;
            let answer = self
                .handle
                .authenticate_publickey_with(&self.endpoint.user, key, hash, &mut agent)
                .await;
            if self.judge(answer.map_err(|error| Box::new(error) as _))? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// RSA keys sign with SHA-2 or not at all; which of the two, the server may have said.
    async fn rsa_hash(&self, algorithm: &Algorithm) -> Option<HashAlg> {
        if !matches!(algorithm, Algorithm::Rsa { .. }) {
            return None;
        }
        let announced = self
            .handle
            .best_supported_rsa_hash()
            .await
            .ok()
            .flatten()
            .flatten();
        Some(announced.unwrap_or(HashAlg::Sha512))
    }

    fn judge(&mut self, answer: Result<AuthResult, super::error::Cause>) -> Result<bool, Error> {
        match answer {
            Ok(AuthResult::Success) => Ok(true),
            Ok(AuthResult::Failure {
                remaining_methods,
                partial_success,
            }) => {
                if partial_success {
                    self.accepted.extend(self.tried.last().cloned());
                }
                self.methods = Some(remaining_methods);
                Ok(false)
            }
            // A server that hangs up after we offered a key has had enough of our keys.
            Err(cause) if self.handle.is_closed() => {
                tracing::debug!(server = self.endpoint.name, %cause, "hung up during login");
                Err(self.refused())
            }
            Err(cause) => {
                tracing::warn!(server = self.endpoint.name, %cause, "an SSH key could not be used");
                Ok(false)
            }
        }
    }

    fn refused(&self) -> Error {
        let (server, user) = (self.endpoint.name.clone(), self.endpoint.user.clone());
        let tried = self.tried.join(", ");
        let takes_keys = self
            .methods
            .as_ref()
            .is_none_or(|methods| methods.contains(&MethodKind::PublicKey));
        let methods = self.methods.iter().flat_map(|methods| methods.iter());
        let methods: Vec<&str> = methods.map(|method| method.into()).collect();
        let methods = match methods.is_empty() {
            true => "nothing that the deployer knows".to_owned(),
            false => methods.join(", "),
        };
        if !self.accepted.is_empty() {
            return Error::MoreDemanded {
                server,
                user,
                accepted: self.accepted.join(", "),
                tried,
                methods,
            };
        }
        let advice = match takes_keys {
            true => "Put the deployer's public key into that user's ~/.ssh/authorized_keys; where its sshd takes nothing but certificates, let it take plain keys for that user too (PubkeyAcceptedAlgorithms).".to_owned(),
            false => format!(
                "It takes no keys at all for that user, only {methods}. Allow them in its sshd_config (PubkeyAuthentication yes)."
            ),
        };
        Error::KeyRefused {
            server,
            user,
            tried,
            advice,
        }
    }

    fn failure(self) -> Error {
        let refused = self.refused();
        match (self.tried.is_empty(), self.complaint) {
            (false, _) => refused,
            (true, Some(complaint)) => complaint,
            (true, None) => Error::NoKey {
                reason: "no key file is configured and the ssh-agent holds no key".to_owned(),
            },
        }
    }
}

async fn ask_agent(
    socket: Option<&Path>,
) -> Result<(AgentClient<tokio::net::UnixStream>, Vec<AgentIdentity>), russh::keys::Error> {
    let mut agent = match socket {
        Some(socket) => AgentClient::connect_uds(socket).await?,
        None => AgentClient::connect_env().await?,
    };
    let identities = agent.request_identities().await?;
    Ok((agent, identities))
}

/// Whether a private key can be used.
///
/// # Errors
/// [`Error::BadKey`].
pub async fn check_key_file(path: &Path) -> Result<(), Error> {
    load(path).await.map(drop)
}

/// Reads a private key; small, so that a changed file is picked up by the next connection.
async fn load(path: &Path) -> Result<PrivateKey, Error> {
    let bad = |reason: String| Error::BadKey {
        path: path.to_owned(),
        reason,
    };
    let text = tokio::fs::read_to_string(path)
        .await
        .map_err(|error| bad(format!("it cannot be read ({error})")))?;
    match russh::keys::decode_secret_key(&text, None) {
        Ok(key) if key.is_encrypted() => Err(bad(encrypted())),
        Ok(key) => Ok(key),
        Err(russh::keys::Error::KeyIsEncrypted) => Err(bad(encrypted())),
        Err(_) if text.contains("ENCRYPTED") => Err(bad(encrypted())),
        Err(error) => Err(bad(format!("it is no private key in a known form ({error})"))),
    }
}

fn encrypted() -> String {
    "it is protected by a passphrase, which nobody is there to type; use a key without one, or load it into an ssh-agent".to_owned()
}
