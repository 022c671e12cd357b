//! Keeps the hooks of projects, the pushes that came through them, how often repositories are asked for news,
//! and how far automatic deployments have come.

use sea_orm_migration::prelude::*;
use sea_orm_migration::schema::{big_integer, integer, string_len};

use crate::columns::*;

const HOOKS: &str = "hooks";
const PUSHES: &str = "pushes";
const POLLING: &str = "polling";
const PROGRESS: &str = "auto_progress";
const JOB: &str = "pushes";
/// What a sender calls a delivery, in characters.
const DELIVERY: u32 = 255;

pub struct Change;

impl MigrationName for Change {
    fn name(&self) -> &str {
        "m20261129_000200_pushes"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Change {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let hooks = Table::create()
            .table(HOOKS)
            .col(id())
            .col(big_integer("project_id"))
            .col(string_len("token", DIGEST))
            .col(line("secret"))
            .col(instant("created_at"))
            .foreign_key(&mut owned_by(HOOKS, "project_id", "projects"))
            .to_owned();
        let pushes = Table::create()
            .table(PUSHES)
            .col(id())
            .col(big_integer("project_id"))
            .col(instant("received_at"))
            .col(word("sender"))
            .col(string_len("delivery", DELIVERY))
            .col(long_text_null(manager, "branches"))
            .col(word("state"))
            .col(long_text_null(manager, "outcome"))
            .col(long_text_null(manager, "deployments"))
            .foreign_key(&mut owned_by(PUSHES, "project_id", "projects"))
            .to_owned();
        let polling = Table::create()
            .table(POLLING)
            .col(big_integer("project_id").primary_key())
            .col(integer("minutes"))
            .col(instant("next_at"))
            .col(integer("failures"))
            .col(long_text_null(manager, "trouble"))
            .foreign_key(&mut owned_by(POLLING, "project_id", "projects"))
            .to_owned();
        let progress = Table::create()
            .table(PROGRESS)
            .col(big_integer("environment_id").primary_key())
            .col(commit_null("seen"))
            .col(commit_null("pending"))
            .col(instant_null("since_at"))
            .col(long_text_null(manager, "why"))
            .col(instant_null("next_at"))
            .foreign_key(&mut owned_by(PROGRESS, "environment_id", "environments"))
            .to_owned();
        let indexes = vec![
            unique(HOOKS, &["project_id"]),
            unique(HOOKS, &["token"]),
            index(PUSHES, &["project_id"]),
            index(PUSHES, &["state"]),
        ];
        create(manager, vec![hooks, pushes, polling, progress], indexes).await?;
        let row = Query::insert()
            .into_table("jobs")
            .columns(["name", "until_at", "fence"])
            .values_panic([JOB.into(), 0.into(), 0.into()])
            .to_owned();
        manager.execute(row).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let row = Query::delete()
            .from_table("jobs")
            .and_where(Expr::col("name").eq(JOB))
            .to_owned();
        manager.execute(row).await?;
        drop(manager, &[PROGRESS, POLLING, PUSHES, HOOKS]).await
    }
}
