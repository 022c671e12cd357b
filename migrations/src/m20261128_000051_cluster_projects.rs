//! Which projects may deploy to a cluster. Those that do so already may go on.

use sea_orm_migration::prelude::*;
use sea_orm_migration::schema::big_integer;

use crate::columns::*;

pub struct Change;

const TABLE: &str = "cluster_projects";

impl MigrationName for Change {
    fn name(&self) -> &str {
        "m20261128_000051_cluster_projects"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Change {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let table = Table::create()
            .table(TABLE)
            .col(big_integer("cluster_id"))
            .col(big_integer("project_id"))
            .primary_key(Index::create().col("cluster_id").col("project_id"))
            .foreign_key(&mut owned_by(TABLE, "cluster_id", "clusters"))
            .foreign_key(&mut owned_by(TABLE, "project_id", "projects"))
            .to_owned();
        create(manager, vec![table], vec![index(TABLE, &["project_id"])]).await?;
        let used = Query::select()
            .distinct()
            .column(("environment_clusters", "cluster_id"))
            .column(("environments", "project_id"))
            .from("environment_clusters")
            .inner_join(
                "environments",
                Expr::col(("environments", "id")).equals(("environment_clusters", "environment_id")),
            )
            .to_owned();
        let fill = Query::insert()
            .into_table(TABLE)
            .columns(["cluster_id", "project_id"])
            .select_from(used)
            .map_err(|cause| DbErr::Custom(cause.to_string()))?
            .to_owned();
        manager.execute(fill).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        drop(manager, &[TABLE]).await
    }
}
