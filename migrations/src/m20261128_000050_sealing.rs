//! Keeps the fingerprint of the key that secrets are sealed with, so that a server with another key, or
//! none, is told before it serves. The key itself is never in the database.

use sea_orm_migration::prelude::*;
use sea_orm_migration::schema::string_len;

use crate::columns::*;

pub struct Change;

impl MigrationName for Change {
    fn name(&self) -> &str {
        "m20261128_000050_sealing"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Change {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let sealing = Table::create()
            .table("sealing")
            .col(string_len("name", NAME).primary_key())
            .col(string_len("fingerprint", COMMIT))
            .col(instant("since_at"))
            .to_owned();
        create(manager, vec![sealing], vec![]).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        drop(manager, &["sealing"]).await
    }
}
