//! The API tokens of an account, for administrators.

use askama::Template;
use poem::web::{Form, Path};
use poem::{Response, handler};

use super::{may_administer, settle};
use crate::access::Permit;
use crate::app::tokens;
use crate::domain::{Result, TokenId, User};
use crate::web::forms::{FormData, FormReader};
use crate::web::frame::{Frame, Section, html};
use crate::web::pages::form_page;
use crate::web::pages::tokens::{TokenList, new_token, revoked, show_made};
use crate::web::trail::{self, Trail};
use crate::web::urls;
use crate::web::visitor::Visitor;

/// The contract of `templates/admin/tokens.html`.
#[derive(Template)]
#[template(path = "admin/tokens.html")]
struct TokensPage {
    frame: Frame,
    trail: Trail,
    user: User,
    tokens: TokenList,
}

/// `GET /admin/users/{user}/tokens`
#[handler]
pub async fn show(visitor: Visitor, Path(name): Path<String>) -> Result<Response> {
    let permit = may_administer(&visitor).await?;
    html(&page(&visitor, &permit, &name, FormData::default()).await?)
}

/// `POST /admin/users/{user}/tokens`
#[handler]
pub async fn add(
    visitor: Visitor,
    Path(name): Path<String>,
    Form(mut form): Form<FormData>,
) -> Result<Response> {
    let permit = may_administer(&visitor).await?;
    let (app, now) = (visitor.app(), visitor.now());
    let read = |form: &mut FormReader<'_>| new_token(form, now);
    let made = form.submit(read, |new| tokens::make_of_service(app, &permit, &name, new));
    let Some(made) = made.await? else {
        let page = page(&visitor, &permit, &name, form).await?;
        return form_page(&page, &page.tokens.form.complaints);
    };
    let url = urls::admin_tokens(&name);
    show_made(&visitor, made, url, Section::Admin).await
}

/// `POST /admin/users/{user}/tokens/{id}/revoke`
#[handler]
pub async fn revoke(visitor: Visitor, Path((name, id)): Path<(String, TokenId)>) -> Result<Response> {
    let permit = may_administer(&visitor).await?;
    let outcome = tokens::revoke_of(visitor.app(), &permit, &name, id).await;
    let url = urls::admin_tokens(&name);
    settle(&visitor, outcome.map(|token| revoked(&token)), &url, &url).await
}

async fn page(visitor: &Visitor, permit: &Permit, name: &str, form: FormData) -> Result<TokensPage> {
    let (user, tokens) = tokens::of_account(visitor.app(), permit, name).await?;
    let url = urls::admin_tokens(user.name.as_str());
    let title = format!("API tokens of {}", user.name);
    Ok(TokensPage {
        frame: visitor.frame(title, Section::Admin).await?,
        trail: trail::admin("Users", urls::admin_users()),
        tokens: TokenList::new(tokens, form, url, visitor.now()),
        user,
    })
}
