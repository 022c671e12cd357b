//! What was asked for and what became of it.

entity!(deployments, "deployments" {
    #[sea_orm(primary_key)]
    id: i64,
    project_id: Option<i64>,
    environment_id: Option<i64>,
    project: String,
    environment: String,
    state: String,
    kind: String,
    phase: String,
    priority: i32,
    actor: String,
    actor_groups: Option<String>,
    impersonator: Option<String>,
    branch: String,
    commit_hash: String,
    previous_commit: Option<String>,
    queued_at: i64,
    scheduled_at: Option<i64>,
    started_at: Option<i64>,
    finished_at: Option<i64>,
    cancel_requested_at: Option<i64>,
    cancelled_by: Option<String>,
    worker: Option<String>,
    lease_until_at: Option<i64>,
    fence: i64,
    last_line: i64,
    request_key: Option<String>,
    target: String,
    target_kind: Option<String>,
    target_cluster_id: Option<i64>,
    target_server_id: Option<i64>,
    target_server_ids: Option<String>,
    target_name: Option<String>,
    commit_title: String,
    reason: String,
    permit: Option<String>,
    outcome: String,
    plan: Option<String>,
    origin_id: Option<i64>,
    strategy: Option<String>,
    lock_override: Option<String>,
    approval: Option<String>,
    pause_requested_by: Option<String>,
    pause: Option<String>,
    answer: Option<String>,
    pauses: Option<String>,
    settings_digest: Option<String>,
    contents_digest: Option<String>,
    tree_digest: Option<String>,
    actor_token: Option<String>,
    undoes: Option<bool>,
});

entity!(deployment_servers, "deployment_servers" {
    #[sea_orm(primary_key, auto_increment = false)]
    deployment_id: i64,
    #[sea_orm(primary_key, auto_increment = false)]
    position: i32,
    server_id: Option<i64>,
    server_name: String,
    cluster_name: String,
    state: String,
    previous_commit: Option<String>,
    detail: String,
    batch: Option<i32>,
    service: Option<String>,
    service_before: Option<String>,
    on_server: Option<String>,
    on_server_step: Option<String>,
    cause: Option<String>,
    remains_count: Option<i64>,
    remains: Option<String>,
});

entity!(steps, "steps" {
    #[sea_orm(primary_key)]
    id: i64,
    deployment_id: i64,
    position: i32,
    server_id: Option<i64>,
    server_name: String,
    kind: String,
    state: String,
    started_at: Option<i64>,
    finished_at: Option<i64>,
    exit_code: Option<i32>,
    detail: String,
});

entity!(log_chunks, "log_chunks" {
    #[sea_orm(primary_key)]
    id: i64,
    deployment_id: i64,
    first_line: i64,
    line_count: i32,
    step_id: Option<i64>,
    server_name: String,
    step_kind: String,
    logged_at: i64,
    lines: String,
});

entity!(releases, "releases" {
    #[sea_orm(primary_key)]
    id: i64,
    server_id: Option<i64>,
    environment_id: Option<i64>,
    deployment_id: Option<i64>,
    server_name: String,
    branch: String,
    commit_hash: String,
    path: String,
    released_at: i64,
    current: bool,
    verified_at: Option<i64>,
});

entity!(jobs, "jobs" {
    #[sea_orm(primary_key, auto_increment = false)]
    name: String,
    holder: Option<String>,
    until_at: i64,
    fence: i64,
});

entity!(reservations, "reservations" {
    #[sea_orm(primary_key, auto_increment = false)]
    server_id: i64,
    deployment_id: i64,
});

entity!(leftovers, "leftovers" {
    #[sea_orm(primary_key, auto_increment = false)]
    environment_id: i64,
    #[sea_orm(primary_key, auto_increment = false)]
    server_id: i64,
    paths: Option<String>,
    held: Option<String>,
});

entity!(held_out, "held_out" {
    #[sea_orm(primary_key)]
    id: i64,
    server_id: i64,
    deployment_id: i64,
    endpoint: Option<String>,
    backend: String,
    place: String,
    state: String,
});

entity!(hand_acts, "hand_acts" {
    #[sea_orm(primary_key)]
    id: i64,
    balancer_id: i64,
    backend: String,
    place: String,
    act: String,
    actor: String,
    until_at: i64,
});

entity!(observations, "observations" {
    #[sea_orm(primary_key, auto_increment = false)]
    environment_id: i64,
    #[sea_orm(primary_key, auto_increment = false)]
    server_id: i64,
    observed_at: i64,
    branch: Option<String>,
    commit_hash: Option<String>,
    released_at: Option<i64>,
    path: Option<String>,
    in_progress: bool,
    trouble: String,
});
