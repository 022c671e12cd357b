//! Logging in with our own keys: files first, each with the certificate beside it, then the agent.
//! Nothing else; passwords are never tried, so a server that takes our place cannot collect one.
//!
//! What comes of it is one [`LoginRefusal`], which says what was wanted instead.

use std::path::PathBuf;
use std::sync::Arc;

use parking_lot::Mutex;
use russh::client::{AuthResult, DisconnectReason, Handle, Handler};
use russh::keys::agent::AgentIdentity;
use russh::keys::agent::client::AgentClient;
use russh::keys::signature::Signer as _;
use russh::keys::ssh_encoding::Encode as _;
use russh::keys::ssh_key::Signature;
use russh::keys::{Algorithm, Certificate, HashAlg, PrivateKey, PrivateKeyWithHashAlg};
use russh::{MethodKind, MethodSet, SendError, Signer};

use super::keys::load;
pub use super::refusal::LoginRefusal;
use super::refusal::{FailedLogin, refused_certificate};

/// sshd's default `MaxAuthTries` is 6 and it hangs up at the sixth failure; five offers leave it
/// able to say no.
const MOST_OFFERS: usize = 5;
/// How much is repeated of what a server said when it hung up, and of other texts of others.
const SAID_LENGTH: usize = 200;

/// Who logs in, and with what.
#[derive(Debug, Clone, Copy)]
pub struct LoginAttempt<'a> {
    /// The account there.
    pub user: &'a str,
    /// Private keys, in order.
    pub files: &'a [PathBuf],
    /// Where the ssh-agent is that is asked after them, if one is.
    pub agent: Option<&'a Agent>,
    /// Whether RSA keys may sign with SHA-1 where the server does not say that it knows better.
    pub legacy: bool,
    /// Seconds since 1970.
    pub now: u64,
}

/// An ssh-agent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Agent {
    /// The one that `SSH_AUTH_SOCK` names.
    OfEnvironment,
    /// The one at this socket.
    At(PathBuf),
}

/// What the other side said when it hung up.
#[derive(Debug, Clone, Default)]
pub struct Farewell(Arc<Mutex<Option<String>>>);

impl Farewell {
    /// Keeps what the other side said.
    pub fn hear<E: From<russh::Error> + Send>(&self, reason: &DisconnectReason<E>) {
        if let DisconnectReason::ReceivedDisconnect(info) = reason {
            let said: String = if crate::sabotage::on("h27") { info.message.clone() } else { info.message.escape_debug().take(crate::sabotage::most("u44", SAID_LENGTH)).collect() };
            *self.0.lock() = Some(said);
        }
    }
}

/// Logs in over `handle`, whose handler fills `farewell`.
///
/// # Errors
/// Why nobody was let in.
pub async fn log_in<H: Handler>(
    handle: &mut Handle<H>,
    login: LoginAttempt<'_>,
    farewell: &Farewell,
) -> Result<(), LoginRefusal> {
    let mut attempt = Attempt {
        handle,
        login,
        tried: Vec::new(),
        accepted: Vec::new(),
        methods: None,
        unusable: None,
        notes: Vec::new(),
        is_over: false,
    };
    if attempt.with_files().await || attempt.with_agent().await {
        return Ok(());
    }
    Err(attempt.refusal(farewell))
}

/// One login under way, and what to say if it fails.
struct Attempt<'a, H: Handler> {
    handle: &'a mut Handle<H>,
    login: LoginAttempt<'a>,
    tried: Vec<String>,
    /// Those of them that were accepted and did not suffice.
    accepted: Vec<String>,
    /// How the server last said that one may go on.
    methods: Option<MethodSet>,
    /// Why a key of ours was not even offered: the last one.
    unusable: Option<LoginRefusal>,
    /// Sentences about certificates.
    notes: Vec<String>,
    /// Whether nothing more can be offered on this connection.
    is_over: bool,
}

impl<H: Handler> Attempt<'_, H> {
    async fn with_files(&mut self) -> bool {
        for path in self.login.files {
            if self.is_over {
                return false;
            }
            let own = match load(path, self.login.now) {
                Ok(own) => own,
                Err(problem) => {
                    tracing::warn!(%problem, "an SSH key is skipped");
                    self.unusable = Some(LoginRefusal::BadKey(problem));
                    continue;
                }
            };
            let name = path.display().to_string();
            match own.certificate {
                Some(Ok(certificate)) => {
                    let is_in = self.offer_certificate(&name, &own.key, certificate).await;
                    if is_in {
                        return true;
                    }
                }
                Some(Err(note)) => self.notes.push(note),
                None => {}
            }
            if self.offer(&name, own.key).await {
                return true;
            }
        }
        false
    }

    async fn offer(&mut self, name: &str, key: Arc<PrivateKey>) -> bool {
        let hash = self.rsa_hash(&key.algorithm()).await;
        if self.offer_signed(name.to_owned(), &key, hash).await {
            return true;
        }
        // Servers announce SHA-2 also where their configuration accepts SHA-1 only.
        let is_weak_wanted = self.login.legacy && hash.is_some() && !self.is_over;
        is_weak_wanted && self.offer_signed(format!("{name} with SHA-1"), &key, None).await
    }

    async fn offer_signed(&mut self, name: String, key: &Arc<PrivateKey>, hash: Option<HashAlg>) -> bool {
        if !self.begins(name) {
            return false;
        }
        let key = PrivateKeyWithHashAlg::new(Arc::clone(key), hash);
        let answer = self.handle.authenticate_publickey(self.login.user, key).await;
        self.judge(answer)
    }

    async fn offer_certificate(&mut self, name: &str, key: &PrivateKey, certificate: Certificate) -> bool {
        let note = refused_certificate(name, &certificate, self.login.user);
        if !self.begins(format!("{name} with its certificate")) {
            return false;
        }
        let hash = is_rsa(&key.algorithm()).then_some(HashAlg::Sha512);
        let user = self.login.user;
        let mut signer = OwnSigner(key);
        let answer = self
            .handle
            .authenticate_certificate_with(user, certificate, hash, &mut signer)
            .await;
        let is_in = self.judge(answer);
        if !is_in && self.accepted.len() < self.tried.len() {
            self.notes.push(note);
        }
        is_in
    }

    async fn with_agent(&mut self) -> bool {
        let Some(agent) = self.login.agent.filter(|_| !self.is_over) else {
            return false;
        };
        let (mut agent, identities) = match ask_agent(agent).await {
            Ok(found) => found,
            Err(error) => {
                let reason = format!("the ssh-agent does not answer ({error})");
                self.unusable.get_or_insert(LoginRefusal::NoKey { reason });
                return false;
            }
        };
        for identity in identities {
            let comment: String = identity.comment().escape_debug().take(crate::sabotage::most("u44", SAID_LENGTH)).collect();
            if !self.begins(format!("the agent's key “{comment}”")) {
                return false;
            }
            let user = self.login.user;
            let answer = match identity {
                AgentIdentity::PublicKey { key, .. } => {
                    let hash = self.rsa_hash(&key.algorithm()).await;
                    let with = self
                        .handle
                        .authenticate_publickey_with(user, key, hash, &mut agent);
                    with.await
                }
                AgentIdentity::Certificate { certificate, .. } => {
                    let hash = is_rsa(&certificate.algorithm()).then_some(HashAlg::Sha512);
                    let with = self
                        .handle
                        .authenticate_certificate_with(user, certificate, hash, &mut agent);
                    with.await
                }
            };
            if self.judge(answer) {
                return true;
            }
        }
        false
    }

    /// Whether one more can be offered; it is called `name`.
    fn begins(&mut self, name: String) -> bool {
        self.is_over |= self.tried.len() >= MOST_OFFERS && !crate::sabotage::on("h23");
        if !self.is_over {
            self.tried.push(name);
        }
        !self.is_over
    }

    /// RSA keys sign with SHA-2, which of the two the server may have said.
    async fn rsa_hash(&self, algorithm: &Algorithm) -> Option<HashAlg> {
        if !is_rsa(algorithm) {
            return None;
        }
        let announced = self.handle.best_supported_rsa_hash().await.ok().flatten();
        match announced {
            Some(Some(hash)) => Some(hash),
            _ if self.login.legacy || crate::sabotage::on("h25") => None,
            _ => Some(HashAlg::Sha512),
        }
    }

    fn judge<E: std::fmt::Display>(&mut self, answer: Result<AuthResult, E>) -> bool {
        match answer {
            Ok(AuthResult::Success) => return true,
            // What a closed connection gives, is no answer.
            Ok(AuthResult::Failure {
                remaining_methods, ..
            }) if remaining_methods.is_empty() && self.handle.is_closed() => self.is_over = true,
            Ok(AuthResult::Failure {
                remaining_methods,
                partial_success,
            }) => {
                if partial_success {
                    self.accepted.extend(self.tried.last().cloned());
                }
                self.is_over |= !remaining_methods.contains(&MethodKind::PublicKey) && !crate::sabotage::on("h30");
                self.methods = Some(remaining_methods);
            }
            Err(error) => {
                tracing::warn!(%error, "an SSH key could not be used");
                self.is_over = self.handle.is_closed();
            }
        }
        false
    }

    fn refusal(self, farewell: &Farewell) -> LoginRefusal {
        let said = farewell.0.lock().take();
        let hung_up = self.handle.is_closed().then_some(said);
        FailedLogin {
            tried: self.tried,
            accepted: self.accepted,
            methods: self.methods,
            unusable: self.unusable,
            notes: self.notes,
            hung_up,
        }
        .refusal()
    }
}

fn is_rsa(algorithm: &Algorithm) -> bool {
    matches!(algorithm, Algorithm::Rsa { .. })
}

/// Signs with a key that we hold ourselves.
struct OwnSigner<'a>(&'a PrivateKey);

/// Why nothing was signed.
#[derive(Debug, thiserror::Error)]
enum SigningError {
    #[error("the connection is gone")]
    Gone,
    #[error("the key does not sign ({0})")]
    Failed(String),
}

impl From<SendError> for SigningError {
    fn from(_: SendError) -> Self {
        Self::Gone
    }
}

impl Signer for OwnSigner<'_> {
    type Error = SigningError;

    async fn auth_sign(
        &mut self,
        _key: &AgentIdentity,
        _hash: Option<HashAlg>,
        mut data: Vec<u8>,
    ) -> Result<Vec<u8>, SigningError> {
        let failed = |error: &dyn std::fmt::Display| SigningError::Failed(error.to_string());
        // RSA keys sign with SHA-512 here, which is the hash that is offered.
        let signature: Signature = self.0.try_sign(&data).map_err(|error| failed(&error))?;
        let mut blob = Vec::new();
        signature.encode(&mut blob).map_err(|error| failed(&error))?;
        blob.encode(&mut data).map_err(|error| failed(&error))?;
        Ok(data)
    }
}

async fn ask_agent(
    agent: &Agent,
) -> Result<(AgentClient<tokio::net::UnixStream>, Vec<AgentIdentity>), russh::keys::Error> {
    let mut agent = match agent {
        Agent::At(socket) => AgentClient::connect_uds(socket).await?,
        Agent::OfEnvironment => AgentClient::connect_env().await?,
    };
    let identities = agent.request_identities().await?;
    Ok((agent, identities))
}

#[cfg(test)]
mod tests {
    use russh::Disconnect;
    use russh::client::RemoteDisconnectInfo;

    use super::*;

    #[test]
    fn words_of_a_server_are_short_and_harmless() {
        let farewell = Farewell::default();
        let message = format!("bye\u{1b}[31m\n{}", "x".repeat(1000));
        let info = RemoteDisconnectInfo {
            reason_code: Disconnect::TooManyConnections,
            message,
            lang_tag: String::new(),
        };
        farewell.hear::<russh::Error>(&DisconnectReason::ReceivedDisconnect(info));
        let said = farewell.0.lock().clone().unwrap();
        assert!(said.starts_with(r"bye\u{1b}[31m\nx"), "{said}");
        assert_eq!(said.chars().count(), SAID_LENGTH);
    }
}
