//! Where at which HAProxy a server is out of service because of a deployment.

use sea_orm_migration::prelude::*;
use sea_orm_migration::schema::big_integer;

use crate::columns::*;

const TABLE: &str = "held_out";

pub struct Change;

impl MigrationName for Change {
    fn name(&self) -> &str {
        "m20261129_000090_held_out"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Change {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let held_out = Table::create()
            .table(TABLE)
            .col(id())
            .col(big_integer("server_id"))
            .col(big_integer("deployment_id"))
            // An address may be a path of any length.
            .col(long_text_null(manager, "endpoint"))
            .col(line("backend"))
            .col(line("place"))
            .col(word("state"))
            .foreign_key(&mut owned_by(TABLE, "server_id", "servers"))
            .foreign_key(&mut owned_by(TABLE, "deployment_id", "deployments"))
            .to_owned();
        let indexes = ["server_id", "deployment_id"].map(|column| index(TABLE, &[column]));
        create(manager, vec![held_out], indexes.into()).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        drop(manager, &[TABLE]).await
    }
}
