//! What the audit log's page shows, as a file: all of it, read from the store as it is sent.

use bytes::Bytes;
use poem::web::Query;
use poem::{Body, Response, handler};

use super::may_view;
use crate::app::audit;
use crate::domain::{ExportFormat, Result};
use crate::web::forms::FormData;
use crate::web::pages::filter;
use crate::web::visitor::Visitor;

/// `GET /audit.csv`
#[handler]
pub async fn as_csv(visitor: Visitor, sent: Query<FormData>) -> Result<Response> {
    export(&visitor, &sent, ExportFormat::Csv, "text/csv; charset=utf-8").await
}

/// `GET /audit.jsonl`
#[handler]
pub async fn as_jsonl(visitor: Visitor, sent: Query<FormData>) -> Result<Response> {
    export(
        &visitor,
        &sent,
        ExportFormat::Jsonl,
        "application/jsonl; charset=utf-8",
    )
    .await
}

async fn export(
    visitor: &Visitor,
    sent: &FormData,
    format: ExportFormat,
    content_type: &str,
) -> Result<Response> {
    let permit = may_view(visitor).await?;
    let wanted = (filter::read_audit(sent)?, sent.text("action"));
    let export = audit::export(visitor.app(), &permit, format, wanted).await?;
    let name = format!("audit-{}.{format}", visitor.now().format("%Y%m%d-%H%M%S"));
    let pieces = futures_util::stream::unfold(Some(export), |export| async move {
        let mut export = export?;
        match export.next().await {
            Ok(piece) => piece.map(|piece| (Ok(Bytes::from(piece)), Some(export))),
            // The file ends without its last line.
            Err(error) => Some((Err(std::io::Error::other(error)), None)),
        }
    });
    Ok(Response::builder()
        .content_type(content_type)
        .header("content-disposition", format!("attachment; filename=\"{name}\""))
        .body(Body::from_bytes_stream(pieces)))
}
