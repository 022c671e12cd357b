//! The sessions of an account, for administrators.

use askama::Template;
use poem::web::{Form, Path};
use poem::{Response, handler};

use super::{may_administer, settle};
use crate::app::sessions;
use crate::domain::{Result, User};
use crate::web::forms::FormData;
use crate::web::frame::{Frame, Section, html};
use crate::web::pages::sessions::{SessionList, chosen, ended};
use crate::web::session;
use crate::web::trail::{self, Trail};
use crate::web::urls;
use crate::web::visitor::Visitor;

/// The contract of `templates/admin/sessions.html`.
#[derive(Template)]
#[template(path = "admin/sessions.html")]
struct SessionsPage {
    frame: Frame,
    trail: Trail,
    user: User,
    sessions: SessionList,
}

/// `GET /admin/users/{user}/sessions`
#[handler]
pub async fn show(visitor: Visitor, Path(name): Path<String>) -> Result<Response> {
    let permit = may_administer(&visitor).await?;
    let (user, found) = sessions::of_account(visitor.app(), &permit, &name).await?;
    let address = urls::admin_act(&urls::admin_sessions(user.name.as_str()), "end");
    let present = session::key(visitor.session());
    html(&SessionsPage {
        frame: visitor
            .frame(format!("Sessions of {}", user.name), Section::Admin)
            .await?,
        trail: trail::admin("Users", urls::admin_users()),
        sessions: SessionList::new(found, address, present.as_deref()),
        user,
    })
}

/// `POST /admin/users/{user}/sessions/end`
#[handler]
pub async fn end(visitor: Visitor, Path(name): Path<String>, Form(form): Form<FormData>) -> Result<Response> {
    let permit = may_administer(&visitor).await?;
    let which = chosen(&form, None);
    let outcome = sessions::end_of(visitor.app(), &permit, &name, &which).await;
    let url = urls::admin_sessions(&name);
    let outcome = outcome.map(|number| ended(number, &which));
    settle(&visitor, outcome, &url, &url).await
}
