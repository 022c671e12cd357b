//! Keeps what a project fetches beside its repository: files in Git LFS, and submodules.

use sea_orm_migration::prelude::*;
use sea_orm_migration::schema::boolean_null;

use crate::columns::*;

const TABLE: &str = "projects";
/// Nullable, because an older version that runs beside this one does not write them.
const COLUMNS: [&str; 2] = ["fetch_lfs", "fetch_submodules"];

pub struct Change;

impl MigrationName for Change {
    fn name(&self) -> &str {
        "m20261128_000070_extras"
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
    COLUMNS.map(boolean_null)
}
