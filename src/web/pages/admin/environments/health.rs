//! The part of an environment's form about its health check: its fields and their choices.

use crate::app::admin::environments::health::{HealthForm, NONE};
use crate::web::pages::admin::fields::Fields;

/// The kinds of check, with what a person reads.
pub(super) const KINDS: &[(&str, &str)] = &[
    (NONE, "None"),
    ("http", "A page is fetched (HTTP)"),
    ("tcp", "A port accepts a connection (TCP)"),
    ("command", "A command ends with exit code 0"),
];

/// Who asks, with what a person reads.
pub(super) const ASKERS: &[(&str, &str)] = &[
    ("deployer", "The deployer, over the network"),
    ("server", "The server itself, through the SSH connection"),
];

/// What was sent; a form without these fields keeps the check there is.
pub(super) fn read(fields: &Fields, kept: HealthForm) -> HealthForm {
    if !fields.is_ticked("health_kind") {
        return kept;
    }
    HealthForm {
        kind: fields.text("health_kind"),
        from: fields.text("health_from"),
        port: fields.text("health_port"),
        path: fields.text("health_path"),
        tls: fields.is_ticked("health_tls"),
        any_certificate: fields.is_ticked("health_any_certificate"),
        host: fields.text("health_host"),
        status: fields.text("health_status"),
        text: fields.text("health_text"),
        redirects: fields.is_ticked("health_redirects"),
        command: fields.text("health_command"),
        interval: fields.text("health_interval"),
        attempts: fields.text("health_attempts"),
        successes: fields.text("health_successes"),
        limit: fields.text("health_limit"),
    }
}
