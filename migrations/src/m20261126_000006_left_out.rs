//! Finds the few servers that deployments left out of service among all that ever were deployed to.

use sea_orm_migration::prelude::*;

use crate::columns::*;

pub struct Change;

impl MigrationName for Change {
    fn name(&self) -> &str {
        "m20261126_000006_left_out"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Change {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        create(manager, vec![], vec![index("deployment_servers", &["service"])]).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let index = Index::drop()
            .name("idx_deployment_servers_service")
            .table("deployment_servers")
            .to_owned();
        manager.drop_index(index).await
    }
}
