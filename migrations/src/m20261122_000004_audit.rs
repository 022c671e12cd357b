//! What is remembered of every act, what is locked, and the few values that have no table.

use sea_orm_migration::prelude::*;
use sea_orm_migration::schema::{big_integer_null, string_len, string_len_null, text};

use crate::columns::*;

pub struct Change;

impl MigrationName for Change {
    fn name(&self) -> &str {
        "m20261122_000004_audit"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Change {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let indexes = vec![
            unique("audit_events", &["prev_hash"]),
            index("audit_events", &["actor", "id"]),
            index("audit_events", &["action", "id"]),
            index("audit_events", &["resource", "id"]),
            index("audit_events", &["outcome", "id"]),
            index("audit_events", &["happened_at", "id"]),
            index("locks", &["environment_id"]),
            index("locks", &["project_id"]),
        ];
        create(manager, vec![audit_events(), locks(), settings()], indexes).await?;
        // The end of the audit chain, before its first link.
        let tip = Query::insert()
            .into_table("settings")
            .columns(["name", "value"])
            .values_panic(["audit_tip".into(), "0:".into()])
            .to_owned();
        manager.execute(tip).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        drop(manager, &["settings", "locks", "audit_events"]).await
    }
}

fn audit_events() -> TableCreateStatement {
    Table::create()
        .table("audit_events")
        .col(id())
        .col(instant("happened_at"))
        .col(string_len("actor", NAME))
        .col(string_len_null("impersonator", NAME))
        .col(string_len("address", 64))
        .col(string_len("action", NAME))
        .col(string_len("resource", 200))
        .col(word("outcome"))
        .col(text("permit"))
        .col(text("detail"))
        .col(string_len("prev_hash", 64))
        .col(string_len("hash", 64))
        .to_owned()
}

fn locks() -> TableCreateStatement {
    Table::create()
        .table("locks")
        .col(id())
        .col(big_integer_null("project_id"))
        .col(big_integer_null("environment_id"))
        .col(text("reason"))
        .col(string_len("author", NAME))
        .col(instant("created_at"))
        .col(instant_null("ends_at"))
        .foreign_key(&mut owned_by("locks", "project_id", "projects"))
        .foreign_key(&mut owned_by("locks", "environment_id", "environments"))
        .to_owned()
}

fn settings() -> TableCreateStatement {
    Table::create()
        .table("settings")
        .col(string_len("name", NAME).primary_key())
        .col(text("value"))
        .to_owned()
}
