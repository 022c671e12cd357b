//! The pauses that a deployment had and how each was answered, and the digest of the tree that it deploys.

use sea_orm_migration::prelude::*;
use sea_orm_migration::schema::string_len_null;

use crate::columns::*;

pub struct Change;

impl MigrationName for Change {
    fn name(&self) -> &str {
        "m20261128_000021_answers"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Change {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        add_columns(manager, "deployments", columns(manager)).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        drop_columns(manager, "deployments", columns(manager)).await
    }
}

fn columns(manager: &SchemaManager<'_>) -> Vec<ColumnDef> {
    vec![
        // A JSON list.
        long_text_null(manager, "pauses"),
        string_len_null("tree_digest", DIGEST),
    ]
}
