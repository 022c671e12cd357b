//! What is deployed and where to.

entity!(projects, "projects" {
    #[sea_orm(primary_key)]
    id: i64,
    name: String,
    name_key: String,
    description: String,
    git_url: String,
    method: String,
    notify: String,
    fetch_lfs: Option<bool>,
    fetch_submodules: Option<bool>,
    git_key: Option<String>,
});

entity!(environments, "environments" {
    #[sea_orm(primary_key)]
    id: i64,
    project_id: i64,
    name: String,
    name_key: String,
    branch: String,
    target_path: String,
    remote_user: String,
    position: i32,
    auto_deploy: bool,
    fail_on_failed_tests: bool,
    options: String,
});

entity!(environment_clusters, "environment_clusters" {
    #[sea_orm(primary_key, auto_increment = false)]
    environment_id: i64,
    #[sea_orm(primary_key, auto_increment = false)]
    cluster_id: i64,
    position: i32,
});

entity!(balancers, "balancers" {
    #[sea_orm(primary_key)]
    id: i64,
    name: String,
    name_key: String,
    kind: String,
    endpoints: String,
    settings: String,
});

entity!(servers, "servers" {
    #[sea_orm(primary_key)]
    id: i64,
    name: String,
    name_key: String,
    address: String,
    port: i32,
    active: bool,
    ssh_key: Option<String>,
    legacy: Option<bool>,
});

entity!(hops, "hops" {
    #[sea_orm(primary_key)]
    id: i64,
    server_id: Option<i64>,
    cluster_id: Option<i64>,
    position: i32,
    hop_id: i64,
    login: String,
});

entity!(host_keys, "host_keys" {
    #[sea_orm(primary_key)]
    id: i64,
    server_id: i64,
    openssh: String,
    fingerprint: String,
    pinned_at: i64,
    pinned_by: String,
    replaced_at: Option<i64>,
});

entity!(clusters, "clusters" {
    #[sea_orm(primary_key)]
    id: i64,
    name: String,
    name_key: String,
    balancer_id: Option<i64>,
    backends: String,
});

entity!(cluster_servers, "cluster_servers" {
    #[sea_orm(primary_key, auto_increment = false)]
    cluster_id: i64,
    #[sea_orm(primary_key, auto_increment = false)]
    server_id: i64,
    position: i32,
    balancer_name: Option<String>,
});

entity!(cluster_projects, "cluster_projects" {
    #[sea_orm(primary_key, auto_increment = false)]
    cluster_id: i64,
    #[sea_orm(primary_key, auto_increment = false)]
    project_id: i64,
});

entity!(sealing, "sealing" {
    #[sea_orm(primary_key, auto_increment = false)]
    name: String,
    fingerprint: String,
    since_at: i64,
});

entity!(policy_texts, "policy_texts" {
    #[sea_orm(primary_key, auto_increment = false)]
    digest: String,
    content: Option<String>,
});

entity!(policy_files, "policy_files" {
    #[sea_orm(primary_key, auto_increment = false)]
    policy: String,
    #[sea_orm(primary_key, auto_increment = false)]
    name: String,
    text_digest: String,
});

entity!(policy_uses, "policy_uses" {
    #[sea_orm(primary_key)]
    id: i64,
    policy: String,
    instance: String,
    since_at: i64,
});
