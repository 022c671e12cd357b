//! The proof of the audit log: its present head to keep, and its comparison with heads kept before.

use askama::Template;
use poem::web::Form;
use poem::{Response, handler};

use super::may_view;
use crate::app::audit;
use crate::app::audit::heads::given_in;
use crate::app::audit::verification::Verification;
use crate::domain::Result;
use crate::web::forms::{Complaints, FormData};
use crate::web::frame::{Frame, Section};
use crate::web::pages::form_page;
use crate::web::trail::Trail;
use crate::web::urls;
use crate::web::visitor::Visitor;

/// The contract of `templates/audit/proof.html`.
#[derive(Template)]
#[template(path = "audit/proof.html")]
struct ProofPage {
    frame: Frame,
    trail: Trail,
    /// The present head, or why there is none.
    head: std::result::Result<String, String>,
    /// The file that heads are handed out to.
    file: String,
    /// The heads to compare with, as they were sent.
    sent: String,
    complaints: Complaints,
    found: Option<Verification>,
}

impl ProofPage {
    fn word(&self) -> &'static str {
        match &self.found {
            Some(found) if !found.fits() => "Wrong",
            Some(found) if !found.is_whole() => "Not compared",
            _ => "Whole",
        }
    }

    fn tone(&self) -> &'static str {
        match &self.found {
            Some(found) if !found.fits() => "t-bad",
            Some(found) if !found.is_whole() => "t-warn",
            _ => "t-good",
        }
    }
}

async fn page(visitor: &Visitor, sent: String, tried: Result<Option<Verification>>) -> Result<Response> {
    let permit = may_view(visitor).await?;
    let head = audit::head(visitor.app(), &permit).await?;
    let (found, complaints) = match tried {
        Ok(found) => (found, Complaints::default()),
        Err(error) => (None, Complaints::of_error(&error)),
    };
    let page = ProofPage {
        frame: visitor.frame("Proof of the audit log", Section::Audit).await?,
        trail: vec![("Audit log".to_owned(), urls::audit().to_owned())],
        head: head.map(|head| head.to_string()),
        file: visitor.app().config().audit_heads_file().display().to_string(),
        sent,
        complaints,
        found,
    };
    form_page(&page, &page.complaints)
}

/// `GET /audit/verify`
#[handler]
pub async fn show(visitor: Visitor) -> Result<Response> {
    page(&visitor, String::new(), Ok(None)).await
}

/// `POST /audit/verify`
#[handler]
pub async fn verify(visitor: Visitor, form: Form<FormData>) -> Result<Response> {
    let sent = form.0.text("heads").trim().to_owned();
    let permit = may_view(&visitor).await?;
    let given = match sent.as_str() {
        "" => Ok(Vec::new()),
        text => given_in(text),
    };
    let tried = match given {
        Ok(heads) => audit::verify(visitor.app(), &permit, heads).await.map(Some),
        Err(error) => Err(error),
    };
    page(&visitor, sent, tried).await
}
