//! Asks OpenID providers who somebody is: the authorization code flow with PKCE, a nonce and a state for each try.
//!
//! A provider is asked for its addresses and keys when somebody first wants to log in by it, and again after an hour:
//! one that is down holds nobody else up, and is asked again only after a pause. Where none of its keys fits a
//! token, the keys are fetched once more, as providers change them. Only signatures by a private key count: a token
//! that is not signed, or signed with the secret that we know too, proves nothing. Tokens may be a minute older than
//! they say, as no two clocks agree; a provider whose clock is further off is told so.
//!
//! The crate `openidconnect` knows the protocol; requests go through [`crate::http`].

mod answers;
mod error;

use std::path::PathBuf;
use std::sync::Arc;

use chrono::TimeDelta;
use openidconnect::core::{
    CoreClient, CoreClientAuthMethod, CoreGenderClaim, CoreIdToken, CoreJwsSigningAlgorithm, CoreResponseType,
};
use openidconnect::{
    AccessToken, AdditionalClaims, AuthType, AuthenticationFlow, AuthorizationCode, ClientId, ClientSecret,
    CsrfToken, IssuerUrl, Nonce, OAuth2TokenResponse as _, PkceCodeChallenge, PkceCodeVerifier,
    ProviderMetadataWithLogout, RedirectUrl, Scope, SubjectIdentifier, TokenResponse as _, UserInfoClaims,
};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use tokio::sync::Mutex;

use self::answers::Asker;
pub use self::error::Error;
use crate::domain::Instant;

/// What a provider says about somebody, by the names of its claims.
pub type Claims = Map<String, Value>;

/// How long addresses and keys of a provider count.
const FRESH_FOR: TimeDelta = TimeDelta::hours(1);
/// How long a provider that is down is left alone.
const LEFT_ALONE: TimeDelta = TimeDelta::seconds(10);
/// How far clocks may differ.
const LEEWAY: TimeDelta = TimeDelta::seconds(60);

/// A provider, and who we are there.
#[derive(Clone)]
pub struct OidcOptions {
    /// The address that it calls itself, byte by byte.
    pub issuer: String,
    /// Our name there.
    pub client: String,
    pub secret: Option<String>,
    /// What is asked for beside `openid`.
    pub scopes: Vec<String>,
    /// Our address that it sends browsers back to.
    pub back: String,
    /// A PEM file with certificates to trust beside the system's.
    pub certificates: Option<PathBuf>,
}

/// An OpenID provider.
pub struct OidcProvider {
    options: OidcOptions,
    known: Mutex<Known>,
}

/// What is known of a provider by now.
#[derive(Default)]
struct Known {
    metadata: Option<(Instant, Arc<Metadata>)>,
    /// When it could last not be asked, and why.
    down: Option<(Instant, Error)>,
}

type Metadata = ProviderMetadataWithLogout;

/// The secrets of one try to log in.
#[derive(Clone, Serialize, Deserialize)]
pub struct OidcTry {
    /// What the provider has to repeat to the browser.
    pub state: String,
    nonce: String,
    verifier: String,
}

/// All that a provider tells beside what the protocol names.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct OtherClaims {
    #[serde(flatten)]
    all: Claims,
}

impl AdditionalClaims for OtherClaims {}

impl std::fmt::Debug for OidcProvider {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.options.issuer)
    }
}

/// The algorithms by which only the provider can sign.
fn algorithms() -> [CoreJwsSigningAlgorithm; 9] {
    use CoreJwsSigningAlgorithm as A;
    [
        A::RsaSsaPkcs1V15Sha256,
        A::RsaSsaPkcs1V15Sha384,
        A::RsaSsaPkcs1V15Sha512,
        A::RsaSsaPssSha256,
        A::RsaSsaPssSha384,
        A::RsaSsaPssSha512,
        A::EcdsaP256Sha256,
        A::EcdsaP384Sha384,
        A::EdDsa,
    ]
}

/// A client for the provider with this metadata. (Its type says which of its addresses are known.)
macro_rules! client {
    ($own:expr, $metadata:expr) => {{
        let options = &$own.options;
        let secret = options.secret.clone().map(ClientSecret::new);
        let client = ClientId::new(options.client.clone());
        let back = RedirectUrl::new(options.back.clone())
            .map_err(|cause| Error::Misconfigured(cause.to_string()))?;
        CoreClient::from_provider_metadata($metadata.clone(), client, secret)
            .set_redirect_uri(back)
            .set_auth_type(auth_type($metadata))
    }};
}

/// How we prove ourselves: in a header, unless the provider takes it in the form only.
fn auth_type(metadata: &Metadata) -> AuthType {
    let methods = metadata.token_endpoint_auth_methods_supported();
    let takes = |one| methods.is_some_and(|all: &Vec<CoreClientAuthMethod>| all.contains(&one));
    match takes(CoreClientAuthMethod::ClientSecretPost) && !takes(CoreClientAuthMethod::ClientSecretBasic) {
        true => AuthType::RequestBody,
        false => AuthType::BasicAuth,
    }
}

impl OidcProvider {
    /// The provider of `options`; nothing is asked yet.
    pub fn new(options: OidcOptions) -> Self {
        Self {
            options,
            known: Mutex::default(),
        }
    }

    /// Begins a try: the address that the browser goes to, and the secrets of the try.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn begin(&self, now: Instant) -> Result<(String, OidcTry), Error> {
        let metadata = self.metadata(now).await?;
        let client = client!(self, &*metadata);
        let (challenge, verifier) = PkceCodeChallenge::new_random_sha256();
        let scopes = self.options.scopes.iter().map(|scope| Scope::new(scope.clone()));
        let flow = AuthenticationFlow::<CoreResponseType>::AuthorizationCode;
        let (url, state, nonce) = client
            .authorize_url(flow, CsrfToken::new_random, Nonce::new_random)
            .add_scopes(scopes)
            .set_pkce_challenge(challenge)
            .url();
        let begun = OidcTry {
            state: state.secret().clone(),
            nonce: nonce.secret().clone(),
            verifier: verifier.into_secret(),
        };
        Ok((url.into(), begun))
    }

    /// Ends a try with the code that the browser brought back: what the provider says about the person. Where a claim
    /// of `wanted` is not in its token, it is asked for more.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn finish(
        &self,
        (begun, code): (&OidcTry, &str),
        wanted: &[String],
        now: Instant,
    ) -> Result<Claims, Error> {
        let metadata = self.metadata(now).await?;
        let client = client!(self, &*metadata);
        let ask = Asker::new(self.options.certificates.as_deref())?.function();
        let exchange = client
            .exchange_code(AuthorizationCode::new(code.to_owned()))
            .map_err(|cause| Error::Unusable(cause.to_string()))?;
        let tokens = exchange
            .set_pkce_verifier(PkceCodeVerifier::new(begun.verifier.clone()))
            .request_async(&ask)
            .await
            .map_err(error::of_exchange)?;
        let token = tokens
            .id_token()
            .ok_or_else(|| Error::Unusable("there is no ID token in its answer".to_owned()))?;
        let nonce = Nonce::new(begun.nonce.clone());
        let mut claims = match self.verified(&metadata, token, &nonce, now) {
            Err(Error::NoKey) => {
                let fetched = self.fetch(now).await?;
                self.verified(&fetched, token, &nonce, now)?
            }
            verified => verified?,
        };
        let lacks = wanted.iter().any(|claim| !claims.contains_key(claim));
        if lacks && metadata.userinfo_endpoint().is_some() {
            for (name, value) in self.user_info(&metadata, &claims, tokens.access_token()).await? {
                claims.entry(name).or_insert(value);
            }
        }
        Ok(claims)
    }

    /// The address where a session at the provider is ended, which leads back to `back`; `None` where it has none.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn leaving(&self, back: &str, now: Instant) -> Result<Option<String>, Error> {
        let metadata = self.metadata(now).await?;
        let end = metadata.additional_metadata().end_session_endpoint.as_ref();
        Ok(end.map(|end| {
            let mut url = end.url().clone();
            url.query_pairs_mut()
                .append_pair("client_id", &self.options.client)
                .append_pair("post_logout_redirect_uri", back);
            url.into()
        }))
    }

    /// What a verified token says.
    fn verified(
        &self,
        metadata: &Metadata,
        token: &CoreIdToken,
        nonce: &Nonce,
        now: Instant,
    ) -> Result<Claims, Error> {
        let client = client!(self, metadata);
        let verifier = client
            .id_token_verifier()
            .set_allowed_algs(algorithms())
            .set_time_fn(move || now - LEEWAY);
        let known = token
            .claims(&verifier, nonce)
            .map_err(|cause| error::of_claims(&cause))?;
        if known.issue_time() > now + LEEWAY {
            return Err(Error::FromTheFuture);
        }
        // What was just verified, with the claims that the crate has no fields for.
        answers::payload(&token.to_string())
    }

    /// What the provider says about the owner of `token` when it is asked.
    async fn user_info(
        &self,
        metadata: &Metadata,
        claims: &Claims,
        token: &AccessToken,
    ) -> Result<Claims, Error> {
        let client = client!(self, metadata);
        let subject = claims.get("sub").and_then(Value::as_str).unwrap_or_default();
        let subject = SubjectIdentifier::new(subject.to_owned());
        let ask = Asker::new(self.options.certificates.as_deref())?.function();
        let request = client
            .user_info(token.clone(), Some(subject))
            .map_err(|cause| Error::Unusable(cause.to_string()))?;
        let told: UserInfoClaims<OtherClaims, CoreGenderClaim> =
            request.request_async(&ask).await.map_err(error::of_user_info)?;
        match serde_json::to_value(&told) {
            Ok(Value::Object(claims)) => Ok(claims),
            _ => Err(Error::Unusable(
                "what it says about people cannot be read".to_owned(),
            )),
        }
    }

    /// Its addresses and keys.
    async fn metadata(&self, now: Instant) -> Result<Arc<Metadata>, Error> {
        let mut known = self.known.lock().await;
        // A clock that was set back makes nothing last longer.
        let is_within = |at: Instant, limit: TimeDelta| at <= now && now - at < limit;
        if let Some((at, metadata)) = &known.metadata
            && is_within(*at, FRESH_FOR)
        {
            return Ok(Arc::clone(metadata));
        }
        if let Some((at, error)) = &known.down
            && is_within(*at, LEFT_ALONE)
        {
            return Err(error.clone());
        }
        self.fetch_into(&mut known, now).await
    }

    /// The same, fetched again.
    async fn fetch(&self, now: Instant) -> Result<Arc<Metadata>, Error> {
        let mut known = self.known.lock().await;
        self.fetch_into(&mut known, now).await
    }

    async fn fetch_into(&self, known: &mut Known, now: Instant) -> Result<Arc<Metadata>, Error> {
        match self.discover().await {
            Ok(found) => {
                let found = Arc::new(found);
                known.metadata = Some((now, Arc::clone(&found)));
                known.down = None;
                Ok(found)
            }
            Err(error) => {
                known.down = Some((now, error.clone()));
                Err(error)
            }
        }
    }

    async fn discover(&self) -> Result<Metadata, Error> {
        let issuer = IssuerUrl::new(self.options.issuer.clone());
        let issuer = issuer.map_err(|cause| Error::Misconfigured(cause.to_string()))?;
        let ask = Asker::new(self.options.certificates.as_deref())?.function();
        let found = Metadata::discover_async(issuer, &ask).await;
        found.map_err(error::of_discovery)
    }
}
