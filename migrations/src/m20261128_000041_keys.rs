//! Keeps the name of the private key that a project or a server wants, and whether a server may use
//! weak algorithms.

use sea_orm_migration::prelude::*;
use sea_orm_migration::schema::{boolean_null, string_len_null};

use crate::columns::*;

/// Nullable, because an older version that runs beside this one does not write them.
fn columns() -> [(&'static str, ColumnDef); 3] {
    [
        ("projects", string_len_null("git_key", LINE)),
        ("servers", string_len_null("ssh_key", LINE)),
        ("servers", boolean_null("legacy")),
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
        for (table, column) in columns() {
            add_columns(manager, table, [column]).await?;
        }
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for (table, column) in columns() {
            drop_columns(manager, table, [column]).await?;
        }
        Ok(())
    }
}
