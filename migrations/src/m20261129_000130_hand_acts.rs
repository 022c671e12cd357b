//! Acts of people at balancers that have begun, and of which nobody knows yet whether they were done.

use sea_orm_migration::prelude::*;
use sea_orm_migration::schema::big_integer;

use crate::columns::*;

const TABLE: &str = "hand_acts";

pub struct Change;

impl MigrationName for Change {
    fn name(&self) -> &str {
        "m20261129_000130_hand_acts"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Change {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let hand_acts = Table::create()
            .table(TABLE)
            .col(id())
            .col(big_integer("balancer_id"))
            .col(line("backend"))
            .col(line("place"))
            .col(word("act"))
            .col(name("actor"))
            .col(instant("until_at"))
            .foreign_key(&mut owned_by(TABLE, "balancer_id", "balancers"))
            .to_owned();
        create(manager, vec![hand_acts], vec![index(TABLE, &["balancer_id"])]).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        drop(manager, &[TABLE]).await
    }
}
