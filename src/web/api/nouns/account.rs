//! Who asks.

use poem_openapi::{Object, OpenApi};

use super::Part;
use crate::domain::Action;
use crate::domain::{TokenScope, UsedToken};
use crate::web::api::reply::JsonReply;
use crate::web::api::words::Word;
use crate::web::visitor::Visitor;

/// The account that a request is made for.
#[derive(Object)]
#[oai(rename = "Account", skip_serializing_if_is_none)]
struct AccountDto {
    /// The name that policy uses; `default` without a login.
    name: String,
    /// For people.
    display_name: Option<String>,
    /// Whether nobody is logged in.
    is_guest: bool,
    /// Groups that the login told.
    groups: Vec<String>,
    /// The account that acts in its name.
    through: Option<String>,
    /// The API token that was sent.
    token: Option<SentTokenDto>,
}

/// The token of a request.
#[derive(Object)]
#[oai(rename = "SentToken")]
struct SentTokenDto {
    id: i64,
    name: String,
    scope: ScopeDto,
}

/// What of its account's rights a token has. An empty list stands for all.
#[derive(Debug, Clone, Default, Object)]
#[oai(rename = "TokenScope", default)]
pub struct ScopeDto {
    #[oai(validator(max_items = 50))]
    pub actions: Vec<Word<Action>>,
    #[oai(validator(max_items = 50))]
    pub projects: Vec<String>,
    #[oai(validator(max_items = 50))]
    pub environments: Vec<String>,
}

impl From<&TokenScope> for ScopeDto {
    fn from(scope: &TokenScope) -> Self {
        Self {
            actions: scope.actions.iter().copied().map(Word).collect(),
            projects: scope.projects.iter().map(ToString::to_string).collect(),
            environments: scope.environments.iter().map(ToString::to_string).collect(),
        }
    }
}

/// Who asks.
pub struct AccountApi;

#[OpenApi(tag = "Part::Account")]
impl AccountApi {
    /// Show who you are to the deployer
    #[oai(path = "/account", method = "get", operation_id = "showAccount")]
    async fn show(&self, visitor: Visitor) -> JsonReply<AccountDto> {
        let actor = visitor.actor();
        let token = |token: &UsedToken| SentTokenDto {
            id: token.id.0,
            name: token.name.clone(),
            scope: (&token.scope).into(),
        };
        JsonReply::new(AccountDto {
            name: actor.name.clone(),
            display_name: visitor.user().map(|user| user.title().to_owned()),
            is_guest: actor.is_guest(),
            groups: actor.groups.clone(),
            through: actor.impersonator.clone(),
            token: actor.token.as_ref().map(token),
        })
    }
}
