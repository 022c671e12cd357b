//! Keeps what a deployment stands on: the settings of its environment and the tree that its servers get. So a
//! later start can tell whether a paused deployment may continue as it began.

use sea_orm_migration::prelude::*;
use sea_orm_migration::schema::string_len_null;

const TABLE: &str = "deployments";
/// Digests in hexadecimal digits.
const COLUMNS: [&str; 2] = ["settings_digest", "contents_digest"];
/// Hexadecimal digits of a digest.
const DIGEST: u32 = 64;

pub struct Change;

impl MigrationName for Change {
    fn name(&self) -> &str {
        "m20261128_000030_footing"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Change {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        // SQLite adds one column at a time.
        for column in COLUMNS {
            let add = Table::alter()
                .table(TABLE)
                .add_column(string_len_null(column, DIGEST))
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
