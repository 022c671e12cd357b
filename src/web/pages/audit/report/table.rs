//! The report as a table for spreadsheets.

use poem::web::Query;
use poem::{Response, handler};

use super::super::may_view;
use super::{DeploymentLine, lists, period, unknown, wanted};
use crate::app::audit::comparison::Contradiction;
use crate::app::audit::report::report;
use crate::app::{audit, csv, history};
use crate::domain::Result;
use crate::web::format;
use crate::web::forms::FormData;
use crate::web::visitor::Visitor;

impl DeploymentLine {
    fn cells(&self) -> Vec<String> {
        let one = &self.deployment;
        let changed: Vec<String> = self.contradictions.iter().map(Contradiction::sentence).collect();
        vec![
            one.id.to_string(),
            format::full(&one.queued_at),
            format!("{}/{}", one.project, one.environment),
            one.target.to_string(),
            one.kind.as_str().to_owned(),
            self.range.clone(),
            one.commit.to_string(),
            one.commit_title.clone(),
            one.actor.clone(),
            one.impersonator.clone().unwrap_or_default(),
            one.reason.clone(),
            self.approver.clone(),
            self.permit.clone(),
            self.taken
                .as_ref()
                .map(|taken| taken.who.clone())
                .unwrap_or_default(),
            self.taken
                .as_ref()
                .map(|taken| taken.permit.clone())
                .unwrap_or_default(),
            one.lock_override.clone().unwrap_or_default(),
            one.state.as_str().to_owned(),
            self.authors.clone(),
            self.unknown.clone(),
            self.duty.to_owned(),
            changed.join("; "),
        ]
    }
}

const DEPLOYMENT_CELLS: [&str; 21] = [
    "deployment",
    "requested at",
    "environment",
    "target",
    "kind",
    "commits",
    "commit",
    "title",
    "requested by",
    "through",
    "reason",
    "approved by",
    "allowed by",
    "carried on by",
    "carried on as allowed by",
    "lock override",
    "state",
    "authors",
    "authors not known",
    "duties",
    "changed in the database",
];

/// `GET /audit/report.csv`: all tables of the report below each other, each line led by its table's name.
#[handler]
pub async fn as_csv(visitor: Visitor, sent: Query<FormData>) -> Result<Response> {
    let permit = may_view(&visitor).await?;
    let asked = wanted(&sent, visitor.now())?;
    let mut found = report(visitor.app(), &permit, &asked).await?;
    let head = audit::head(visitor.app(), &permit).await?;
    let head = head.map_or_else(|why| why, |head| head.to_string());
    let mut text = csv::line(&["report", "period", &period(&asked)]);
    text += &csv::line(&["report", "by", &visitor.actor().name]);
    text += &csv::line(&["report", "head", &head]);
    let visible = history::viewable(visitor.app(), visitor.actor()).await?;
    match unknown(&visitor, &asked, &visible).await? {
        none if none.is_empty() => {}
        unknown => text += &csv::line(&["report", "note", &unknown]),
    }
    let led = |name: &str, cells: Vec<String>| {
        let cells = [vec![name.to_owned()], cells].concat();
        csv::line(&cells)
    };
    text += &led("deployments", DEPLOYMENT_CELLS.map(str::to_owned).to_vec());
    for reported in std::mem::take(&mut found.deployments.items) {
        text += &led("deployments", DeploymentLine::new(reported).cells());
    }
    if found.deployments.more {
        text += &csv::line(&["deployments", "there are more; choose a shorter period"]);
    }
    for list in lists(&mut found) {
        text += &csv::line(&[list.id, "time", "number", "what happened", "reason"]);
        for row in &list.rows {
            text += &csv::line(&[
                list.id,
                &format::full(&row.at),
                &row.number,
                &row.sentence,
                &row.permit,
            ]);
        }
        if list.more {
            text += &csv::line(&[list.id, "there are more; choose a shorter period"]);
        }
    }
    Ok(Response::builder()
        .content_type("text/csv; charset=utf-8")
        .header("content-disposition", "attachment; filename=\"audit-report.csv\"")
        .body(text))
}
