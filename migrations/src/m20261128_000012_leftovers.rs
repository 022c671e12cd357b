//! What deployments could not delete on servers, so that a page can name it.

use sea_orm_migration::prelude::*;
use sea_orm_migration::schema::big_integer;

use crate::columns::*;

pub struct Change;

impl MigrationName for Change {
    fn name(&self) -> &str {
        "m20261128_000012_leftovers"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Change {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let leftovers = Table::create()
            .table("leftovers")
            .col(big_integer("environment_id"))
            .col(big_integer("server_id"))
            // A JSON list.
            .col(long_text_null(manager, "paths"))
            .primary_key(Index::create().col("environment_id").col("server_id"))
            .foreign_key(&mut owned_by("leftovers", "environment_id", "environments"))
            .foreign_key(&mut owned_by("leftovers", "server_id", "servers"))
            .to_owned();
        create(manager, vec![leftovers], vec![index("leftovers", &["server_id"])]).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        drop(manager, &["leftovers"]).await
    }
}
