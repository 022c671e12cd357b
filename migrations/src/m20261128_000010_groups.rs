//! Keeps the groups that a requester's login told beside each deployment, so that permission asked
//! for again knows them.

use sea_orm_migration::prelude::*;
use sea_orm_migration::schema::text_null;

use crate::columns::*;

const TABLE: &str = "deployments";
/// A JSON list. Nullable, because an older version that runs beside this one does not write it.
const COLUMN: &str = "actor_groups";

pub struct Change;

impl MigrationName for Change {
    fn name(&self) -> &str {
        "m20261128_000010_groups"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Change {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        add_columns(manager, TABLE, [text_null(COLUMN)]).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        drop_columns(manager, TABLE, [text_null(COLUMN)]).await
    }
}
