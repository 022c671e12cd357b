//! Accounts, for administrators.

use poem_openapi::param::{Header, Path};
use poem_openapi::payload::Json;
use poem_openapi::{Object, OpenApi};

use super::tokens::{MadeTokenDto, NewTokenDto, TokenDto};
use super::{Part, may_administer, may_read};
use crate::app::accounts::{Keeping, NewUser};
use crate::app::admin::users::{self, UserSpec};
use crate::app::tokens;
use crate::domain::{Area, Error, Instant, Name, Result, TokenId, User};
use crate::web::api::fields::demand_version;
use crate::web::api::reply::{Created, JsonReply, List, NoContent, api_path};
use crate::web::visitor::Visitor;

/// An account.
#[derive(Object)]
#[oai(rename = "User", skip_serializing_if_is_none)]
struct UserDto {
    name: String,
    display_name: String,
    email: String,
    disabled: bool,
    /// Whether it can log in with a password; otherwise programs use it by tokens.
    has_password: bool,
    roles: Vec<String>,
    created_at: Instant,
    last_login_at: Option<Instant>,
}

impl UserDto {
    fn new(visitor: &Visitor, user: &User) -> Self {
        Self {
            name: user.name.to_string(),
            display_name: user.display_name.clone(),
            email: user.email.clone(),
            disabled: user.disabled,
            has_password: user.has_password,
            roles: visitor.app().policy().roles_of(user.name.as_str()),
            created_at: user.created_at,
            last_login_at: user.last_login_at,
        }
    }
}

/// An account to be added.
#[derive(Object)]
#[oai(rename = "NewUser", deny_unknown_fields)]
struct NewUserDto {
    name: String,
    display_name: Option<String>,
    email: Option<String>,
    /// Absent: one is generated, and shown once.
    password: Option<String>,
    /// Whether it is for programs, and has no password.
    service: Option<bool>,
}

impl NewUserDto {
    fn read(self) -> Result<(NewUser, bool)> {
        let name = self.name.parse::<Name>();
        let new = NewUser {
            name: name.map_err(|message| Error::field("name", message))?,
            display_name: self.display_name.unwrap_or_default(),
            email: self.email.unwrap_or_default(),
            password: self.password,
            keeping: Keeping::UntilLogin,
        };
        Ok((new, self.service.unwrap_or(false)))
    }
}

/// An account that was added, or has another password.
#[derive(Object)]
#[oai(rename = "UserWithPassword", skip_serializing_if_is_none)]
struct UserWithPasswordDto {
    user: UserDto,
    /// The password that was generated. It is shown this once.
    password: Option<String>,
}

/// What changes of an account; what is absent stays as it is.
#[derive(Object)]
#[oai(rename = "UserChanges", deny_unknown_fields)]
struct UserChangesDto {
    display_name: Option<String>,
    email: Option<String>,
    disabled: Option<bool>,
}

/// A password that an administrator sets.
#[derive(Object)]
#[oai(rename = "NewPassword", deny_unknown_fields)]
struct NewPasswordDto {
    /// Absent: one is generated, and shown once.
    password: Option<String>,
}

/// Accounts.
pub struct UsersApi;

#[OpenApi(prefix_path = "/users", tag = "Part::Users")]
impl UsersApi {
    /// List the accounts
    #[oai(path = "/", method = "get", operation_id = "listUsers")]
    async fn list(&self, visitor: Visitor) -> poem::Result<JsonReply<List<UserDto>>> {
        let permit = may_read(&visitor, Area::Users).await?;
        let all = users::list(visitor.app(), &permit).await?;
        Ok(JsonReply::all(
            all.iter().map(|user| UserDto::new(&visitor, user)),
        ))
    }

    /// Show an account
    #[oai(path = "/:user", method = "get", operation_id = "showUser")]
    async fn show(&self, visitor: Visitor, user: Path<String>) -> poem::Result<JsonReply<UserDto>> {
        let permit = may_administer(&visitor).await?;
        let found = users::by_name(visitor.app(), &permit, &user).await?;
        Ok(JsonReply::new(UserDto::new(&visitor, &found)))
    }

    /// Add an account
    #[oai(path = "/", method = "post", operation_id = "createUser")]
    async fn create(
        &self,
        visitor: Visitor,
        user: Json<NewUserDto>,
    ) -> poem::Result<Created<UserWithPasswordDto>> {
        let permit = may_administer(&visitor).await?;
        let (added, password) = users::add(visitor.app(), &permit, user.0.read()?).await?;
        let address = api_path(&["users", added.name.as_str()]);
        let user = UserDto::new(&visitor, &added);
        Ok(Created::new(UserWithPasswordDto { user, password }).at(address))
    }

    /// Change an account
    #[oai(path = "/:user", method = "patch", operation_id = "changeUser")]
    async fn change(
        &self,
        visitor: Visitor,
        user: Path<String>,
        #[oai(name = "If-Match")] version: Header<Option<String>>,
        changes: Json<UserChangesDto>,
    ) -> poem::Result<JsonReply<UserDto>> {
        let permit = may_administer(&visitor).await?;
        let known = users::by_name(visitor.app(), &permit, &user).await?;
        demand_version(version.0.as_deref(), &UserDto::new(&visitor, &known))?;
        let UserChangesDto {
            display_name,
            email,
            disabled,
        } = changes.0;
        let spec = UserSpec {
            display_name: display_name.unwrap_or_else(|| known.display_name.clone()),
            email: email.unwrap_or_else(|| known.email.clone()),
        };
        let mut changed = users::edit(visitor.app(), &permit, &user, spec).await?;
        if let Some(disabled) = disabled.filter(|disabled| *disabled != known.disabled) {
            changed = users::set_disabled(visitor.app(), &permit, &user, disabled).await?;
        }
        Ok(JsonReply::new(UserDto::new(&visitor, &changed)))
    }

    /// Delete an account
    ///
    /// What it did stays in the history and in the audit log under its name.
    #[oai(path = "/:user", method = "delete", operation_id = "deleteUser")]
    async fn delete(
        &self,
        visitor: Visitor,
        user: Path<String>,
        #[oai(name = "If-Match")] version: Header<Option<String>>,
    ) -> poem::Result<NoContent> {
        let permit = may_administer(&visitor).await?;
        let known = users::by_name(visitor.app(), &permit, &user).await?;
        demand_version(version.0.as_deref(), &UserDto::new(&visitor, &known))?;
        users::delete(visitor.app(), &permit, &user).await?;
        Ok(NoContent)
    }

    /// Set the password of an account
    ///
    /// It is logged out everywhere, and has to choose its own at the next login.
    #[oai(path = "/:user/password", method = "post", operation_id = "setPassword")]
    async fn set_password(
        &self,
        visitor: Visitor,
        user: Path<String>,
        password: Json<NewPasswordDto>,
    ) -> poem::Result<JsonReply<UserWithPasswordDto>> {
        let permit = may_administer(&visitor).await?;
        let set = users::set_password(visitor.app(), &permit, &user, password.0.password);
        let (known, password) = set.await?;
        let user = UserDto::new(&visitor, &known);
        Ok(JsonReply::new(UserWithPasswordDto { user, password }))
    }

    /// List the tokens of an account
    #[oai(path = "/:user/tokens", method = "get", operation_id = "listUserTokens")]
    async fn tokens(&self, visitor: Visitor, user: Path<String>) -> poem::Result<JsonReply<List<TokenDto>>> {
        let permit = may_administer(&visitor).await?;
        let (_, found) = tokens::of_account(visitor.app(), &permit, &user).await?;
        let now = visitor.now();
        Ok(JsonReply::all(
            found.iter().map(|token| TokenDto::new(token, now)),
        ))
    }

    /// Make a token for a service account
    #[oai(path = "/:user/tokens", method = "post", operation_id = "createUserToken")]
    async fn create_token(
        &self,
        visitor: Visitor,
        user: Path<String>,
        token: Json<NewTokenDto>,
    ) -> poem::Result<Created<MadeTokenDto>> {
        let permit = may_administer(&visitor).await?;
        let new = token.0.read(visitor.now())?;
        let made = tokens::make_of_service(visitor.app(), &permit, &user, new).await?;
        Ok(Created::new(MadeTokenDto {
            token: TokenDto::new(&made.token, visitor.now()),
            secret: made.secret,
        }))
    }

    /// Revoke a token of an account
    #[oai(
        path = "/:user/tokens/:token",
        method = "delete",
        operation_id = "revokeUserToken"
    )]
    async fn revoke_token(
        &self,
        visitor: Visitor,
        user: Path<String>,
        token: Path<i64>,
    ) -> poem::Result<NoContent> {
        let permit = may_administer(&visitor).await?;
        tokens::revoke_of(visitor.app(), &permit, &user, TokenId(token.0)).await?;
        Ok(NoContent)
    }
}
