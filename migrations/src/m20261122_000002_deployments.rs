//! What was asked for and what became of it: deployments, their servers, steps and log, the
//! releases they left, and who holds which server.

use sea_orm_migration::prelude::*;
use sea_orm_migration::schema::{
    big_integer, big_integer_null, boolean, integer, integer_null, string_len, string_len_null, text,
    text_null,
};

use crate::columns::*;

pub struct Change;

impl MigrationName for Change {
    fn name(&self) -> &str {
        "m20261122_000002_deployments"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Change {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let tables = vec![
            deployments(),
            deployment_servers(),
            steps(),
            log_chunks(),
            releases(),
            reservations(),
        ];
        create(manager, tables, indexes()).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let tables = [
            "reservations",
            "releases",
            "log_chunks",
            "steps",
            "deployment_servers",
            "deployments",
        ];
        drop(manager, &tables).await
    }
}

fn deployments() -> TableCreateStatement {
    Table::create()
        .table("deployments")
        .col(id())
        .col(big_integer_null("project_id"))
        .col(big_integer_null("environment_id"))
        .col(name("project"))
        .col(name("environment"))
        .col(word("state"))
        .col(word("kind"))
        .col(word("phase"))
        .col(integer("priority"))
        .col(string_len("actor", NAME))
        .col(string_len_null("impersonator", NAME))
        .col(string_len("branch", BRANCH))
        .col(commit("commit_hash"))
        .col(commit_null("previous_commit"))
        .col(instant("queued_at"))
        .col(instant_null("scheduled_at"))
        .col(instant_null("started_at"))
        .col(instant_null("finished_at"))
        .col(instant_null("cancel_requested_at"))
        .col(string_len_null("cancelled_by", NAME))
        .col(string_len_null("worker", 255))
        .col(instant_null("lease_until_at"))
        .col(big_integer("fence"))
        .col(big_integer("last_line"))
        .col(string_len_null("request_key", NAME))
        .col(text("target"))
        .col(text("commit_title"))
        .col(text("reason"))
        .col(text_null("permit"))
        .col(text("outcome"))
        .col(text_null("plan"))
        .foreign_key(&mut refers_to("deployments", "project_id", "projects"))
        .foreign_key(&mut refers_to("deployments", "environment_id", "environments"))
        .to_owned()
}

fn deployment_servers() -> TableCreateStatement {
    Table::create()
        .table("deployment_servers")
        .col(big_integer("deployment_id"))
        .col(integer("position"))
        .col(big_integer_null("server_id"))
        .col(name("server_name"))
        .col(name("cluster_name"))
        .col(word("state"))
        .col(commit_null("previous_commit"))
        .col(text("detail"))
        .primary_key(Index::create().col("deployment_id").col("position"))
        .foreign_key(&mut owned_by(
            "deployment_servers",
            "deployment_id",
            "deployments",
        ))
        .foreign_key(&mut refers_to("deployment_servers", "server_id", "servers"))
        .to_owned()
}

fn steps() -> TableCreateStatement {
    Table::create()
        .table("steps")
        .col(id())
        .col(big_integer("deployment_id"))
        .col(integer("position"))
        .col(big_integer_null("server_id"))
        .col(name("server_name"))
        .col(word("kind"))
        .col(word("state"))
        .col(instant_null("started_at"))
        .col(instant_null("finished_at"))
        .col(integer_null("exit_code"))
        .col(text("detail"))
        .foreign_key(&mut owned_by("steps", "deployment_id", "deployments"))
        .foreign_key(&mut refers_to("steps", "server_id", "servers"))
        .to_owned()
}

/// The text stands last: a search by server or step then never reads it.
fn log_chunks() -> TableCreateStatement {
    Table::create()
        .table("log_chunks")
        .col(id())
        .col(big_integer("deployment_id"))
        .col(big_integer("first_line"))
        .col(integer("line_count"))
        .col(big_integer_null("step_id"))
        .col(name("server_name"))
        .col(word("step_kind"))
        .col(instant("logged_at"))
        .col(text("lines"))
        .foreign_key(&mut owned_by("log_chunks", "deployment_id", "deployments"))
        .to_owned()
}

fn releases() -> TableCreateStatement {
    Table::create()
        .table("releases")
        .col(id())
        .col(big_integer_null("server_id"))
        .col(big_integer_null("environment_id"))
        .col(big_integer_null("deployment_id"))
        .col(name("server_name"))
        .col(string_len("branch", BRANCH))
        .col(commit("commit_hash"))
        .col(text("path"))
        .col(instant("released_at"))
        .col(boolean("current"))
        .col(instant_null("verified_at"))
        .foreign_key(&mut refers_to("releases", "server_id", "servers"))
        .foreign_key(&mut refers_to("releases", "environment_id", "environments"))
        .foreign_key(&mut refers_to("releases", "deployment_id", "deployments"))
        .to_owned()
}

/// Who works on a server. The primary key is the whole lock: one server, one holder. A server
/// that is held cannot be deleted.
fn reservations() -> TableCreateStatement {
    Table::create()
        .table("reservations")
        .col(big_integer("server_id").primary_key())
        .col(big_integer("deployment_id"))
        .foreign_key(&mut needs("reservations", "server_id", "servers"))
        .foreign_key(&mut owned_by("reservations", "deployment_id", "deployments"))
        .to_owned()
}

/// One index per way in which the pages ask; each ends with the id, by which pages are cut.
fn indexes() -> Vec<IndexCreateStatement> {
    let deployments = |columns: &[&'static str]| index("deployments", columns);
    vec![
        deployments(&["project", "environment", "state", "id"]),
        deployments(&["project", "environment", "id"]),
        deployments(&["project", "state", "id"]),
        deployments(&["project", "actor", "id"]),
        deployments(&["project", "id"]),
        deployments(&["actor", "id"]),
        deployments(&["kind", "id"]),
        deployments(&["state", "priority", "id"]),
        deployments(&["state", "id"]),
        deployments(&["queued_at", "id"]),
        deployments(&["environment_id", "state", "commit_hash"]),
        deployments(&["environment_id", "state", "id"]),
        deployments(&["environment_id", "id"]),
        deployments(&["environment", "id"]),
        deployments(&["project_id", "id"]),
        unique("deployments", &["request_key"]),
        index("deployment_servers", &["server_id", "deployment_id"]),
        index("steps", &["deployment_id", "position"]),
        index("steps", &["server_id"]),
        unique("log_chunks", &["deployment_id", "first_line"]),
        index("log_chunks", &["deployment_id", "server_name", "first_line"]),
        index("releases", &["current", "environment_id", "server_id"]),
        index("releases", &["server_id", "environment_id", "id"]),
        index("releases", &["environment_id", "server_id", "id"]),
        index("releases", &["deployment_id"]),
        index("reservations", &["deployment_id"]),
    ]
}
