//! Rollouts under load and in bad weather: what users of the servers notice, which is nothing.

mod fleet;
mod load;
mod restarted;
mod unnoticed;
mod weather;
