//! What is deployed and where to: projects, environments, servers, clusters, balancers.

use sea_orm_migration::prelude::*;
use sea_orm_migration::schema::{
    big_integer, big_integer_null, boolean, integer, string_len, string_len_null, text,
};

use crate::columns::*;

pub struct Change;

impl MigrationName for Change {
    fn name(&self) -> &str {
        "m20261122_000001_inventory"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Change {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let mut tables = places();
        tables.extend(hosts());
        tables.extend(links());
        let indexes = vec![
            unique("projects", &["name_key"]),
            unique("environments", &["project_id", "name_key"]),
            unique("balancers", &["name_key"]),
            unique("servers", &["name_key"]),
            unique("clusters", &["name_key"]),
            index("host_keys", &["server_id", "replaced_at"]),
            index("cluster_servers", &["server_id"]),
            index("environment_clusters", &["cluster_id"]),
        ];
        create(manager, tables, indexes).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let tables = [
            "environment_clusters",
            "cluster_servers",
            "host_keys",
            "clusters",
            "servers",
            "balancers",
            "environments",
            "projects",
        ];
        drop(manager, &tables).await
    }
}

fn places() -> Vec<TableCreateStatement> {
    let projects = Table::create()
        .table("projects")
        .col(id())
        .col(name("name"))
        .col(name_key())
        .col(text("description"))
        .col(text("git_url"))
        .col(word("method"))
        .col(text("notify"))
        .to_owned();
    let environments = Table::create()
        .table("environments")
        .col(id())
        .col(big_integer("project_id"))
        .col(name("name"))
        .col(name_key())
        .col(string_len("branch", BRANCH))
        .col(line("target_path"))
        .col(string_len("remote_user", NAME))
        .col(integer("position"))
        .col(boolean("auto_deploy"))
        .col(boolean("fail_on_failed_tests"))
        .col(text("options"))
        .foreign_key(&mut owned_by("environments", "project_id", "projects"))
        .to_owned();
    vec![projects, environments]
}

fn hosts() -> Vec<TableCreateStatement> {
    let balancers = Table::create()
        .table("balancers")
        .col(id())
        .col(name("name"))
        .col(name_key())
        .col(word("kind"))
        .col(text("endpoints"))
        .col(text("settings"))
        .to_owned();
    let servers = Table::create()
        .table("servers")
        .col(id())
        .col(name("name"))
        .col(name_key())
        .col(string_len("address", 255))
        .col(integer("port"))
        .col(boolean("active"))
        .to_owned();
    let host_keys = Table::create()
        .table("host_keys")
        .col(id())
        .col(big_integer("server_id"))
        .col(text("openssh"))
        .col(string_len("fingerprint", 128))
        .col(instant("pinned_at"))
        .col(string_len("pinned_by", NAME))
        .col(instant_null("replaced_at"))
        .foreign_key(&mut owned_by("host_keys", "server_id", "servers"))
        .to_owned();
    let clusters = Table::create()
        .table("clusters")
        .col(id())
        .col(name("name"))
        .col(name_key())
        .col(big_integer_null("balancer_id"))
        .col(text("backends"))
        .foreign_key(&mut refers_to("clusters", "balancer_id", "balancers"))
        .to_owned();
    vec![balancers, servers, host_keys, clusters]
}

fn links() -> Vec<TableCreateStatement> {
    let cluster_servers = Table::create()
        .table("cluster_servers")
        .col(big_integer("cluster_id"))
        .col(big_integer("server_id"))
        .col(integer("position"))
        .col(string_len_null("balancer_name", 255))
        .primary_key(Index::create().col("cluster_id").col("server_id"))
        .foreign_key(&mut owned_by("cluster_servers", "cluster_id", "clusters"))
        .foreign_key(&mut owned_by("cluster_servers", "server_id", "servers"))
        .to_owned();
    let environment_clusters = Table::create()
        .table("environment_clusters")
        .col(big_integer("environment_id"))
        .col(big_integer("cluster_id"))
        .col(integer("position"))
        .primary_key(Index::create().col("environment_id").col("cluster_id"))
        .foreign_key(&mut owned_by(
            "environment_clusters",
            "environment_id",
            "environments",
        ))
        .foreign_key(&mut owned_by("environment_clusters", "cluster_id", "clusters"))
        .to_owned();
    vec![cluster_servers, environment_clusters]
}
