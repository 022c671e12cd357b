//! The plan of a rollout, as it is shown to people and stored with the deployment.

use std::collections::HashSet;
use std::fmt;

use serde::{Deserialize, Serialize};

use super::Strategy;
use crate::domain::standing::ServiceBefore;
use crate::domain::{BalancerId, ServerId};

/// A server's place in a backend of a balancer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Slot {
    pub balancer: BalancerId,
    pub balancer_name: String,
    /// The balancer's backend.
    pub backend: String,
    /// The server's name at the balancer.
    pub server: String,
}

impl Slot {
    /// Groups places by balancer, in the order in which the balancers first appear.
    pub fn by_balancer(slots: &[Self]) -> Vec<(BalancerId, Vec<&Self>)> {
        let mut all: Vec<(BalancerId, Vec<&Self>)> = Vec::new();
        for slot in slots {
            match all.iter_mut().find(|(id, _)| *id == slot.balancer) {
                Some((_, here)) => here.push(slot),
                None => all.push((slot.balancer, vec![slot])),
            }
        }
        all
    }
}

/// For use in sentences, which already name the server.
impl fmt::Display for Slot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of balancer {}", self.backend, self.balancer_name)
    }
}

/// A server's place at one endpoint of a balancer. It names what is at that HAProxy, whichever row of ours
/// has the endpoint.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EndpointPlace {
    /// The address of the HAProxy, as the balancer's row has it.
    pub endpoint: String,
    pub backend: String,
    /// What HAProxy calls the server.
    pub server: String,
}

/// When servers go back into service.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Restore {
    /// Each as soon as it is done.
    Each,
    /// All of a batch when the last of them is done.
    Together,
}

/// What a batch waits for before it begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Hold {
    /// A person continues.
    Person,
    /// Some seconds pass, or a person continues earlier.
    Seconds { seconds: u64 },
}

/// Servers that are worked on together.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Batch {
    /// Its title on a page: the cluster's name, `Canary` …
    pub title: String,
    /// Its servers, in order.
    pub servers: Vec<Planned>,
    /// What has to happen before it begins.
    pub hold: Option<Hold>,
    /// Servers of later batches, still with the old release, that go out of service before it begins.
    pub take_out: Vec<ServerId>,
}

/// A server in a batch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Planned {
    pub server: ServerId,
    pub name: String,
    /// Where it is reached, with its jump hosts; empty in plans of earlier versions.
    #[serde(default)]
    pub address: String,
    /// The cluster it is deployed through.
    pub cluster: String,
    /// Places where it is taken out and put back.
    pub slots: Vec<Slot>,
    /// Places where somebody took it out by hand: it stays out there.
    pub by_hand: Vec<Slot>,
    /// Whether an earlier deployment left it out of service, as its release may be incomplete. It
    /// goes back in only with the new release.
    #[serde(default)]
    pub left_out: bool,
}

impl Planned {
    /// How it stands at its balancers.
    pub fn service_before(&self) -> ServiceBefore {
        match (self.slots.is_empty(), self.by_hand.is_empty()) {
            (true, true) => ServiceBefore::Unbalanced,
            (true, false) => ServiceBefore::ByHand,
            _ if self.left_out => ServiceBefore::LeftOut,
            (false, false) => ServiceBefore::PartlyByHand,
            (false, true) => ServiceBefore::Serving,
        }
    }
}

/// A server that is left alone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeftAlone {
    pub name: String,
    pub cluster: String,
    /// Why, as a sentence.
    pub why: String,
}

/// A backend of a balancer, with the servers in service there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BackendPool {
    pub balancer: BalancerId,
    pub balancer_name: String,
    pub backend: String,
    /// Servers in service when the plan was made.
    pub serving: Vec<ServerId>,
    /// Servers that are out or down, and go into service with the release.
    #[serde(default)]
    pub returning: Vec<ServerId>,
    /// How many other servers, which are not of this environment, were in service when the plan was made.
    #[serde(default)]
    pub beside: usize,
    /// How many servers the backend has: of this environment, in service or not, and of others in service.
    #[serde(default)]
    pub size: usize,
    /// At least so many stay in service at every moment.
    pub keep: usize,
}

impl BackendPool {
    /// Whether so many stay in service when `going` leave, out of those that are `up` now and the `beside` others.
    /// Servers that are not up take nobody out of service, so they may always go.
    pub fn allows(&self, up: &HashSet<ServerId>, beside: usize, going: &HashSet<ServerId>) -> bool {
        up.is_disjoint(going) || up.difference(going).count() + beside >= self.keep
    }

    /// The servers of the backend that the rollout counts.
    pub fn members(&self) -> impl Iterator<Item = ServerId> {
        self.serving.iter().chain(&self.returning).copied()
    }
}

/// The plan of a rollout.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    /// By which strategy.
    pub strategy: Strategy,
    /// In order.
    pub batches: Vec<Batch>,
    /// When servers go back into service.
    pub restore: Restore,
    /// Servers that are left alone.
    pub left_alone: Vec<LeftAlone>,
    /// The backends concerned.
    pub pools: Vec<BackendPool>,
    /// Sentences that a person should read before pressing the button.
    pub notes: Vec<String>,
}

impl Plan {
    /// Every server that is deployed to, in order.
    pub fn servers(&self) -> impl Iterator<Item = &Planned> {
        self.batches.iter().flat_map(|batch| &batch.servers)
    }

    /// The number of the batch a server is in, from 0.
    pub fn batch_of(&self, server: ServerId) -> Option<usize> {
        let is_in = |batch: &Batch| batch.servers.iter().any(|one| one.server == server);
        self.batches.iter().position(is_in)
    }

    /// Whether both do the same to the same servers, at the same addresses, in the same order, and keep as many in
    /// service.
    /// Their notes may differ.
    pub fn does_the_same_as(&self, other: &Self) -> bool {
        let keeps = |plan: &Self| -> Vec<(BalancerId, String, usize)> {
            let pools = plan.pools.iter();
            pools
                .map(|pool| (pool.balancer, pool.backend.clone(), pool.keep))
                .collect()
        };
        let batches = |plan: &Self| {
            let mut batches = plan.batches.clone();
            let servers = batches.iter_mut().flat_map(|batch| &mut batch.servers);
            servers.for_each(|one| one.address.clear());
            batches
        };
        self.strategy == other.strategy
            && self.restore == other.restore
            && batches(self) == batches(other)
            && self.moved_in(other).next().is_none()
            && keeps(self) == keeps(other)
    }

    /// The servers of this plan that `other` reaches elsewhere.
    pub fn moved_in<'p>(&'p self, other: &'p Self) -> impl Iterator<Item = &'p Planned> {
        self.servers().filter(|own| {
            let there = other.servers().find(|there| there.server == own.server);
            there.is_some_and(|there| {
                let is_known = !own.address.is_empty() && !there.address.is_empty();
                is_known && own.address != there.address
            })
        })
    }
}
