//! How each server of a deployment stands, as words instead of a sentence, and what is left on it.
//!
//! Earlier rows keep their sentence, and so do rows that a version without these columns adds.

use sea_orm_migration::prelude::*;
use sea_orm_migration::schema::{big_integer_null, string_len_null};

use crate::columns::*;

pub struct Change;

impl MigrationName for Change {
    fn name(&self) -> &str {
        "m20261128_000020_standing"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Change {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        add_columns(manager, "deployment_servers", columns(manager)).await?;
        create(
            manager,
            vec![],
            vec![index("deployment_servers", &["remains_count"])],
        )
        .await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let index = Index::drop()
            .name("idx_deployment_servers_remains_count")
            .table("deployment_servers")
            .to_owned();
        manager.drop_index(index).await?;
        drop_columns(manager, "deployment_servers", columns(manager)).await
    }
}

fn columns(manager: &SchemaManager<'_>) -> Vec<ColumnDef> {
    vec![
        string_len_null("service_before", WORD),
        string_len_null("on_server", WORD),
        string_len_null("on_server_step", WORD),
        long_text_null(manager, "cause"),
        // How many things are left; found by its index.
        big_integer_null("remains_count"),
        // Them, as a JSON list.
        long_text_null(manager, "remains"),
    ]
}
