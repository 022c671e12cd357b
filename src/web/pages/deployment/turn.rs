//! What a deployment that waits for its turn is told about the queue.

use crate::app::activity::Turn;
use crate::web::urls;

/// Where a deployment stands in the queue.
pub struct TurnView {
    /// A sentence.
    pub place: String,
    /// What has to end first: its name, its address and where it is; the latter two are empty for
    /// whoever may not see it.
    pub behind: Vec<(String, String, String)>,
}

impl TurnView {
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
                1 => "It is the first in the queue.".to_owned(),
                position => format!("It is number {position} in the queue."),
            },
            behind: behind.collect(),
        }
    }
}
