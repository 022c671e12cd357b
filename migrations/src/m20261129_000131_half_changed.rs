//! Finds the few servers whose files deployments left half changed among all that ever were deployed to.

use sea_orm_migration::prelude::*;

use crate::columns::*;

pub struct Change;

impl MigrationName for Change {
    fn name(&self) -> &str {
        "m20261129_000131_half_changed"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Change {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        create(manager, vec![], vec![index("deployment_servers", &["on_server"])]).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let index = Index::drop()
            .name("idx_deployment_servers_on_server")
            .table("deployment_servers")
            .to_owned();
        manager.drop_index(index).await
    }
}
