//! Who may come in: users, their API tokens, browser sessions.

use sea_orm_migration::prelude::*;
use sea_orm_migration::schema::{big_integer, boolean, string_len, text, text_null};

use crate::columns::*;

pub struct Change;

impl MigrationName for Change {
    fn name(&self) -> &str {
        "m20261122_000003_people"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Change {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let users = Table::create()
            .table("users")
            .col(id())
            .col(name("name"))
            .col(name_key())
            .col(string_len("display_name", 255))
            .col(string_len("email", 255))
            .col(text_null("password_hash"))
            .col(boolean("disabled"))
            .col(instant("created_at"))
            .col(instant_null("last_login_at"))
            .to_owned();
        let tokens = Table::create()
            .table("tokens")
            .col(id())
            .col(big_integer("user_id"))
            .col(name("name"))
            .col(string_len("hash", 128))
            .col(text("scopes"))
            .col(instant("created_at"))
            .col(instant_null("expires_at"))
            .col(instant_null("last_used_at"))
            .col(instant_null("revoked_at"))
            .foreign_key(&mut owned_by("tokens", "user_id", "users"))
            .to_owned();
        let sessions = Table::create()
            .table("sessions")
            .col(string_len("id", 64).primary_key())
            .col(text("data"))
            .col(instant("expires_at"))
            .to_owned();
        let indexes = vec![
            unique("users", &["name_key"]),
            unique("tokens", &["hash"]),
            index("tokens", &["user_id"]),
            index("sessions", &["expires_at"]),
        ];
        create(manager, vec![users, tokens, sessions], indexes).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        drop(manager, &["sessions", "tokens", "users"]).await
    }
}
