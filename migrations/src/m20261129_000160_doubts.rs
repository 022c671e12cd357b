//! The job of looking again at servers of which nobody knows what they run.

use sea_orm_migration::prelude::*;

pub struct Change;

const JOB: &str = "doubts";

impl MigrationName for Change {
    fn name(&self) -> &str {
        "m20261129_000160_doubts"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Change {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
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
        manager.execute(row).await
    }
}
