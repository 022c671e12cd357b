//! `GET /health`: for monitoring, without a login. Answers 200, or 500 with the reasons.

use poem::http::StatusCode;
use poem::web::Json;
use poem::{IntoResponse, Response, handler};
use serde_json::json;

use crate::app::health::{notes, reasons};
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
    let mut answer = json!({ "status": "ok" });
    let notes = notes(visitor.app(), visitor.actor()).await;
    if !notes.is_empty() {
        answer["notes"] = json!(notes);
    }
    if reasons.is_empty() {
        return Json(answer).into_response();
    }
    answer["status"] = json!("degraded");
    answer["reasons"] = json!(reasons);
    let body = Json(answer);
    body.with_status(StatusCode::INTERNAL_SERVER_ERROR)
        .into_response()
}
