//! Every policy that was in force: its files, and which instance used it since when.

use std::collections::{BTreeMap, HashMap};

use sea_orm::ActiveValue::{NotSet, Set};
use sea_orm::sea_query::OnConflict;
use sea_orm::{ActiveModelTrait, ColumnTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect};
use sha2::{Digest as _, Sha256};

use super::columns::{instant, micros};
use super::entities::{policy_files, policy_texts, policy_uses};
use super::{Change, Reader};
use crate::access::PolicyFiles;
use crate::domain::{Instant, Result};

/// A policy that came into force on an instance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PolicyUse {
    /// Of its files.
    pub digest: String,
    /// The start of the deployer that used it.
    pub instance: String,
    /// Until the next use on that instance.
    pub since: Instant,
}

/// Keeps `files`, which are in force on `instance` from now on. Texts that are kept already are kept once.
pub async fn keep(change: &Change, files: &PolicyFiles, instance: &str) -> Result<()> {
    let (policy, connection) = (files.digest(), change.connection());
    for (name, text) in &files.0 {
        let digest = hex::encode(Sha256::digest(text));
        let row = policy_texts::ActiveModel {
            digest: Set(digest.clone()),
            content: Set(Some(text.clone())),
        };
        let known = OnConflict::column(policy_texts::Column::Digest)
            .do_nothing_on([policy_texts::Column::Digest])
            .to_owned();
        policy_texts::Entity::insert(row)
            .on_conflict(known)
            .exec_without_returning(connection)
            .await?;
        let row = policy_files::ActiveModel {
            policy: Set(policy.clone()),
            name: Set(name.clone()),
            text_digest: Set(digest),
        };
        let known = OnConflict::columns([policy_files::Column::Policy, policy_files::Column::Name])
            .do_nothing_on([policy_files::Column::Policy, policy_files::Column::Name])
            .to_owned();
        policy_files::Entity::insert(row)
            .on_conflict(known)
            .exec_without_returning(connection)
            .await?;
    }
    let used = policy_uses::ActiveModel {
        id: NotSet,
        policy: Set(policy),
        instance: Set(instance.to_owned()),
        since_at: Set(micros(change.now())),
    };
    used.insert(connection).await?;
    Ok(())
}

/// The newest uses, newest first.
pub async fn uses(on: &impl Reader, most: u64) -> Result<Vec<PolicyUse>> {
    let rows = policy_uses::Entity::find()
        .order_by_desc(policy_uses::Column::Id)
        .limit(most)
        .all(on.db())
        .await?;
    Ok(rows.into_iter().map(used).collect())
}

/// The uses that began after `from` and before `until`, oldest first, after the one that was in force at `from`
/// where one is known.
pub async fn uses_within(
    on: &impl Reader,
    (from, until): (Instant, Instant),
    most: u64,
) -> Result<Vec<PolicyUse>> {
    let before = policy_uses::Entity::find()
        .filter(policy_uses::Column::SinceAt.lte(micros(from)))
        .order_by_desc(policy_uses::Column::SinceAt)
        .order_by_desc(policy_uses::Column::Id)
        .limit(1)
        .all(on.db())
        .await?;
    let within = policy_uses::Entity::find()
        .filter(policy_uses::Column::SinceAt.gt(micros(from)))
        .filter(policy_uses::Column::SinceAt.lt(micros(until)))
        .order_by_asc(policy_uses::Column::SinceAt)
        .order_by_asc(policy_uses::Column::Id)
        .limit(most)
        .all(on.db())
        .await?;
    Ok(before.into_iter().chain(within).map(used).collect())
}

/// The uses of one policy, oldest first.
pub async fn uses_of(on: &impl Reader, digest: &str, most: u64) -> Result<Vec<PolicyUse>> {
    let rows = policy_uses::Entity::find()
        .filter(policy_uses::Column::Policy.eq(digest))
        .order_by_asc(policy_uses::Column::Id)
        .limit(most)
        .all(on.db())
        .await?;
    Ok(rows.into_iter().map(used).collect())
}

fn used(row: policy_uses::Model) -> PolicyUse {
    PolicyUse {
        digest: row.policy,
        instance: row.instance,
        since: instant(row.since_at),
    }
}

/// The files of the policy with this digest; `None` when it is not kept, or not whole any more.
pub async fn files(on: &impl Reader, digest: &str) -> Result<Option<PolicyFiles>> {
    let named = policy_files::Entity::find()
        .filter(policy_files::Column::Policy.eq(digest))
        .all(on.db())
        .await?;
    let digests: Vec<&str> = named.iter().map(|row| row.text_digest.as_str()).collect();
    let texts = policy_texts::Entity::find()
        .filter(policy_texts::Column::Digest.is_in(digests))
        .all(on.db())
        .await?;
    let texts: HashMap<String, Option<String>> =
        texts.into_iter().map(|row| (row.digest, row.content)).collect();
    let text = |row: policy_files::Model| {
        let text = texts.get(&row.text_digest).cloned().flatten()?;
        Some((row.name, text))
    };
    let files: Option<BTreeMap<String, String>> = named.into_iter().map(text).collect();
    // Whoever changed a text in the database has not changed what was in force.
    Ok(files.map(PolicyFiles).filter(|files| files.digest() == digest))
}
