//! Rollouts in batches: what a deployment waits for and goes on from, where each server stands,
//! and what servers said when they were asked what they run.

use sea_orm_migration::prelude::*;
use sea_orm_migration::schema::{
    big_integer, big_integer_null, boolean, integer_null, string_len_null, text, text_null,
};

use crate::columns::*;

pub struct Change;

impl MigrationName for Change {
    fn name(&self) -> &str {
        "m20261122_000005_rollouts"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Change {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for (table, column) in columns() {
            add_columns(manager, table, [column]).await?;
        }
        let indexes = vec![
            index("deployments", &["origin_id"]),
            index("deployments", &["state", "scheduled_at"]),
            index("observations", &["server_id"]),
        ];
        create(manager, vec![observations()], indexes).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        drop(manager, &["observations"]).await?;
        for name in ["idx_deployments_origin_id", "idx_deployments_state_scheduled_at"] {
            let index = Index::drop().name(name).table("deployments").to_owned();
            manager.drop_index(index).await?;
        }
        for (table, column) in columns() {
            drop_columns(manager, table, [column]).await?;
        }
        Ok(())
    }
}

fn columns() -> Vec<(&'static str, ColumnDef)> {
    vec![
        ("deployments", big_integer_null("origin_id")),
        ("deployments", text_null("strategy")),
        ("deployments", text_null("lock_override")),
        ("deployments", text_null("approval")),
        ("deployments", string_len_null("pause_requested_by", NAME)),
        ("deployments", text_null("pause")),
        ("deployments", text_null("answer")),
        ("deployment_servers", integer_null("batch")),
        ("deployment_servers", string_len_null("service", WORD)),
    ]
}

/// The last word of each server about each environment on it.
fn observations() -> TableCreateStatement {
    Table::create()
        .table("observations")
        .col(big_integer("environment_id"))
        .col(big_integer("server_id"))
        .col(instant("observed_at"))
        .col(string_len_null("branch", BRANCH))
        .col(commit_null("commit_hash"))
        .col(instant_null("released_at"))
        .col(text_null("path"))
        .col(boolean("in_progress"))
        .col(text("trouble"))
        .primary_key(Index::create().col("environment_id").col("server_id"))
        .foreign_key(&mut owned_by("observations", "environment_id", "environments"))
        .foreign_key(&mut owned_by("observations", "server_id", "servers"))
        .to_owned()
}
