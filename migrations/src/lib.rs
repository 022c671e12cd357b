//! The database's shape, as a list of changes in the order they were made.
//!
//! Each file is one change; a change that has been released is never edited, a new one follows
//! it. The version before goes on working beside the new one, so a change only adds. Nearly
//! everything uses the portable schema builder, so that SQLite, PostgreSQL and MariaDB get the
//! same tables. Instants are whole microseconds since 1970 in UTC (columns
//! named `*_at`), because no two databases agree about timestamps. Names that pages filter by
//! are bounded strings, because MariaDB cannot index unbounded ones.

pub use sea_orm_migration::prelude::*;

mod columns;
mod m20261122_000001_inventory;
mod m20261122_000002_deployments;
mod m20261122_000003_people;
mod m20261122_000004_audit;
mod m20261122_000005_rollouts;
mod m20261126_000006_left_out;
mod m20261128_000007_targets;
mod m20261128_000008_jobs;
mod m20261128_000010_groups;
mod m20261128_000011_texts;
mod m20261128_000012_leftovers;
mod m20261128_000013_passwords;
mod m20261128_000020_standing;
mod m20261128_000021_answers;
mod m20261128_000030_footing;
mod m20261128_000040_hops;
mod m20261128_000041_keys;
mod m20261128_000050_sealing;
mod m20261128_000051_cluster_projects;
mod m20261128_000070_extras;
mod m20261129_000080_audit;
mod m20261129_000090_held_out;
mod m20261129_000100_tokens;
mod m20261129_000101_sessions;
mod m20261129_000102_second_factors;
mod m20261129_000110_policies;
mod m20261129_000130_hand_acts;
mod m20261129_000131_half_changed;
mod m20261129_000140_identities;
mod m20261129_000141_undoing;
mod m20261129_000150_held_data;
mod m20261129_000160_doubts;
mod m20261129_000170_kept_answers;
mod m20261129_000200_pushes;

/// All changes, oldest first.
pub struct Migrator;

#[async_trait::async_trait]
impl MigratorTrait for Migrator {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        vec![
            Box::new(m20261122_000001_inventory::Change),
            Box::new(m20261122_000002_deployments::Change),
            Box::new(m20261122_000003_people::Change),
            Box::new(m20261122_000004_audit::Change),
            Box::new(m20261122_000005_rollouts::Change),
            Box::new(m20261126_000006_left_out::Change),
            Box::new(m20261128_000007_targets::Change),
            Box::new(m20261128_000008_jobs::Change),
            Box::new(m20261128_000010_groups::Change),
            Box::new(m20261128_000011_texts::Change),
            Box::new(m20261128_000012_leftovers::Change),
            Box::new(m20261128_000013_passwords::Change),
            Box::new(m20261128_000020_standing::Change),
            Box::new(m20261128_000021_answers::Change),
            Box::new(m20261128_000030_footing::Change),
            Box::new(m20261128_000040_hops::Change),
            Box::new(m20261128_000041_keys::Change),
            Box::new(m20261128_000050_sealing::Change),
            Box::new(m20261128_000051_cluster_projects::Change),
            Box::new(m20261128_000070_extras::Change),
            Box::new(m20261129_000080_audit::Change),
            Box::new(m20261129_000090_held_out::Change),
            Box::new(m20261129_000100_tokens::Change),
            Box::new(m20261129_000101_sessions::Change),
            Box::new(m20261129_000102_second_factors::Change),
            Box::new(m20261129_000110_policies::Change),
            Box::new(m20261129_000130_hand_acts::Change),
            Box::new(m20261129_000131_half_changed::Change),
            Box::new(m20261129_000140_identities::Change),
            Box::new(m20261129_000141_undoing::Change),
            Box::new(m20261129_000150_held_data::Change),
            Box::new(m20261129_000160_doubts::Change),
            Box::new(m20261129_000170_kept_answers::Change),
            Box::new(m20261129_000200_pushes::Change),
        ]
    }
}
