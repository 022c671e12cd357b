//! Keeps the second factors of accounts, their secrets sealed.

use sea_orm_migration::prelude::*;
use sea_orm_migration::schema::big_integer;

use crate::columns::*;

const TABLE: &str = "second_factors";

pub struct Change;

impl MigrationName for Change {
    fn name(&self) -> &str {
        "m20261129_000102_second_factors"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Change {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let factors = Table::create()
            .table(TABLE)
            .col(id())
            .col(big_integer("user_id"))
            .col(long_text_null(manager, "secret"))
            .col(instant_null("confirmed_at"))
            .col(big_integer("last_step"))
            .col(long_text_null(manager, "recovery"))
            .foreign_key(&mut owned_by(TABLE, "user_id", "users"))
            .to_owned();
        create(manager, vec![factors], vec![unique(TABLE, &["user_id"])]).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        drop(manager, &[TABLE]).await
    }
}
