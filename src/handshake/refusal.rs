//! Why nobody was let in, and what to do about it.

use russh::MethodSet;
use russh::keys::{Certificate, HashAlg};

use super::keys::KeyProblem;

/// How much is repeated of the names in a certificate.
const NAMES_LENGTH: usize = 200;

/// Why nobody was let in.
#[derive(Debug)]
pub enum LoginRefusal {
    /// There was no key to offer.
    NoKey {
        /// Short words, without a full stop.
        reason: String,
    },
    /// The only key cannot be used.
    BadKey(KeyProblem),
    /// A key was accepted, and more was demanded.
    MoreDemanded {
        /// Which keys.
        accepted: String,
        /// How the server would let us continue.
        methods: String,
        /// What to do, as sentences.
        advice: String,
    },
    /// No key was accepted.
    Refused {
        /// Which keys were offered.
        tried: String,
        /// What to do, as sentences.
        advice: String,
    },
}

/// How a login went that let nobody in.
pub(super) struct FailedLogin {
    /// Which keys were offered.
    pub(super) tried: Vec<String>,
    /// Those of them that were accepted and did not suffice.
    pub(super) accepted: Vec<String>,
    /// How the server last said that one may go on.
    pub(super) methods: Option<MethodSet>,
    /// Why a key of ours was not even offered.
    pub(super) unusable: Option<LoginRefusal>,
    /// Sentences about certificates.
    pub(super) notes: Vec<String>,
    /// What it said, if it hung up.
    pub(super) hung_up: Option<Option<String>>,
}

impl FailedLogin {
    pub(super) fn refusal(self) -> LoginRefusal {
        let methods = self.methods.iter().flat_map(|methods| methods.iter());
        let methods: Vec<&str> = methods.map(|method| method.into()).collect();
        let takes_keys = methods.is_empty() || methods.contains(&"publickey");
        let wants_person = methods
            .iter()
            .any(|one| ["keyboard-interactive", "password"].contains(one));
        let methods = match methods.is_empty() {
            true => "nothing that the deployer knows".to_owned(),
            false => methods.join(", "),
        };
        if !self.accepted.is_empty() {
            let advice = match wants_person {
                true => {
                    "That is a second factor, which nobody is there to give: exempt this account from it (AuthenticationMethods publickey, within a Match block for it)."
                }
                false => {
                    "Add another key of ours there, or let one suffice (AuthenticationMethods publickey, within a Match block for the account)."
                }
            };
            return LoginRefusal::MoreDemanded {
                accepted: self.accepted.join(", "),
                methods,
                advice: advice.to_owned(),
            };
        }
        if self.tried.is_empty() {
            let reason = "no key file is configured and the ssh-agent holds no key".to_owned();
            return self.unusable.unwrap_or(LoginRefusal::NoKey { reason });
        }
        let mut advice = match (self.hung_up, takes_keys) {
            (Some(said), true) => too_many(self.tried.len(), said),
            (_, false) => format!(
                "It takes no keys at all for that account, only {methods}. Allow them in its sshd_config (PubkeyAuthentication yes)."
            ),
            (None, true) => "Put the public key into that account's authorized_keys there. Where only certificates are taken, have the key signed by its authority and put the certificate beside it as KEY-cert.pub.".to_owned(),
        };
        if let Some(LoginRefusal::BadKey(problem)) = &self.unusable {
            advice.push_str(&format!(" {problem}"));
        }
        for note in &self.notes {
            advice.push_str(&format!(" {note}"));
        }
        LoginRefusal::Refused {
            tried: self.tried.join(", "),
            advice,
        }
    }
}

fn too_many(tries: usize, said: Option<String>) -> String {
    let offers = match tries {
        1 => "the first offer".to_owned(),
        n => format!("{n} offers"),
    };
    let said = said.map(|said| format!(" (“{said}”)")).unwrap_or_default();
    format!(
        "It hung up after {offers}{said}, perhaps before the right key's turn came: name the key to use, so that no other one is offered, or raise MaxAuthTries there."
    )
}

/// What to say of a certificate that was not taken.
pub(super) fn refused_certificate(name: &str, certificate: &Certificate, user: &str) -> String {
    let signer = certificate.signature_key().fingerprint(HashAlg::Sha256);
    let principals = match certificate.valid_principals() {
        [] => "nobody in particular".to_owned(),
        some => some.join(", ").escape_debug().take(crate::sabotage::most("u28", NAMES_LENGTH)).collect(),
    };
    format!(
        "The certificate of {name} was not taken: it is made for {principals}, signed by {signer}. The server has to trust that authority (TrustedUserCAKeys) and let {user} in for one of these names."
    )
}
