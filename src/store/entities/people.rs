//! Users, their tokens and sessions, audit events, locks.

entity!(users, "users" {
    #[sea_orm(primary_key)]
    id: i64,
    name: String,
    name_key: String,
    display_name: String,
    email: String,
    password_hash: Option<String>,
    disabled: bool,
    created_at: i64,
    last_login_at: Option<i64>,
    password_given_by: Option<String>,
    password_given_at: Option<i64>,
    must_change_password: Option<bool>,
});

entity!(tokens, "tokens" {
    #[sea_orm(primary_key)]
    id: i64,
    user_id: i64,
    name: String,
    hash: String,
    scopes: String,
    created_at: i64,
    expires_at: Option<i64>,
    last_used_at: Option<i64>,
    revoked_at: Option<i64>,
    account: Option<String>,
    hint: Option<String>,
    made_by: Option<String>,
    last_used_from: Option<String>,
});

entity!(identities, "identities" {
    #[sea_orm(primary_key)]
    id: i64,
    user_id: i64,
    provider: String,
    subject: String,
    created_at: i64,
    told_groups: Option<String>,
    groups_at: Option<i64>,
});

entity!(retired_names, "retired_names" {
    #[sea_orm(primary_key)]
    id: i64,
    name_key: String,
});

entity!(second_factors, "second_factors" {
    #[sea_orm(primary_key)]
    id: i64,
    user_id: i64,
    secret: String,
    confirmed_at: Option<i64>,
    last_step: i64,
    recovery: String,
});

entity!(sessions, "sessions" {
    #[sea_orm(primary_key, auto_increment = false)]
    id: String,
    data: String,
    expires_at: i64,
    user_id: Option<i64>,
});

entity!(audit_events, "audit_events" {
    #[sea_orm(primary_key)]
    id: i64,
    happened_at: i64,
    actor: String,
    impersonator: Option<String>,
    address: String,
    action: String,
    resource: String,
    outcome: String,
    permit: String,
    detail: String,
    prev_hash: String,
    hash: String,
    hash_version: Option<i32>,
    deployment_id: Option<i64>,
});

entity!(locks, "locks" {
    #[sea_orm(primary_key)]
    id: i64,
    project_id: Option<i64>,
    environment_id: Option<i64>,
    reason: String,
    author: String,
    created_at: i64,
    ends_at: Option<i64>,
});

entity!(settings, "settings" {
    #[sea_orm(primary_key, auto_increment = false)]
    name: String,
    value: String,
});

entity!(kept_answers, "kept_answers" {
    #[sea_orm(primary_key)]
    id: i64,
    request_key: String,
    request: String,
    status: Option<i32>,
    headers: Option<String>,
    body: Option<String>,
    made_at: i64,
});
