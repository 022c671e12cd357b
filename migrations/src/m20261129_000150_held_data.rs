//! Keeps what applications wrote in old releases, which is why these are not pruned.

use sea_orm_migration::prelude::*;

use crate::columns::*;

const TABLE: &str = "leftovers";

pub struct Change;

impl MigrationName for Change {
    fn name(&self) -> &str {
        "m20261129_000150_held_data"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Change {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        add_columns(manager, TABLE, [long_text_null(manager, "held")]).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        drop_columns(manager, TABLE, [long_text_null(manager, "held")]).await
    }
}
