//! What single steps do. Each takes the running deployment and writes into the step's log. What
//! follows from its result is decided in `phases` and `rollout`.

pub(super) mod check;
pub(super) mod checkout;
pub(super) mod health;
pub(super) mod in_use;
mod interpreter;
pub(super) mod manifests;
mod neighbours;
mod one_place;
pub(super) mod remote_script;
pub(super) mod reuse;
mod room;
pub(super) mod script;
pub(super) mod transfer;
pub(super) mod visit;
