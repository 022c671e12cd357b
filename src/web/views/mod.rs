//! What more than one page shows, or a page and a live stream: structs that templates draw, made
//! from what `app` answers. Nothing here knows who looks.

pub mod day_bar;
pub mod finding;
pub mod first_steps;
pub mod lanes;
pub mod lines;
pub mod pause;
pub mod queue;
pub mod row;
pub mod state;
pub mod step;
pub mod tile;
pub mod words;
