//! The API tokens of the account that asks.

use poem_openapi::param::Path;
use poem_openapi::payload::Json;
use poem_openapi::{Object, OpenApi};

use super::Part;
use super::account::ScopeDto;
use crate::app::tokens::{self, NewToken};
use crate::domain::{
    ApiToken, Error, ErrorKind, FieldErrors, Instant, Name, Result, TokenId, TokenScope, TokenState, User,
};
use crate::web::api::reply::{Created, JsonReply, List, NoContent};
use crate::web::api::words::Word;
use crate::web::visitor::Visitor;

/// An API token, its secret aside.
#[derive(Object)]
#[oai(rename = "Token", skip_serializing_if_is_none)]
pub struct TokenDto {
    id: i64,
    name: String,
    /// The beginning of its secret.
    hint: String,
    state: Word<TokenState>,
    scope: ScopeDto,
    created_at: Instant,
    /// Absent: it never expires.
    expires_at: Option<Instant>,
    last_used_at: Option<Instant>,
    last_used_from: Option<String>,
}

impl TokenDto {
    pub fn new(token: &ApiToken, now: Instant) -> Self {
        Self {
            id: token.id.0,
            name: token.name.to_string(),
            hint: token.hint.clone(),
            state: Word(token.state(now)),
            scope: (&token.scope).into(),
            created_at: token.created_at,
            expires_at: token.expires_at,
            last_used_at: token.last_used_at,
            last_used_from: Some(token.last_used_from.clone()).filter(|from| !from.is_empty()),
        }
    }
}

/// A token that was made, with its secret.
#[derive(Object)]
#[oai(rename = "MadeToken")]
pub struct MadeTokenDto {
    pub token: TokenDto,
    /// What a program sends. It is shown this once.
    pub secret: String,
}

/// A token to be made.
#[derive(Object)]
#[oai(rename = "NewToken", deny_unknown_fields)]
pub struct NewTokenDto {
    /// What uses it: `ci`, `chat-bot`.
    name: String,
    /// Days until it expires; absent: it never does.
    #[oai(validator(minimum(value = "1"), maximum(value = "3650")))]
    days: Option<u32>,
    scope: Option<ScopeDto>,
}

impl NewTokenDto {
    /// The token to be made.
    ///
    /// # Errors
    /// Complaints about the fields.
    pub fn read(self, now: Instant) -> Result<NewToken> {
        let mut wrong = FieldErrors::default();
        let name = self.name.parse::<Name>();
        let name = name.map_err(|message| wrong.add("name", message)).ok();
        let scope = self.scope.unwrap_or_default();
        let mut names = |field: &str, names: &[String]| {
            let read: Result<Vec<Name>, String> = names.iter().map(|name| name.parse()).collect();
            read.map_err(|message| wrong.add(field, message))
                .unwrap_or_default()
        };
        let projects = names("scope.projects", &scope.projects);
        let environments = names("scope.environments", &scope.environments);
        let expires_at = self.days.map(|days| tokens::expiry(days, now)).transpose()?;
        wrong.none()?;
        Ok(NewToken {
            // Without it there was a complaint.
            name: name.ok_or_else(|| Error::invalid("Name the token."))?,
            expires_at,
            scope: TokenScope {
                actions: scope.actions.into_iter().map(|word| word.0).collect(),
                projects,
                environments,
            },
        })
    }
}

/// The account whose tokens these are: as on its page, they are the business of a person who is logged in.
fn account(visitor: &Visitor) -> Result<&User> {
    let nobody = || Error::new(ErrorKind::Unauthenticated, "Log in to see your API tokens.");
    let user = visitor.user().ok_or_else(nobody)?;
    if visitor.principal().is_person() {
        return Ok(user);
    }
    let message = "An API token cannot do this. Log in with your browser.";
    Err(Error::new(ErrorKind::Forbidden, message))
}

/// One's own tokens.
pub struct TokensApi;

#[OpenApi(tag = "Part::Account")]
impl TokensApi {
    /// List the tokens of your account
    #[oai(path = "/tokens", method = "get", operation_id = "listTokens")]
    async fn list(&self, visitor: Visitor) -> poem::Result<JsonReply<List<TokenDto>>> {
        let found = tokens::own(visitor.app(), account(&visitor)?).await?;
        let now = visitor.now();
        Ok(JsonReply::all(
            found.iter().map(|token| TokenDto::new(token, now)),
        ))
    }

    /// Make a token for your account
    ///
    /// Tokens are the business of a person who is logged in: a request that comes with a token is refused.
    #[oai(path = "/tokens", method = "post", operation_id = "createToken")]
    async fn create(
        &self,
        visitor: Visitor,
        token: Json<NewTokenDto>,
    ) -> poem::Result<Created<MadeTokenDto>> {
        account(&visitor)?;
        let new = token.0.read(visitor.now())?;
        let made = tokens::make_own(visitor.app(), visitor.actor(), new).await?;
        Ok(Created::new(MadeTokenDto {
            token: TokenDto::new(&made.token, visitor.now()),
            secret: made.secret,
        }))
    }

    /// Revoke a token of your account
    #[oai(path = "/tokens/:token", method = "delete", operation_id = "revokeToken")]
    async fn revoke(&self, visitor: Visitor, token: Path<i64>) -> poem::Result<NoContent> {
        let user = account(&visitor)?;
        tokens::revoke_own(visitor.app(), (visitor.actor(), user), TokenId(token.0)).await?;
        Ok(NoContent)
    }
}
