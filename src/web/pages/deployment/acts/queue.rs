//! The place of a deployment in the queue, in words.

use crate::app::activity::Turn;
use crate::web::urls;

/// The place of a deployment in the queue.
pub struct QueueView {
    /// A sentence.
    pub place: String,
    /// The deployments that have to finish first: name, address and environment; the latter two are
    /// empty where the visitor may not see it.
    pub behind: Vec<(String, String, String)>,
}

impl QueueView {
    pub fn new(turn: &Turn) -> Self {
        let behind = turn.behind.iter().map(|one| {
            let name = format!("deployment {}", one.id);
            match &one.place {
                Some((project, environment)) => {
                    (name, urls::deployment(one.id), format!("{project}/{environment}"))
                }
                None => (name, String::new(), String::new()),
            }
        });
        Self {
            place: match turn.position {
                1 => "First in the queue.".to_owned(),
                position => format!("Number {position} in the queue."),
            },
            behind: behind.collect(),
        }
    }
}
