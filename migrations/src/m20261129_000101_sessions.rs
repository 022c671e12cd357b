//! Keeps whose a session is, so that those of one account are found.

use sea_orm_migration::prelude::*;
use sea_orm_migration::schema::big_integer_null;

use crate::columns::*;

const TABLE: &str = "sessions";
const USER: &str = "user_id";

pub struct Change;

impl MigrationName for Change {
    fn name(&self) -> &str {
        "m20261129_000101_sessions"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Change {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        // Nullable, because an older version that runs beside this one does not write it.
        add_columns(manager, TABLE, [big_integer_null(USER)]).await?;
        manager.create_index(index(TABLE, &[USER])).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let index = Index::drop()
            .name(format!("idx_{TABLE}_{USER}"))
            .table(TABLE)
            .to_owned();
        manager.drop_index(index).await?;
        drop_columns(manager, TABLE, [big_integer_null(USER)]).await
    }
}
