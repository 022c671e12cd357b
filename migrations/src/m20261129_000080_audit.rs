//! Which form the hash of an audit event has, and which deployment the event is about.

use sea_orm_migration::prelude::*;
use sea_orm_migration::schema::{big_integer_null, integer_null};
use sea_orm_migration::sea_orm::DbBackend;

use crate::columns::*;

const TABLE: &str = "audit_events";

pub struct Change;

impl MigrationName for Change {
    fn name(&self) -> &str {
        "m20261129_000080_audit"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Change {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        add_columns(manager, TABLE, columns()).await?;
        manager
            .create_index(index(TABLE, &["deployment_id", "id"]))
            .await?;
        // The details of older events name their deployment; no hash covers the new column.
        let number = match manager.get_database_backend() {
            DbBackend::Postgres => {
                "CAST(substring(detail from '\"deployment\":([0-9]{1,18})[,}]') AS bigint)"
            }
            DbBackend::MySql => "CASE WHEN JSON_VALID(detail) THEN JSON_VALUE(detail, '$.deployment') END",
            _ => "CASE WHEN json_valid(detail) THEN json_extract(detail, '$.deployment') END",
        };
        let fill = format!(
            "UPDATE {TABLE} SET deployment_id = {number} WHERE action LIKE 'deployment.%' OR action LIKE 'lock.%'"
        );
        manager.get_connection().execute_unprepared(&fill).await?;
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let index = Index::drop()
            .name("idx_audit_events_deployment_id_id")
            .table(TABLE)
            .to_owned();
        manager.drop_index(index).await?;
        drop_columns(manager, TABLE, columns()).await
    }
}

/// Nullable, because an older version that runs beside this one does not write them.
fn columns() -> [ColumnDef; 2] {
    [integer_null("hash_version"), big_integer_null("deployment_id")]
}
