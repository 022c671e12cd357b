//! Who of several instances does what only one of them should do, and until when.

use sea_orm_migration::prelude::*;
use sea_orm_migration::schema::{big_integer, string_len, string_len_null};

use crate::columns::*;

pub struct Change;

/// The jobs there are, and the turn in which deployments are claimed.
const NAMES: [&str; 5] = ["claims", "drift", "keeper", "scheduler", "sessions"];

impl MigrationName for Change {
    fn name(&self) -> &str {
        "m20261128_000008_jobs"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Change {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let jobs = Table::create()
            .table("jobs")
            .col(string_len("name", NAME).primary_key())
            .col(string_len_null("holder", 255))
            .col(instant("until_at"))
            .col(big_integer("fence"))
            .to_owned();
        create(manager, vec![jobs], vec![]).await?;
        let mut rows = Query::insert()
            .into_table("jobs")
            .columns(["name", "until_at", "fence"])
            .to_owned();
        for name in NAMES {
            rows.values_panic([name.into(), 0.into(), 0.into()]);
        }
        manager.execute(rows).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        drop(manager, &["jobs"]).await
    }
}
