//! Servers and their jump hosts in the audit log and in forms.

use serde_json::{Value, json};

use crate::domain::{Event, EventKind, Hop, Name, Server};

/// What the audit log calls a server.
pub(super) fn resource(name: &Name) -> String {
    format!("server {name}")
}

/// Everything about `server` but its host key; its jump hosts are among `all`.
pub(super) fn told(all: &[Server], server: &Server) -> Value {
    json!({
        "name": server.name,
        "address": server.address,
        "port": server.port,
        "active": server.active,
        "key": server.key,
        "legacy_algorithms": server.legacy,
        "jump_hosts": via_lines(all, &server.via),
    })
}

/// That `server` was added, whose jump hosts are among `all`.
pub(super) fn added(all: &[Server], server: &Server) -> Event {
    Event::new(EventKind::ServerAdded, told(all, server)).about(resource(&server.name))
}

/// Jump hosts as they are written, each with the name of its server.
pub fn via_lines(all: &[Server], via: &[Hop]) -> Vec<String> {
    let line = |hop: &Hop| {
        let server = all.iter().find(|server| server.id == hop.server);
        let name = server.map_or_else(|| hop.server.to_string(), |server| server.name.to_string());
        format!("{}@{name}", hop.user)
    };
    via.iter().map(line).collect()
}
