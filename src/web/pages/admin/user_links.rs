//! By which logins from outside a user is known: linking and unlinking.

use poem::web::{Form, Path};
use poem::{Response, handler};

use super::users::{filled, page};
use super::{may_administer, saved, settle};
use crate::app::admin::users;
use crate::app::outside::links;
use crate::domain::{LoginProvider, Result};
use crate::web::forms::{FormData, FormReader};
use crate::web::pages::form_page;
use crate::web::urls;
use crate::web::visitor::Visitor;

/// `POST /admin/users/{user}/link`: lets it be known by a login from outside.
#[handler]
pub async fn link(
    visitor: Visitor,
    Path(name): Path<String>,
    Form(mut sent): Form<FormData>,
) -> Result<Response> {
    let permit = may_administer(&visitor).await?;
    let linked = sent.submit(identity, |identity| {
        links::link_of(visitor.app(), &permit, &name, identity)
    });
    let Some(user) = linked.await? else {
        let user = users::by_name(visitor.app(), &permit, &name).await?;
        let mut form = filled(&user)
            .with("provider", sent.text("provider"))
            .with("subject", sent.text("subject"));
        form.complaints = sent.complaints;
        let page = page(&visitor, Some(user), form).await?;
        return form_page(&page, &page.form.complaints);
    };
    let url = urls::admin_user(user.name.as_str());
    saved(
        &visitor,
        format!("The login of “{}” was linked.", user.name),
        &url,
    )
    .await
}

/// `POST /admin/users/{user}/unlink`: the opposite.
#[handler]
pub async fn unlink(
    visitor: Visitor,
    Path(name): Path<String>,
    Form(form): Form<FormData>,
) -> Result<Response> {
    let permit = may_administer(&visitor).await?;
    let (provider, subject) = form.read(identity)?;
    let url = urls::admin_user(&name);
    let outcome = links::unlink_of(visitor.app(), &permit, &name, (&provider, &subject)).await;
    let outcome = outcome.map(|user| {
        format!(
            "The login of “{}” was unlinked; sessions that came of it have ended.",
            user.name
        )
    });
    settle(&visitor, outcome, &url, &url).await
}

/// By what an account is to be known outside.
fn identity(form: &mut FormReader) -> Option<(LoginProvider, String)> {
    let provider = LoginProvider::parse(form.form.text("provider"));
    let provider = form.take(
        "provider",
        provider.ok_or_else(|| "Choose one from the list.".to_owned()),
    );
    Some((provider?, form.form.text("subject").to_owned()))
}
