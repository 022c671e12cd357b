//! Exports of the audit log: any filter, oldest event first, as CSV for spreadsheets or as JSON Lines for
//! programs.
//!
//! An export begins with the head of the log and the filter, and ends with a count, so that it cannot pass
//! for another one or for a whole one when it is not. JSON Lines hold everything that an event's hash
//! covers: an export without a filter proves itself like an archive.

use chrono::SecondsFormat;
use serde_json::{Value, json};

use super::covered::covered;
use super::keys::AUDIT;
use super::words;
use crate::access::Permit;
use crate::app::{App, csv};
use crate::domain::{
    Actor, AuditEvent, Event, EventKind, ExportFormat, Instant, NewAuditEvent, Result, with_turns_escaped,
};
use crate::store::audit::{self, AuditReading, Head, StoredEvent};
use crate::store::{AuditFilter, Store};

/// What an export is of, as its first lines say it.
#[derive(Debug, Clone)]
pub struct ExportTitle {
    /// Who wanted it.
    pub by: String,
    pub at: Instant,
    /// The head of the log then; `None` where there is no key to sign it.
    pub head: Option<Head>,
    /// The filter in words; empty for the whole log.
    pub filter: String,
}

/// An export under way.
pub struct Export {
    store: Store,
    format: ExportFormat,
    reading: AuditReading,
    title: ExportTitle,
    is_begun: bool,
    /// Nothing later belongs to it.
    last: i64,
    count: u64,
    is_done: bool,
    /// Who may not know every place that events name; `None`: somebody at the host, who may.
    reader: Option<(App, Actor)>,
}

impl Export {
    /// Begins one, and records it.
    ///
    /// # Errors
    /// Of the store.
    pub async fn begin(
        store: &Store,
        permit: &Permit,
        format: ExportFormat,
        (filter, title): (AuditFilter, ExportTitle),
    ) -> Result<Self> {
        let (last, _) = audit::tip(store).await?;
        let detail = json!({
            "format": format.title(), "filter": title.filter,
            "head": title.head.as_ref().map(ToString::to_string),
        });
        let change = store.change(permit, title.at).await?;
        let event = Event::new(EventKind::AuditExported, detail).about(AUDIT);
        change.commit(event).await?;
        Ok(Self {
            store: store.clone(),
            format,
            reading: AuditReading::of(filter),
            title,
            is_begun: false,
            last,
            count: 0,
            is_done: false,
            reader: None,
        })
    }

    /// The same without the names of places that `reader` may not view.
    pub(super) fn for_reader(self, app: App, reader: Actor) -> Self {
        Self {
            reader: Some((app, reader)),
            ..self
        }
    }

    /// The next piece; `None` after the last one.
    ///
    /// # Errors
    /// Of the store; the export is not whole then, and has no last line.
    pub async fn next(&mut self) -> Result<Option<String>> {
        if self.is_done {
            return Ok(None);
        }
        if !self.is_begun {
            self.is_begun = true;
            return Ok(Some(self.head()));
        }
        let mut events = self.reading.next(&self.store).await?;
        events.retain(|event| event.number <= self.last);
        if events.is_empty() {
            self.is_done = true;
            return Ok(Some(self.foot()));
        }
        self.count += events.len() as u64;
        let lines = events.into_iter().map(|event| self.line(event));
        Ok(Some(lines.collect()))
    }

    fn head(&self) -> String {
        let ExportTitle { by, at, head, filter } = &self.title;
        let at = at.to_rfc3339_opts(SecondsFormat::Secs, true);
        let head = head.as_ref().map(ToString::to_string).unwrap_or_default();
        match self.format {
            ExportFormat::Jsonl => {
                let first = json!({
                    "deployer_audit_export": 1, "by": by, "at": at, "head": head, "filter": filter,
                    "proven": PROVEN,
                });
                format!("{}\n", with_turns_escaped(&first.to_string()))
            }
            ExportFormat::Csv => [
                csv::line(&["audit log of the deployer", &format!("exported by {by}"), &at]),
                csv::line(&["head", &head]),
                csv::line(&["filter", filter]),
                csv::line(&COLUMNS),
            ]
            .concat(),
        }
    }

    fn foot(&self) -> String {
        match self.format {
            ExportFormat::Jsonl => format!("{}\n", json!({ "events": self.count, "complete": true })),
            ExportFormat::Csv => csv::line(&["complete", &format!("{} events", self.count)]),
        }
    }

    fn told(&self, event: AuditEvent) -> AuditEvent {
        match &self.reader {
            Some((app, reader)) => covered(app, reader, event),
            None => event,
        }
    }

    fn line(&self, stored: StoredEvent) -> String {
        match self.format {
            ExportFormat::Jsonl => {
                let mut line = stored.to_json();
                let whole = stored.into_event();
                let told = self.told(whole.clone());
                if told.event.detail != whole.event.detail {
                    // The hash covers the names too, so this line does not prove itself.
                    line["detail"] = told.event.detail.clone();
                    line["detail_text"] = Value::Null;
                    line["covered"] = json!(true);
                }
                line["sentence"] = json!(words::sentence(&told.event));
                format!("{}\n", with_turns_escaped(&line.to_string()))
            }
            ExportFormat::Csv => {
                let hash = stored.hash.clone();
                let audited = self.told(stored.into_event());
                let number = audited.id.to_string();
                csv::line(&cells(&number, &audited.event, &hash))
            }
        }
    }
}

/// What lines of JSON say themselves of what their hashes prove.
const PROVEN: &str = "hash proves number, at, actor, impersonator, address, action, resource, outcome, permit, detail and prev_hash of its line; sentence is made from them for reading, and proves nothing; nor does a line with covered";

const COLUMNS: [&str; 13] = [
    "number",
    "time (UTC)",
    "what happened",
    "actor",
    "through",
    "address",
    "action",
    "resource",
    "outcome",
    "reason",
    "changes",
    "detail",
    "hash",
];

fn cells(number: &str, event: &NewAuditEvent, hash: &str) -> [String; 13] {
    let changes = words::details(event)
        .into_iter()
        .filter(|one| !one.before.is_empty());
    let changes: Vec<String> = changes
        .map(|one| format!("{}: {} → {}", one.name, one.before, one.value))
        .collect();
    [
        number.to_owned(),
        event.at.format("%Y-%m-%d %H:%M:%S").to_string(),
        words::sentence(event),
        event.actor.clone(),
        event.impersonator.clone().unwrap_or_default(),
        event.address.clone(),
        event.action.clone(),
        event.resource.clone(),
        event.outcome.as_str().to_owned(),
        event.permit.clone(),
        changes.join("; "),
        event.detail.to_string(),
        hash.to_owned(),
    ]
}

/// A filter in words, for the first line of an export and its event; empty for everything.
pub fn in_words(filter: &AuditFilter, action: &str) -> String {
    let day = |at: &Instant| at.to_rfc3339_opts(SecondsFormat::Secs, true);
    let text = |text: &Option<String>| text.clone().unwrap_or_default();
    let parts = [
        ("who", text(&filter.who)),
        ("action", action.trim().to_owned()),
        ("about", text(&filter.about)),
        ("text", text(&filter.text)),
        (
            "outcome",
            filter
                .outcome
                .map_or(String::new(), |one| one.as_str().to_owned()),
        ),
        ("from", filter.from.as_ref().map(day).unwrap_or_default()),
        ("before", filter.to.as_ref().map(day).unwrap_or_default()),
        (
            "without",
            match filter.hidden.len() {
                0 => String::new(),
                hidden => format!("{hidden} resources that the reader may not view"),
            },
        ),
        (
            "text not looked for in the details of",
            match filter.text {
                Some(_) => filter.covered.join(", "),
                None => String::new(),
            },
        ),
    ];
    let parts = parts.iter().filter(|(_, value)| !value.is_empty());
    let parts: Vec<String> = parts.map(|(name, value)| format!("{name}: {value}")).collect();
    parts.join("; ")
}
