//! The jump hosts through which servers are reached.

use sea_orm_migration::prelude::*;
use sea_orm_migration::schema::{big_integer, big_integer_null, integer};

use crate::columns::*;

pub struct Change;

impl MigrationName for Change {
    fn name(&self) -> &str {
        "m20261128_000040_hops"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Change {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let hops = Table::create()
            .table("hops")
            .col(id())
            // Whose way this is a part of: a server's or a cluster's.
            .col(big_integer_null("server_id"))
            .col(big_integer_null("cluster_id"))
            .col(integer("position"))
            .col(big_integer("hop_id"))
            .col(name("login"))
            .foreign_key(&mut owned_by("hops", "server_id", "servers"))
            .foreign_key(&mut owned_by("hops", "cluster_id", "clusters"))
            .foreign_key(&mut needs("hops", "hop_id", "servers"))
            .to_owned();
        let indexes = ["server_id", "cluster_id", "hop_id"].map(|column| index("hops", &[column]));
        create(manager, vec![hops], indexes.to_vec()).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        drop(manager, &["hops"]).await
    }
}
