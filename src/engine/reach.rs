//! The way to a server: the one place where it is made of the server, its jump hosts, and the keys that
//! are named. Whatever opens a session asks here.

use crate::domain::{Environment, KeyName, Result, Server};
use crate::ssh::Endpoint;
use crate::store::{Reader, ways};

/// The way to `server` for what is deployed to `environment`.
///
/// # Errors
/// When its jump hosts lead nowhere.
pub async fn endpoint(on: &impl Reader, server: &Server, environment: &Environment) -> Result<Endpoint> {
    let key = environment.options.key.as_ref();
    endpoint_as(on, server, &environment.remote_user, key).await
}

/// The way to `server` as `user`, with `key` where the server names none.
///
/// # Errors
/// As [`endpoint`].
pub async fn endpoint_as(
    on: &impl Reader,
    server: &Server,
    user: &str,
    key: Option<&KeyName>,
) -> Result<Endpoint> {
    let way = ways::to(on, server).await?;
    Ok(Endpoint::of(server, user, key, &way))
}
