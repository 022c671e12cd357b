//! Fetching a host key, comparing it, trusting it: two forms, so that a person looks in between.

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
use crate::web::urls;
use crate::web::visitor::Visitor;

/// The contract of `templates/admin/host_key.html`.
#[derive(Template)]
#[template(path = "admin/host_key.html")]
struct Page {
    frame: Frame,
    trail: Vec<(String, String)>,
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
    html(&Page {
        frame: visitor
            .frame(format!("Host key of {name}"), Section::Admin)
            .await?,
        trail: vec![
            ("Admin".to_owned(), urls::admin().to_owned()),
            ("Servers".to_owned(), urls::admin_servers().to_owned()),
            (name, back.clone()),
        ],
        trust: urls::admin_act(&back, "trust"),
        back,
        shown,
    })
}

#[derive(Deserialize)]
pub(super) struct Seen {
    openssh: String,
}

/// `POST /admin/servers/{id}/trust`: trusts the key that was shown, if it is still the one.
#[handler]
pub async fn trust(visitor: Visitor, Path(id): Path<ServerId>, Form(seen): Form<Seen>) -> Result<Response> {
    let permit = may_configure(&visitor).await?;
    let outcome = host_keys::trust(visitor.app(), &permit, id, &seen.openssh).await;
    let outcome = outcome.map(|shown| {
        format!(
            "Server “{}” is trusted by {} from now on.",
            shown.server.name, shown.fingerprint
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
