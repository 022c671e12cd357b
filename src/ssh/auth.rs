//! Logging in on a server, and what it means when that fails.

use russh::client::Handle;

use super::handler::{ConnectionHandler, now};
use super::{Endpoint, Error, Options};
use crate::handshake::login::{Farewell, LoginAttempt, LoginRefusal, log_in as offer_keys};

/// Logs `endpoint.user` in. Where a key is named for it, only that one is offered.
pub(super) async fn log_in(
    handle: &mut Handle<ConnectionHandler>,
    farewell: &Farewell,
    endpoint: &Endpoint,
    options: &Options,
) -> Result<(), Error> {
    let files = options.keys.offered(endpoint.key.as_ref());
    let login = LoginAttempt {
        user: &endpoint.user,
        files: &files,
        agent: options.agent.as_ref().filter(|_| endpoint.key.is_none() || crate::sabotage::on("h26")),
        legacy: endpoint.legacy,
        now: now(),
    };
    let refused = |refusal| explain(refusal, endpoint);
    offer_keys(handle, login, farewell).await.map_err(refused)
}

fn explain(refusal: LoginRefusal, endpoint: &Endpoint) -> Error {
    let (server, user) = (endpoint.name.clone(), endpoint.user.clone());
    match refusal {
        LoginRefusal::NoKey { reason } => Error::NoKey { reason },
        LoginRefusal::BadKey(problem) => Error::BadKey(problem),
        LoginRefusal::MoreDemanded {
            accepted,
            methods,
            advice,
        } => Error::MoreDemanded {
            server,
            user,
            accepted,
            methods,
            advice,
        },
        LoginRefusal::Refused { tried, advice } => Error::KeyRefused {
            server,
            user,
            tried,
            advice,
        },
    }
}
