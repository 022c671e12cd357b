//! Requesting deployments, and what people do with them.
//!
//! [`request()`] is the one way in: a click, a schedule or a promotion all end there, so its rules
//! hold for all of them: a [`DeployRequest`] is permitted, then checked, then stored. `rights` asks
//! policy for what a request needs (its time, a strategy, a lock it overrides, an approval), `proof`
//! says which commits may go where, `target` resolves the chosen servers. `follow_up` makes requests
//! out of earlier deployments (redeploy, retry, resume, roll back, promote), `way_back` says where a rollback
//! leads, `approval` is the second
//! person's part, and `acts` pauses, continues or cancels a deployment that waits or runs.

mod acts;
mod approval;
mod deploy_request;
mod follow_up;
mod proof;
mod request;
mod rights;
mod target;
mod unfinished;
mod way_back;

pub use acts::{answer, cancel, pause, withdraw_pause};
pub use approval::{approve, reject};
pub(super) use approval::{in_vain as approval_in_vain, obstacle as approval_obstacle};
pub use deploy_request::{DeployRequest, Requested};
pub(super) use follow_up::act_obstacle;
pub use follow_up::{Earlier, FollowUpAct, again, next_environments, promote, resume, retry, roll_back};
pub(super) use proof::check_commit;
pub use proof::{promotion_source, proven, was_here};
pub use request::request;
pub use rights::approval_hours;
pub(super) use target::resolve;
pub use unfinished::{Open, Superseded, open_servers, superseded};
pub(super) use way_back::way_back;

pub use super::naming::Choice;
