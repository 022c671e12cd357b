//! Answers to requests that carry a key of their sender, for the same request sent again.

use sea_orm_migration::prelude::*;
use sea_orm_migration::schema::integer_null;

use crate::columns::*;

const TABLE: &str = "kept_answers";

pub struct Change;

impl MigrationName for Change {
    fn name(&self) -> &str {
        "m20261129_000170_kept_answers"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Change {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let answers = Table::create()
            .table(TABLE)
            .col(id())
            .col(name("request_key"))
            .col(name("request"))
            .col(integer_null("status"))
            .col(long_text_null(manager, "headers"))
            .col(long_text_null(manager, "body"))
            .col(instant("made_at"))
            .to_owned();
        let indexes = vec![unique(TABLE, &["request_key"]), index(TABLE, &["made_at"])];
        create(manager, vec![answers], indexes).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        drop(manager, &[TABLE]).await
    }
}
