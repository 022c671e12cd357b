//! Audit events: who did what to what, why it was allowed, how it ended.

use serde::{Deserialize, Serialize};

use super::words::words;
use super::{AuditId, Instant};

words! {
    /// Why the policy files were read again.
    ReadCause {
        Changed = "changed files", "The deployer found the files changed";
        /// The host's operator sent a signal.
        Signal = "SIGHUP", "The deployer was sent SIGHUP on its host";
        /// Somebody pressed the button on the policy's page.
        Button = "button", "Read by the button on the page";
    }
}

words! {
    /// How an audited action ended.
    Outcome {
        /// Policy allowed it and it was done.
        Allowed = "allowed", "Allowed";
        /// Policy, or a rule, refused it.
        Refused = "refused", "Refused";
        /// It was allowed and failed.
        Failed = "failed", "Failed";
    }
}

words! {
    /// The form of an export of the audit log.
    ExportFormat {
        /// For spreadsheets.
        Csv = "csv", "CSV";
        /// For programs: one JSON object per line.
        Jsonl = "jsonl", "JSON Lines";
    }
}

/// An event about to be recorded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewAuditEvent {
    /// When it happened.
    pub at: Instant,
    pub actor: String,
    /// The account that acted in the actor's name, if any.
    pub impersonator: Option<String>,
    /// The IP address it came from, or `cli`.
    pub address: String,
    /// Noun and verb: `deployment.requested`, `login.succeeded`.
    pub action: String,
    /// What it was done to: `webshop/prod`, `server web1`, `everything`.
    pub resource: String,
    /// How it ended.
    pub outcome: Outcome,
    /// The policy line that allowed it, or the sentence that refused it; may be empty.
    pub permit: String,
    /// What else is worth knowing, by name. No secrets.
    pub detail: serde_json::Value,
}

/// A recorded event, chained to the one before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditEvent {
    /// Its row, counted up.
    pub id: AuditId,
    pub event: NewAuditEvent,
    /// The hash of the event before; empty for the first.
    pub prev_hash: String,
    /// SHA-256, in hexadecimal, over the number, `prev_hash` and everything in `event`.
    pub hash: String,
    /// Whether the hash fits what is stored; otherwise somebody changed it in the database.
    pub is_whole: bool,
}
