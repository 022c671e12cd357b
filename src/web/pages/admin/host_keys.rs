//! Fetching a host key, comparing it, trusting it: two forms, so that a person compares in between.

use askama::Template;
use poem::web::{Form, Path};
use poem::{Response, handler};
use serde::Deserialize;

use super::{may_configure, settle};
use crate::app::admin::host_keys::{self, Shown};
use crate::app::admin::servers;
use crate::domain::{ErrorKind, Result, ServerId};
use crate::web::flash::Flash;
use crate::web::frame::{Frame, Section, go_to, html};
use crate::web::trail::{self, Trail};
use crate::web::urls;
use crate::web::visitor::Visitor;

/// The contract of `templates/admin/host_key.html`.
#[derive(Template)]
#[template(path = "admin/host_key.html")]
struct Page {
    frame: Frame,
    trail: Trail,
    shown: Shown,
    back: String,
    trust: String,
}

/// `POST /admin/servers/{id}/key`: asks the server for its key and shows it. Nothing is trusted.
#[handler]
pub async fn fetch(visitor: Visitor, Path(id): Path<ServerId>) -> Result<Response> {
    let permit = may_configure(&visitor).await?;
    let back = urls::admin_server(id);
    let shown = match host_keys::fetch(visitor.app(), &permit, id).await {
        Ok(shown) => shown,
        Err(error) if error.kind() == ErrorKind::Unavailable => {
            visitor.flash(Flash::failed(error.message())).await?;
            return Ok(go_to(&back));
        }
        Err(error) => return Err(error),
    };
    let name = shown.server.name.to_string();
    let title = format!("Host key of {name}");
    let mut trail = trail::admin("Servers", urls::admin_servers());
    trail.push((name, back.clone()));
    html(&Page {
        frame: visitor.frame(title, Section::Admin).await?,
        trail,
        trust: urls::admin_act(&back, "trust"),
        back,
        shown,
    })
}

/// The key that was shown.
#[derive(Deserialize)]
pub(super) struct ShownKey {
    openssh: String,
}

/// `POST /admin/servers/{id}/trust`: trusts the key that was shown, if it is still the one.
#[handler]
pub async fn trust(
    visitor: Visitor,
    Path(id): Path<ServerId>,
    Form(shown): Form<ShownKey>,
) -> Result<Response> {
    let permit = may_configure(&visitor).await?;
    let outcome = host_keys::trust(visitor.app(), &permit, id, &shown.openssh).await;
    let outcome = outcome.map(|shown| {
        format!(
            "The host key {} of server “{}” is trusted now.",
            shown.fingerprint, shown.server.name
        )
    });
    let url = urls::admin_server(id);
    settle(&visitor, outcome, &url, &url).await
}

/// `POST /admin/servers/{id}/forget`: trusts no key any more.
#[handler]
pub async fn forget(visitor: Visitor, Path(id): Path<ServerId>) -> Result<Response> {
    let permit = may_configure(&visitor).await?;
    let outcome = async {
        host_keys::forget(visitor.app(), &permit, id).await?;
        let server = servers::by_id(visitor.app(), &permit, id).await?;
        Ok(format!(
            "Nothing connects to server “{}” until a key is trusted again.",
            server.name
        ))
    };
    let (outcome, url) = (outcome.await, urls::admin_server(id));
    settle(&visitor, outcome, &url, &url).await
}
