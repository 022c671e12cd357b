//! Keeps what a project fetches beside its repository: files in Git LFS, and submodules.

use sea_orm_migration::prelude::*;
use sea_orm_migration::schema::boolean_null;

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
        // SQLite adds one column at a time.
        for column in COLUMNS {
            let add = Table::alter()
                .table(TABLE)
                .add_column(boolean_null(column))
                .to_owned();
            manager.alter_table(add).await?;
        }
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for column in COLUMNS {
            let drop = Table::alter().table(TABLE).drop_column(column).to_owned();
            manager.alter_table(drop).await?;
        }
        Ok(())
    }
}
