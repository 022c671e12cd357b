//! Keeps by which logins from outside an account is known, and the names of deleted accounts, which nobody else
//! gets from outside.

use sea_orm_migration::prelude::*;
use sea_orm_migration::schema::{big_integer, string_len};

use crate::columns::*;

const IDENTITIES: &str = "identities";
const RETIRED: &str = "retired_names";
/// Longest name of somebody at a login from outside, in characters.
const SUBJECT: u32 = 255;

pub struct Change;

impl MigrationName for Change {
    fn name(&self) -> &str {
        "m20261129_000103_identities"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Change {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let identities = Table::create()
            .table(IDENTITIES)
            .col(id())
            .col(big_integer("user_id"))
            .col(word("provider"))
            .col(string_len("subject", SUBJECT))
            .col(instant("created_at"))
            .foreign_key(&mut owned_by(IDENTITIES, "user_id", "users"))
            .to_owned();
        let retired = Table::create()
            .table(RETIRED)
            .col(id())
            .col(name_key())
            .to_owned();
        let indexes = vec![
            unique(IDENTITIES, &["provider", "subject"]),
            index(IDENTITIES, &["user_id"]),
            unique(RETIRED, &["name_key"]),
        ];
        create(manager, vec![identities, retired], indexes).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        drop(manager, &[RETIRED, IDENTITIES]).await
    }
}
