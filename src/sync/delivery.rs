//! One delivery as a value: which server, what, where, and how far it has come.

use super::Trust;
use super::inspection::Inspection;
use super::layout::{Layout, Stamp};
use super::remote::Limits;
use super::rules::STAGING;
use crate::ssh::Session;

/// How far a delivery is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeliveryProgress {
    /// The tree there is known; the difference is being made.
    Comparing,
    /// It is being sent.
    Sending {
        /// Files and links.
        files: u64,
        /// On the wire.
        bytes: u64,
    },
    /// It is being put in place and checked.
    Placing,
}

/// One delivery: to which server, of what, where.
pub struct Delivery<'a> {
    /// The server.
    pub session: &'a Session,
    /// Where things are there.
    pub layout: &'a Layout,
    /// What is at the target: asked just before.
    pub inspection: &'a Inspection,
    /// What is put there.
    pub stamp: &'a Stamp,
    /// Whether the listing's sizes and times are believed.
    pub trust: Trust,
    /// How long it may take, and what ends it.
    pub limits: &'a Limits,
    /// Called at each new stage.
    pub progress: &'a (dyn Fn(DeliveryProgress) + Send + Sync),
}

/// The name of its staging directory.
pub(super) fn staging(delivery: &Delivery<'_>) -> String {
    format!("{STAGING}{}", delivery.stamp.deployment)
}
