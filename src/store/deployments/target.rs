//! Writes and compares the targets of deployments, by row ids. Names are copies for reading, so
//! renaming a server does not change what ran on it.

use sea_orm::ActiveValue::Set;
use sea_orm::sea_query::ExprTrait;
use sea_orm::{ColumnTrait, Condition};

use super::super::columns::{from_json, to_json};
use super::super::entities::deployments::{ActiveModel, Column, Model};
use super::super::error::unreadable;
use crate::domain::{ClusterId, Result, ServerId, Target};

/// A target in columns.
#[derive(Default)]
struct Columns {
    kind: &'static str,
    cluster: Option<i64>,
    server: Option<i64>,
    servers: Option<String>,
    name: Option<String>,
}

impl Columns {
    fn of(target: &Target) -> Self {
        match target {
            Target::Environment => Self {
                kind: "environment",
                ..Self::default()
            },
            Target::Cluster { id, name } => Self {
                kind: "cluster",
                cluster: Some(id.0),
                name: Some(name.clone()),
                ..Self::default()
            },
            Target::Server { id, name } => Self {
                kind: "server",
                server: Some(id.0),
                name: Some(name.clone()),
                ..Self::default()
            },
            Target::Servers { ids, names } => {
                let mut servers: Vec<(i64, &str)> = ids
                    .iter()
                    .map(|id| id.0)
                    .zip(names.iter().map(String::as_str))
                    .collect();
                // The same servers are the same target in whatever order they were chosen.
                servers.sort_unstable();
                let ids: Vec<String> = servers.iter().map(|(id, _)| id.to_string()).collect();
                let names: Vec<&str> = servers.iter().map(|(_, name)| *name).collect();
                Self {
                    kind: "servers",
                    servers: Some(ids.join(" ")),
                    name: Some(names.join(" ")),
                    ..Self::default()
                }
            }
        }
    }
}

/// `row` with its target. Earlier versions read the JSON column.
pub(super) fn write(row: ActiveModel, target: &Target) -> Result<ActiveModel> {
    let columns = Columns::of(target);
    Ok(ActiveModel {
        target: Set(to_json(target)?),
        target_kind: Set(Some(columns.kind.to_owned())),
        target_cluster_id: Set(columns.cluster),
        target_server_id: Set(columns.server),
        target_server_ids: Set(columns.servers),
        target_name: Set(columns.name),
        ..row
    })
}

/// The target of a row.
pub(super) fn read(row: &Model) -> Result<Target> {
    let name = || row.target_name.clone().unwrap_or_default();
    let missing = || unreadable("a target", format!("{:?}", row.target_kind));
    match row.target_kind.as_deref() {
        // Written by an earlier version.
        None => from_json("a target", &row.target),
        Some("environment") => Ok(Target::Environment),
        Some("cluster") => Ok(Target::Cluster {
            id: ClusterId(row.target_cluster_id.ok_or_else(missing)?),
            name: name(),
        }),
        Some("server") => Ok(Target::Server {
            id: ServerId(row.target_server_id.ok_or_else(missing)?),
            name: name(),
        }),
        Some("servers") => {
            let ids = row.target_server_ids.as_deref().ok_or_else(missing)?;
            let id = |text: &str| {
                text.parse()
                    .map(ServerId)
                    .map_err(|_| unreadable("a server", text))
            };
            Ok(Target::Servers {
                ids: ids.split(' ').map(id).collect::<Result<_>>()?,
                names: name().split(' ').map(str::to_owned).collect(),
            })
        }
        Some(other) => Err(unreadable("a kind of target", other)),
    }
}

/// The rows that have one of `targets`.
pub(super) fn one_of(targets: &[Target]) -> Result<Condition> {
    let mut any = Condition::any();
    for target in targets {
        let columns = Columns::of(target);
        let kind = Column::TargetKind.eq(columns.kind);
        any = any.add(match (columns.cluster, columns.server, columns.servers) {
            (Some(id), _, _) => kind.and(Column::TargetClusterId.eq(id)),
            (_, Some(id), _) => kind.and(Column::TargetServerId.eq(id)),
            (_, _, Some(ids)) => kind.and(Column::TargetServerIds.eq(ids)),
            (None, None, None) => kind,
        });
        // Written by an earlier version, which compares names as well.
        let before = Column::Target.eq(to_json(target)?);
        any = any.add(Column::TargetKind.is_null().and(before));
    }
    Ok(any)
}
