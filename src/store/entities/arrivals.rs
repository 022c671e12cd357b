//! What Git hosts told, and what makes deployments by itself.

entity!(hooks, "hooks" {
    #[sea_orm(primary_key)]
    id: i64,
    project_id: i64,
    token: String,
    secret: String,
    created_at: i64,
});

entity!(pushes, "pushes" {
    #[sea_orm(primary_key)]
    id: i64,
    project_id: i64,
    received_at: i64,
    sender: String,
    delivery: String,
    branches: Option<String>,
    state: String,
    outcome: Option<String>,
    deployments: Option<String>,
});

entity!(polling, "polling" {
    #[sea_orm(primary_key, auto_increment = false)]
    project_id: i64,
    minutes: i32,
    next_at: i64,
    failures: i32,
    trouble: Option<String>,
});

entity!(auto_progress, "auto_progress" {
    #[sea_orm(primary_key, auto_increment = false)]
    environment_id: i64,
    seen: Option<String>,
    pending: Option<String>,
    since_at: Option<i64>,
    why: Option<String>,
    next_at: Option<i64>,
});
