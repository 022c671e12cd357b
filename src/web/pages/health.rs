//! `GET /health`: for monitoring, without a login. Answers 200, or 500 with the reasons.

use poem::http::StatusCode;
use poem::web::Json;
use poem::{IntoResponse, Response, handler};
use serde_json::json;

use crate::app::health::reasons;
use crate::web::visitor::Visitor;

/// `GET /health`
#[handler]
pub async fn show(visitor: Visitor) -> Response {
    let reasons = reasons(visitor.app(), visitor.actor())
        .await
        .unwrap_or_else(|error| {
            tracing::error!(
                error = &error as &dyn std::error::Error,
                "the health could not be read"
            );
            vec!["The database cannot be read.".to_owned()]
        });
    if reasons.is_empty() {
        return Json(json!({ "status": "ok" })).into_response();
    }
    let body = Json(json!({ "status": "degraded", "reasons": reasons }));
    body.with_status(StatusCode::INTERNAL_SERVER_ERROR)
        .into_response()
}
