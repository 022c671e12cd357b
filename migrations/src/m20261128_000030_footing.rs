//! Keeps what a deployment stands on: the settings of its environment and the tree that its servers get. So a
//! later start can tell whether a paused deployment may continue as it began.

use sea_orm_migration::prelude::*;
use sea_orm_migration::schema::string_len_null;

use crate::columns::*;

const TABLE: &str = "deployments";
/// Digests in hexadecimal digits.
const COLUMNS: [&str; 2] = ["settings_digest", "contents_digest"];

pub struct Change;

impl MigrationName for Change {
    fn name(&self) -> &str {
        "m20261128_000030_footing"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Change {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        add_columns(manager, TABLE, columns()).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        drop_columns(manager, TABLE, columns()).await
    }
}

fn columns() -> [ColumnDef; 2] {
    COLUMNS.map(|column| string_len_null(column, DIGEST))
}
