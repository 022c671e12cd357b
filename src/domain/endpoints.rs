//! How a server that a deployment took out stands at each endpoint of its balancer.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::words::words;

words! {
    /// What is known of a place where a deployment took a server out, at one endpoint of its balancer.
    AtEndpoint {
        /// The deployment took it out there, or began to; nobody has looked since it ended.
        TakenOut = "taken_out", "Taken out";
        /// It was seen out of service there after the deployment's end.
        SeenOut = "seen_out", "Seen out of service";
        /// Someone put it back there by hand.
        PutBack = "put_back", "Put back by hand";
    }
}

/// Where a server that a deployment left out of service is in service all the same, as someone put it back
/// there and not at every endpoint.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Split {
    /// Endpoints that have it in service.
    pub inside: Vec<String>,
    /// Endpoints that have it out.
    pub outside: Vec<String>,
}

/// After the server's name or “it”.
impl fmt::Display for Split {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (inside, outside) = (self.inside.join(", "), self.outside.join(", "));
        write!(
            f,
            "is in service at {inside}, where someone put it back, and out of service at {outside}"
        )
    }
}
