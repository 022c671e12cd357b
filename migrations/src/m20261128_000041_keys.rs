//! Keeps the name of the private key that a project or a server wants, and whether a server may use
//! weak algorithms.

use sea_orm_migration::prelude::*;
use sea_orm_migration::schema::{boolean_null, string_len_null};

use crate::columns::LINE;

/// Nullable, because an older version that runs beside this one does not write them.
fn columns() -> [(&'static str, &'static str, ColumnDef); 3] {
    [
        ("projects", "git_key", string_len_null("git_key", LINE)),
        ("servers", "ssh_key", string_len_null("ssh_key", LINE)),
        ("servers", "legacy", boolean_null("legacy")),
    ]
}

pub struct Change;

impl MigrationName for Change {
    fn name(&self) -> &str {
        "m20261128_000041_keys"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Change {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        // SQLite adds one column at a time.
        for (table, _, column) in columns() {
            let add = Table::alter().table(table).add_column(column).to_owned();
            manager.alter_table(add).await?;
        }
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for (table, name, _) in columns() {
            let drop = Table::alter().table(table).drop_column(name).to_owned();
            manager.alter_table(drop).await?;
        }
        Ok(())
    }
}
