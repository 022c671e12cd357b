//! Keeps by which logins from outside an account is known, and the names of deleted accounts, which nobody gets
//! again.

use sea_orm_migration::prelude::*;
use sea_orm_migration::schema::{big_integer, string_len};

use crate::columns::*;

const IDENTITIES: &str = "identities";
const RETIRED: &str = "retired_names";
/// Longest name that a provider has for somebody, and longest address of a provider, in characters.
const SUBJECT: u32 = 255;
/// What events about accounts are about, before the name.
const ABOUT: &str = "user ";

pub struct Change;

impl MigrationName for Change {
    fn name(&self) -> &str {
        "m20261129_000140_identities"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Change {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let identities = Table::create()
            .table(IDENTITIES)
            .col(id())
            .col(big_integer("user_id"))
            .col(string_len("provider", SUBJECT))
            .col(string_len("subject", SUBJECT))
            .col(instant("created_at"))
            .col(long_text_null(manager, "told_groups"))
            .col(instant_null("groups_at"))
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
        create(manager, vec![identities, retired], indexes).await?;
        retire_deleted(manager).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        drop(manager, &[RETIRED, IDENTITIES]).await
    }
}

/// Takes over the names of accounts that were deleted before, as far as the audit log has them.
async fn retire_deleted(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    let db = manager.get_connection();
    let deleted = Query::select()
        .distinct()
        .column("resource")
        .from("audit_events")
        .and_where(Expr::col("action").eq("user.deleted"))
        .to_owned();
    let mut names = std::collections::BTreeSet::new();
    for row in db.query_all(&deleted).await? {
        let resource: String = row.try_get_by_index(0)?;
        if let Some(name) = resource.strip_prefix(ABOUT) {
            names.insert(name.to_ascii_lowercase());
        }
    }
    for name in names.into_iter().filter(|name| name.len() <= NAME as usize) {
        let row = Query::insert()
            .into_table(RETIRED)
            .columns(["name_key"])
            .values_panic([name.into()])
            .to_owned();
        db.execute(&row).await?;
    }
    Ok(())
}
