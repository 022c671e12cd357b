//! Servers that deployments of this process are about to take out of service, so that two which look at one
//! backend at the same time do not both take the last but one.

use std::collections::HashMap;

use parking_lot::Mutex;

use crate::domain::DeploymentId;
use crate::domain::rollout::Slot;

/// What each deployment is about to take out, or has out in its present batch.
#[derive(Default)]
pub(super) struct Departures(Mutex<HashMap<DeploymentId, Vec<Slot>>>);

impl Departures {
    /// Notes that `deployment` takes `slots` out, if there is `enough` in service without what the others take
    /// out; returns whether there is.
    pub fn leave(
        &self,
        deployment: DeploymentId,
        slots: Vec<Slot>,
        enough: impl FnOnce(&[Slot]) -> bool,
    ) -> bool {
        let mut all = self.0.lock();
        let others = all.iter().filter(|(id, _)| **id != deployment);
        let others: Vec<Slot> = others.flat_map(|(_, slots)| slots).cloned().collect();
        let is_enough = enough(&others);
        if is_enough {
            all.entry(deployment).or_default().extend(slots);
        }
        is_enough
    }

    /// Notes that `slots` are in service again.
    pub fn back(&self, deployment: DeploymentId, slots: &[Slot]) {
        if let Some(own) = self.0.lock().get_mut(&deployment) {
            own.retain(|slot| !slots.contains(slot));
        }
    }

    /// Forgets a deployment: the balancers show what it left out.
    pub fn forget(&self, deployment: DeploymentId) {
        self.0.lock().remove(&deployment);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::BalancerId;

    fn slot(server: &str) -> Slot {
        Slot {
            balancer: BalancerId(1),
            balancer_name: "lb".to_owned(),
            backend: "web".to_owned(),
            server: server.to_owned(),
        }
    }

    #[test]
    fn the_second_of_two_sees_what_the_first_takes_out() {
        let (departures, one, two) = (Departures::default(), DeploymentId(1), DeploymentId(2));
        let enough = |others: &[Slot]| others.is_empty();
        assert!(departures.leave(one, vec![slot("a")], enough));
        assert!(
            departures.leave(one, vec![slot("b")], enough),
            "its own do not count"
        );
        assert!(!departures.leave(two, vec![slot("c")], enough));
        departures.back(one, &[slot("a")]);
        assert!(!departures.leave(two, vec![slot("c")], enough));
        departures.forget(one);
        assert!(departures.leave(two, vec![slot("c")], enough));
        assert!(!departures.leave(one, vec![slot("a")], enough));
    }
}
