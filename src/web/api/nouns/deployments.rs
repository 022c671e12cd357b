//! Deployments: the history, one of them, and its log.

pub mod acts;
mod details;
mod log;
pub mod requests;
mod shape;
mod waiting;

use poem::Request;
use poem_openapi::OpenApi;
use poem_openapi::param::{Header, Path, Query};

use self::details::DeploymentViewDto;
use self::log::LogWanted;
pub use self::shape::DeploymentDto;
use super::Part;
use crate::app::history;
use crate::domain::{DeploymentId, DeploymentState, Instant, Kind};
use crate::store::{Page, PastFilter};
use crate::web::api::cursor::CursorScope;
use crate::web::api::reply::{JsonReply, List, Raw};
use crate::web::api::words::Word;
use crate::web::visitor::Visitor;

/// Deployments of one page, where nobody says otherwise.
const PAGE: u32 = 50;
/// The most deployments of one page.
const MOST_ON_A_PAGE: u32 = 200;

/// Reading what was deployed.
pub struct DeploymentsApi;

#[OpenApi(prefix_path = "/deployments", tag = "Part::Deployments")]
impl DeploymentsApi {
    /// List deployments, newest first
    #[allow(clippy::too_many_arguments, reason = "each is a parameter of the document")]
    #[oai(path = "/", method = "get", operation_id = "listDeployments")]
    async fn list(
        &self,
        visitor: Visitor,
        /// By the name it had.
        project: Query<Option<String>>,
        /// By the name it had.
        environment: Query<Option<String>>,
        /// Can be sent several times: any of them.
        state: Query<Option<Vec<Word<DeploymentState>>>>,
        /// Can be sent several times: any of them.
        kind: Query<Option<Vec<Word<Kind>>>>,
        /// Requested by this account.
        user: Query<Option<String>>,
        /// Requested then or later.
        from: Query<Option<Instant>>,
        /// Requested before.
        to: Query<Option<Instant>>,
        /// How many on a page; absent: 50.
        #[oai(validator(minimum(value = "1"), maximum(value = "200")))]
        limit: Query<Option<u32>>,
        cursor: Query<Option<String>>,
    ) -> poem::Result<JsonReply<List<DeploymentDto>>> {
        let filter = PastFilter {
            project: project.0,
            environment: environment.0,
            actor: user.0,
            states: state
                .0
                .unwrap_or_default()
                .into_iter()
                .map(|word| word.0)
                .collect(),
            kinds: kind
                .0
                .unwrap_or_default()
                .into_iter()
                .map(|word| word.0)
                .collect(),
            from: from.0,
            to: to.0,
            places: None,
        };
        let listing = CursorScope::new("deployments", &filter);
        let page = match listing.row(cursor.0.as_deref())? {
            None => Page::Newest,
            Some(row) => Page::Before(row),
        };
        let limit = limit.0.unwrap_or(PAGE).min(MOST_ON_A_PAGE);
        let found = history::find(visitor.app(), visitor.actor(), &filter, page, limit.into()).await?;
        let page = found.past.page;
        let items = page.items.iter().map(DeploymentDto::from).collect();
        Ok(listing.page(&visitor, items, page.older))
    }

    /// Show a deployment: its servers, its steps and what you may do with it
    ///
    /// With `wait` the answer comes when it has ended, waits for a person, or the seconds are over.
    #[oai(path = "/:deployment", method = "get", operation_id = "showDeployment")]
    async fn show(
        &self,
        visitor: Visitor,
        deployment: Path<i64>,
        /// Seconds to wait for its end.
        #[oai(validator(minimum(value = "0"), maximum(value = "60")))]
        wait: Query<Option<u32>>,
    ) -> poem::Result<JsonReply<DeploymentViewDto>> {
        let id = DeploymentId(deployment.0);
        waiting::until_it_rests(&visitor, id, wait.0).await?;
        Ok(JsonReply::new(details::view(&visitor, id).await?))
    }

    /// Read the log of a deployment
    ///
    /// As text, as one JSON object per line (`Accept: application/x-ndjson`), or as a stream of events that follows
    /// it (`Accept: text/event-stream`), which `Last-Event-ID` resumes.
    #[allow(clippy::too_many_arguments, reason = "each is a parameter of the document")]
    #[oai(path = "/:deployment/log", method = "get", operation_id = "readLog")]
    async fn log(
        &self,
        visitor: Visitor,
        request: &Request,
        deployment: Path<i64>,
        /// From the line after this number on.
        #[oai(validator(minimum(value = "0")))]
        after: Query<Option<i64>>,
        /// Only of this server; `here` is the deployer's host.
        server: Query<Option<String>>,
        /// Only with this text, whatever its case.
        text: Query<Option<String>>,
        #[oai(name = "Last-Event-ID")] seen: Header<Option<String>>,
    ) -> poem::Result<Raw> {
        let wanted = LogWanted {
            id: DeploymentId(deployment.0),
            after: after.0,
            server: server.0,
            text: text.0,
            seen: seen.0,
        };
        let accepts = request.headers().get_all("accept").iter();
        let accepts: Vec<&str> = accepts.filter_map(|one| one.to_str().ok()).collect();
        Ok(Raw(log::answer(&visitor, wanted, &accepts.join(", ")).await?))
    }
}
