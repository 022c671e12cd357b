//! MariaDB's texts as the other databases have them: all of Unicode, compared byte by byte, of any
//! length. Its defaults take `Feature` and `feature` for one, and end a text at 64 KiB.

use std::collections::BTreeMap;

use sea_orm_migration::prelude::*;
use sea_orm_migration::sea_orm::{DbBackend, Statement};

use crate::columns::{CHARACTER_SET, byte_collation};

pub struct Change;

/// The tables there are at this change; later ones are made right from the start.
const TABLES: [&str; 21] = [
    "audit_events",
    "balancers",
    "cluster_servers",
    "clusters",
    "deployment_servers",
    "deployments",
    "environment_clusters",
    "environments",
    "host_keys",
    "jobs",
    "locks",
    "log_chunks",
    "observations",
    "projects",
    "releases",
    "reservations",
    "sessions",
    "settings",
    "steps",
    "tokens",
    "users",
];

/// The columns whose type ends too early.
const SHORT_TEXTS: &str = "SELECT table_name, column_name, is_nullable FROM information_schema.columns \
    WHERE table_schema = DATABASE() AND data_type IN ('text', 'mediumtext')";

impl MigrationName for Change {
    fn name(&self) -> &str {
        "m20261128_000011_texts"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Change {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let Some(collation) = byte_collation(manager).await? else {
            return Ok(());
        };
        let texts = format!("CHARACTER SET {CHARACTER_SET} COLLATE {collation}");
        let db = manager.get_connection();
        let short = db
            .query_all_raw(Statement::from_string(DbBackend::MySql, SHORT_TEXTS))
            .await?;
        let mut changes: BTreeMap<&str, Vec<String>> = TABLES
            .into_iter()
            .map(|table| (table, vec![format!("CONVERT TO {texts}")]))
            .collect();
        for row in short {
            let (table, column): (String, String) = (row.try_get_by_index(0)?, row.try_get_by_index(1)?);
            let is_nullable: String = row.try_get_by_index(2)?;
            let null = if is_nullable == "YES" { "NULL" } else { "NOT NULL" };
            if let Some(changes) = changes.get_mut(table.as_str()) {
                changes.push(format!("MODIFY `{column}` LONGTEXT {texts} {null}"));
            }
        }
        for (table, changes) in changes {
            let sql = format!("ALTER TABLE `{table}` {}", changes.join(", "));
            db.execute_unprepared(&sql).await?;
        }
        Ok(())
    }

    /// Nothing: every version works with the longer and stricter texts.
    async fn down(&self, _: &SchemaManager) -> Result<(), DbErr> {
        Ok(())
    }
}
