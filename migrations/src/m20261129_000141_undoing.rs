//! Tells rollbacks that the engine queued after a failed rollout from those that a person requested.

use sea_orm_migration::prelude::*;
use sea_orm_migration::schema::boolean_null;

use crate::columns::*;

const TABLE: &str = "deployments";
const COLUMN: &str = "undoes";

pub struct Change;

impl MigrationName for Change {
    fn name(&self) -> &str {
        "m20261129_000140_undoing"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Change {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        add_columns(manager, TABLE, [boolean_null(COLUMN)]).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        drop_columns(manager, TABLE, [boolean_null(COLUMN)]).await
    }
}
