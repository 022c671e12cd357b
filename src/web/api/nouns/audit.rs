//! The audit log, for those who may read it.

use poem_openapi::param::Query;
use poem_openapi::types::Any;
use poem_openapi::{Object, OpenApi};
use serde_json::Value;

use super::{Part, may_read};
use crate::app::audit::{self, words};
use crate::domain::{Area, AuditEvent, Instant, Outcome};
use crate::store::{AuditFilter, Page};
use crate::web::api::cursor::CursorScope;
use crate::web::api::reply::{JsonReply, List};
use crate::web::api::words::Word;
use crate::web::visitor::Visitor;

/// Events of one page, where nobody says otherwise.
const PAGE: u32 = 50;

/// An event of the audit log.
#[derive(Object)]
#[oai(rename = "AuditEvent", skip_serializing_if_is_none)]
struct AuditEventDto {
    number: i64,
    at: Instant,
    actor: String,
    /// The account that acted in the actor's name.
    through: Option<String>,
    /// The IP address it came from, or `cli`.
    address: String,
    /// Noun and verb: `deployment.requested`.
    action: String,
    resource: String,
    outcome: Word<Outcome>,
    /// The line of policy that allowed it, or the sentence that refused it.
    permit: String,
    /// What happened, as a sentence.
    sentence: String,
    detail: Any<Value>,
    hash: String,
    /// The hash of the event before.
    previous_hash: String,
    /// Whether the hash fits what is stored.
    is_whole: bool,
}

impl From<&AuditEvent> for AuditEventDto {
    fn from(one: &AuditEvent) -> Self {
        let event = &one.event;
        Self {
            number: one.id.0,
            at: event.at,
            actor: event.actor.clone(),
            through: event.impersonator.clone(),
            address: event.address.clone(),
            action: event.action.clone(),
            resource: event.resource.clone(),
            outcome: Word(event.outcome),
            permit: event.permit.clone(),
            sentence: words::sentence(event),
            detail: Any(event.detail.clone()),
            hash: one.hash.clone(),
            previous_hash: one.prev_hash.clone(),
            is_whole: one.is_whole,
        }
    }
}

/// The head of the audit log, to be kept elsewhere.
#[derive(Object)]
#[oai(rename = "AuditHead", skip_serializing_if_is_none)]
struct AuditHeadDto {
    /// The signed line; absent where none can be signed.
    head: Option<String>,
    /// The number of the last event.
    number: Option<i64>,
    hash: Option<String>,
    at: Option<Instant>,
    /// Why none is signed, as a sentence.
    reason: Option<String>,
}

/// The audit log.
pub struct AuditApi;

#[OpenApi(prefix_path = "/audit", tag = "Part::Audit")]
impl AuditApi {
    /// List events, newest first
    #[allow(clippy::too_many_arguments, reason = "each is a parameter of the document")]
    #[oai(path = "/", method = "get", operation_id = "listAuditEvents")]
    async fn list(
        &self,
        visitor: Visitor,
        /// NoContent by, as, or to the account of somebody with this in their name.
        actor: Query<Option<String>>,
        /// Words for kinds of events, as on the page: `override`, `login failed`, `deployer.`.
        action: Query<Option<String>>,
        /// About something with this in its name.
        resource: Query<Option<String>>,
        /// With this anywhere.
        text: Query<Option<String>>,
        outcome: Query<Option<Word<Outcome>>>,
        from: Query<Option<Instant>>,
        to: Query<Option<Instant>>,
        /// How many on a page; absent: 50.
        #[oai(validator(minimum(value = "1"), maximum(value = "200")))]
        limit: Query<Option<u32>>,
        cursor: Query<Option<String>>,
    ) -> poem::Result<JsonReply<List<AuditEventDto>>> {
        let permit = may_read(&visitor, Area::Audit).await?;
        let meant = action.0.map(|words| words::meant_by(&words));
        let (actions, telling) = meant.map_or_else(Default::default, |meant| (meant.names, meant.telling));
        let filter = AuditFilter {
            who: actor.0,
            actions,
            telling,
            about: resource.0,
            text: text.0,
            outcome: outcome.0.map(|word| word.0),
            hidden: Vec::new(),
            covered: Vec::new(),
            from: from.0,
            to: to.0,
        };
        let listing = CursorScope::new("audit", &filter);
        let page = match listing.row(cursor.0.as_deref())? {
            None => Page::Newest,
            Some(row) => Page::Before(row),
        };
        let limit = limit.0.unwrap_or(PAGE);
        let found = audit::browse(visitor.app(), &permit, &filter, page, limit.into()).await?;
        let items = found.items.iter().map(AuditEventDto::from).collect();
        Ok(listing.page(&visitor, items, found.older))
    }

    /// Sign the present head of the log, to be kept elsewhere
    #[oai(path = "/head", method = "get", operation_id = "showAuditHead")]
    async fn head(&self, visitor: Visitor) -> poem::Result<JsonReply<AuditHeadDto>> {
        let permit = may_read(&visitor, Area::Audit).await?;
        Ok(JsonReply::new(
            match audit::head(visitor.app(), &permit).await? {
                Ok(head) => AuditHeadDto {
                    head: Some(head.to_string()),
                    number: Some(head.number),
                    hash: Some(head.hash),
                    at: Some(head.at),
                    reason: None,
                },
                Err(reason) => AuditHeadDto {
                    head: None,
                    number: None,
                    hash: None,
                    at: None,
                    reason: Some(reason),
                },
            },
        ))
    }
}
