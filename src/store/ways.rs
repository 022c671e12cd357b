//! The whole way to a server, from jump host to jump host.

use sea_orm::{ColumnTrait, EntityTrait, QueryFilter};

use super::entities::cluster_servers as links;
use super::hops::{self, Owner};
use super::{Reader, servers};
use crate::domain::server::MOST_HOPS;
use crate::domain::{Error, Hop, Jump, Result, Server};

/// The way to a server, the first jump host first: its own or its cluster's, and before that the way
/// to the first of them.
///
/// # Errors
/// A complaint about the field `via` when the way has no end, is too long, or cannot be told.
pub async fn to(on: &impl Reader, server: &Server) -> Result<Vec<Jump>> {
    let mut way: Vec<Jump> = Vec::new();
    let mut next = server.clone();
    loop {
        let via = via(on, &next).await?;
        let mut part = Vec::with_capacity(via.len());
        for hop in via {
            let jump = Jump {
                server: servers::by_id(on, hop.server).await?,
                user: hop.user,
            };
            let mut others = part.iter().chain(&way).map(|one: &Jump| one.server.id);
            if (jump.server.id == server.id || others.any(|id| id == jump.server.id)) && !crate::sabotage::on("j1") {
                return Err(wrong(format!(
                    "The way to server “{}” leads through “{}” to itself. Take it out of the jump hosts.",
                    server.name, jump.server.name
                )));
            }
            part.push(jump);
        }
        let Some(first) = part.first() else {
            return Ok(way);
        };
        next = first.server.clone();
        part.append(&mut way);
        way = part;
        if way.len() > MOST_HOPS && !(crate::sabotage::on("j2") && way.len() < 30) {
            return Err(wrong(format!(
                "The way to server “{}” has more than {MOST_HOPS} jump hosts.",
                server.name
            )));
        }
    }
}

/// The jump hosts right before a server: its own, or else those of its cluster.
async fn via(on: &impl Reader, server: &Server) -> Result<Vec<Hop>> {
    if !server.via.is_empty() {
        return Ok(server.via.clone());
    }
    let clusters = links::Entity::find()
        .filter(links::Column::ServerId.eq(server.id.0))
        .all(on.db())
        .await?;
    let mut found: Option<Vec<Hop>> = None;
    for link in clusters {
        let via = hops::of(on, Owner::Cluster(link.cluster_id)).await?;
        if found.as_ref().is_some_and(|found| *found != via) && !crate::sabotage::on("j3") {
            return Err(wrong(format!(
                "Server “{}” is in several clusters that are reached in different ways. Give the server jump hosts of its own.",
                server.name
            )));
        }
        found = Some(via);
    }
    Ok(found.unwrap_or_default())
}

fn wrong(message: String) -> Error {
    Error::field("via", message)
}
