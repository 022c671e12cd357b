//! Why a login at an OpenID provider failed, one sentence per case for whoever wants to log in.

use std::sync::Arc;

use openidconnect::core::CoreErrorResponseType;
use openidconnect::{
    ClaimsVerificationError, DiscoveryError, RequestTokenError, SignatureVerificationError,
    StandardErrorResponse, UserInfoError,
};

use crate::http;

/// A failure. Each sentence follows the name of the provider and a colon.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    #[error("it cannot be reached at the moment. Try again soon, or log in another way.")]
    Down(#[source] Arc<http::Error>),
    #[error(
        "it does not work at the moment, so nobody can log in there: {0}. Try again soon, or log in another way."
    )]
    Failing(String),
    #[error(
        "it calls itself by another address than the configuration does. An administrator has to set its issuer as it writes it itself: {0}."
    )]
    OtherIssuer(String),
    #[error("its answer cannot be used: {0}.")]
    Unusable(String),
    #[error("the configuration of this login cannot be used: {0}.")]
    Misconfigured(String),
    /// The provider did not take our code.
    #[error("it did not accept the login: {0}. Begin again.")]
    Refused(String),
    #[error(
        "its token has expired. Begin again; if this happens each time, the clock of the provider or of the deployer is wrong."
    )]
    Expired,
    #[error(
        "its token is from the future: the clock of the provider or of the deployer is wrong. An administrator has to set it."
    )]
    FromTheFuture,
    #[error("its token is for another login than this one. Begin again.")]
    OtherTry,
    #[error("its token is for another application.")]
    OtherAudience,
    #[error("its token is not signed in a way that proves who made it: {0}.")]
    Unsigned(String),
    /// No key of the provider fits, or the signature is wrong.
    #[error("its token is signed with a key that the provider does not name.")]
    NoKey,
}

impl Error {
    /// Whether it may go away by itself.
    pub fn is_down(&self) -> bool {
        matches!(self, Self::Down(_) | Self::Failing(_))
    }

    /// More for the log.
    pub fn detail(&self) -> String {
        match self {
            Self::Down(cause) => cause.to_string(),
            _ => String::new(),
        }
    }
}

/// How much of a provider's words is repeated, in characters.
const WORDS_LIMIT: usize = 200;

/// What somebody else wrote, short and without what a terminal or a page could obey.
fn quoted(text: &str) -> String {
    let short: String = text.chars().take(WORDS_LIMIT).collect();
    format!("“{}”", short.trim_end_matches('.').escape_debug())
}

pub(super) fn of_discovery(error: DiscoveryError<Arc<http::Error>>) -> Error {
    match error {
        DiscoveryError::Request(cause) => Error::Down(cause),
        DiscoveryError::Validation(why) => Error::OtherIssuer(quoted(&why)),
        DiscoveryError::Response(status, _, _) if !status.is_success() => {
            Error::Failing(format!("it answered with status {}", status.as_u16()))
        }
        DiscoveryError::Parse(cause) => Error::Unusable(format!(
            "its description of itself, {}",
            quoted(&cause.to_string())
        )),
        other => Error::Unusable(quoted(&other.to_string())),
    }
}

pub(super) fn of_exchange(
    error: RequestTokenError<Arc<http::Error>, StandardErrorResponse<CoreErrorResponseType>>,
) -> Error {
    match error {
        RequestTokenError::ServerResponse(told) => {
            let words = told
                .error_description()
                .map_or_else(|| told.error().to_string(), Clone::clone);
            Error::Refused(quoted(&words))
        }
        RequestTokenError::Request(cause) => Error::Down(cause),
        RequestTokenError::Parse(cause, _) => Error::Unusable(format!(
            "what it gave for the code, {}",
            quoted(&cause.to_string())
        )),
        RequestTokenError::Other(why) => Error::Unusable(quoted(&why)),
    }
}

pub(super) fn of_user_info(error: UserInfoError<Arc<http::Error>>) -> Error {
    match error {
        UserInfoError::Request(cause) => Error::Down(cause),
        UserInfoError::ClaimsVerification(cause) => of_claims(&cause),
        other => Error::Unusable(format!(
            "what it says about people, {}",
            quoted(&other.to_string())
        )),
    }
}

pub(super) fn of_claims(error: &ClaimsVerificationError) -> Error {
    use ClaimsVerificationError as E;
    use SignatureVerificationError as S;
    match error {
        E::Expired(_) => Error::Expired,
        E::InvalidNonce(_) => Error::OtherTry,
        E::InvalidAudience(_) => Error::OtherAudience,
        E::InvalidIssuer(why) => Error::OtherIssuer(quoted(why)),
        E::SignatureVerification(S::NoMatchingKey | S::CryptoError(_)) => Error::NoKey,
        E::SignatureVerification(S::DisallowedAlg(_) | S::NoSignature | S::UnsupportedAlg(_)) => {
            Error::Unsigned("its algorithm is not one for private keys".to_owned())
        }
        E::SignatureVerification(other) => Error::Unsigned(quoted(&other.to_string())),
        other => Error::Unusable(quoted(&other.to_string())),
    }
}
