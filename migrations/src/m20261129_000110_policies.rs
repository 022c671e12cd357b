//! Keeps every policy that was in force: its files, each text once, and who used it since when.

use sea_orm_migration::prelude::*;
use sea_orm_migration::schema::{big_integer, string_len};

use crate::columns::*;

pub struct Change;

/// Longest name of a file.
const FILE_NAME: u32 = 255;

impl MigrationName for Change {
    fn name(&self) -> &str {
        "m20261129_000110_policies"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Change {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let texts = Table::create()
            .table("policy_texts")
            .col(string_len("digest", DIGEST).primary_key())
            .col(long_text_null(manager, "content"))
            .to_owned();
        let files = Table::create()
            .table("policy_files")
            .col(string_len("policy", DIGEST))
            .col(string_len("name", FILE_NAME))
            .col(string_len("text_digest", DIGEST))
            .primary_key(Index::create().col("policy").col("name"))
            .to_owned();
        let uses = Table::create()
            .table("policy_uses")
            .col(id())
            .col(string_len("policy", DIGEST))
            .col(string_len("instance", NAME * 2))
            .col(big_integer("since_at"))
            .to_owned();
        create(
            manager,
            vec![texts, files, uses],
            vec![index("policy_uses", &["policy"])],
        )
        .await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        drop(manager, &["policy_uses", "policy_files", "policy_texts"]).await
    }
}
