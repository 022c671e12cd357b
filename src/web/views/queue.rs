//! The place of a deployment in the queue, in words.

use crate::app::activity::{Obstacle, Turn};
use crate::web::urls;

/// The place of a deployment in the queue.
pub struct QueueView {
    /// A sentence.
    pub place: String,
    /// The deployments that have to finish first.
    pub behind: Vec<ObstacleView>,
}

/// A deployment that another one waits for.
pub struct ObstacleView {
    pub id: i64,
    /// Project and environment; empty where the visitor may not see them.
    pub place: String,
    /// Empty where the visitor may not see it.
    pub url: String,
}

impl QueueView {
    pub fn new(turn: &Turn) -> Self {
        Self {
            place: match turn.position {
                1 => "First in the queue.".to_owned(),
                position => format!("Number {position} in the queue."),
            },
            behind: turn.behind.iter().map(ObstacleView::new).collect(),
        }
    }
}

impl ObstacleView {
    pub fn new(obstacle: &Obstacle) -> Self {
        let (place, url) = match &obstacle.place {
            Some((project, environment)) => {
                (format!("{project}/{environment}"), urls::deployment(obstacle.id))
            }
            None => (String::new(), String::new()),
        };
        Self {
            id: obstacle.id.0,
            place,
            url,
        }
    }
}
