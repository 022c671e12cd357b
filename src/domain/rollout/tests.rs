//! Plans of all strategies, and what every plan has to keep.

use std::collections::HashSet;

use proptest::prelude::{Just, Strategy as Values, prop_assert, prop_assert_eq, prop_oneof, proptest};

use super::*;
use crate::domain::{BalancerId, Result, ServerId};

/// `n` servers of a cluster, behind a backend of balancer 1, all in service.
fn cluster(name: &str, backend: Option<&str>, first: i64, n: i64) -> Vec<Candidate> {
    (first..first + n)
        .map(|id| Candidate {
            server: ServerId(id),
            name: format!("web{id}"),
            address: format!("10.0.0.{id}:22"),
            cluster: name.to_owned(),
            active: true,
            meant: true,
            slots: backend
                .map(|backend| (slot(backend, id), Standing::InService))
                .into_iter()
                .collect(),
        })
        .collect()
}

fn slot(backend: &str, id: i64) -> Slot {
    Slot {
        balancer: BalancerId(1),
        balancer_name: "edge".to_owned(),
        backend: backend.to_owned(),
        server: format!("web{id}"),
    }
}

/// Batches as text: `title: servers | taken out before`.
fn told(plan: &Plan) -> Vec<String> {
    let tell = |batch: &Batch| {
        let ids: Vec<String> = batch.servers.iter().map(|one| one.server.to_string()).collect();
        let out: Vec<String> = batch.take_out.iter().map(ToString::to_string).collect();
        let hold = if batch.hold.is_some() {
            " after a pause"
        } else {
            ""
        };
        format!("{}: {} | {}{hold}", batch.title, ids.join(" "), out.join(" "))
    };
    plan.batches.iter().map(tell).collect()
}

fn two_clusters() -> Vec<Candidate> {
    let mut all = cluster("a", Some("web"), 1, 2);
    all.extend(cluster("b", Some("web"), 3, 2));
    all
}

const ROLLING: Strategy = Strategy::Rolling {
    batch: Share::Count(1),
    keep: None,
};

/// The plan where no other environment has servers in the same backends.
fn plan(strategy: Strategy, candidates: &[Candidate]) -> Result<Plan> {
    super::plan(strategy, candidates, &Beside::new())
}

#[test]
fn cluster_by_cluster_takes_out_whatever_is_old_from_the_second_cluster_on() {
    let mut all = two_clusters();
    all.extend(cluster("c", Some("web"), 5, 2));
    let plan = plan(Strategy::ClusterByCluster, &all).unwrap();
    assert_eq!(told(&plan), ["a: 1 2 | ", "b: 3 4 | 5 6", "c: 5 6 | "]);
    assert_eq!(plan.restore, Restore::Together);
}

#[test]
fn a_cluster_that_has_its_backend_for_itself_goes_in_parts() {
    let mut all = cluster("a", Some("shop"), 1, 3);
    all.extend(cluster("b", Some("search"), 4, 2));
    let plan = plan(Strategy::ClusterByCluster, &all).unwrap();
    assert_eq!(
        told(&plan),
        [
            "a, part 1: 1 2 | ",
            "a, part 2: 3 | ",
            "b, part 1: 4 | ",
            "b, part 2: 5 | "
        ]
    );
}

#[test]
fn clusters_without_a_balancer_go_whole() {
    let mut all = cluster("a", None, 1, 3);
    all.extend(cluster("b", None, 4, 2));
    let plan = plan(Strategy::ClusterByCluster, &all).unwrap();
    assert_eq!(told(&plan), ["a: 1 2 3 | ", "b: 4 5 | "]);
    assert!(plan.pools.is_empty() && plan.notes.is_empty());
}

#[test]
fn a_server_that_is_down_or_left_out_goes_first_within_its_cluster() {
    let mut all = two_clusters();
    all[1].slots[0].1 = Standing::Down;
    all[3].slots[0].1 = Standing::LeftOut;
    let plan_of = |strategy| plan(strategy, &all).unwrap();
    let clusters = plan_of(Strategy::ClusterByCluster);
    assert_eq!(told(&clusters), ["a: 2 1 | ", "b: 4 3 | "]);
    assert!(
        clusters
            .notes
            .contains(&"web2 is down in web of balancer edge.".to_owned())
    );
    let rolling = plan_of(ROLLING);
    assert_eq!(
        told(&rolling),
        ["Batch 1: 2 | ", "Batch 2: 4 | ", "Batch 3: 1 | ", "Batch 4: 3 | "]
    );
    assert_eq!(
        told(&plan_of(Strategy::AllAtOnce)),
        ["Wave 1: 2 4 | ", "Wave 2: 1 3 | "],
        "half of the whole backend stays"
    );
}

#[test]
fn the_last_server_in_service_goes_only_after_one_that_is_out() {
    let mut all = cluster("a", Some("web"), 1, 2);
    all[1].slots[0].1 = Standing::LeftOut;
    for strategy in [Strategy::ClusterByCluster, Strategy::AllAtOnce, ROLLING] {
        let order: Vec<i64> = plan(strategy, &all)
            .unwrap()
            .servers()
            .map(|one| one.server.0)
            .collect();
        assert_eq!(order, [2, 1], "{strategy:?}");
        assert_eq!(plan(strategy, &all).unwrap().batches.len(), 2);
    }
}

#[test]
fn a_minimum_holds_back_only_what_is_in_service() {
    let three = Strategy::Rolling {
        batch: Share::Count(2),
        keep: Some(Share::Count(3)),
    };
    let mut all = cluster("a", Some("web"), 1, 4);
    all[2].slots[0].1 = Standing::LeftOut;
    assert_eq!(
        told(&plan(three, &all).unwrap()),
        ["Batch 1: 3 | ", "Batch 2: 1 | ", "Batch 3: 2 | ", "Batch 4: 4 | "]
    );
    // Those in service cannot go while the third one stays out.
    all[2].meant = false;
    let error = plan(three, &all).unwrap_err();
    assert!(error.message().contains("3 of 4 servers in service"), "{error}");
    for one in &mut all {
        one.meant = !one.meant;
    }
    assert_eq!(told(&plan(three, &all).unwrap()), ["Batch 1: 3 | "]);
    // Out by hand, it stays out, so the others can never go.
    all.iter_mut().for_each(|one| one.meant = true);
    all[2].slots[0].1 = Standing::ByHand;
    assert!(plan(three, &all).is_err());
}

#[test]
fn rolling_goes_in_batches_within_a_cluster_and_is_cut_by_what_must_stay() {
    let mut all = cluster("a", Some("web"), 1, 5);
    all.extend(cluster("b", None, 6, 2));
    let half = Strategy::Rolling {
        batch: Share::Percent(50),
        keep: None,
    };
    assert_eq!(
        told(&plan(half, &all).unwrap()),
        [
            "Batch 1: 1 2 | ",
            "Batch 2: 3 4 | ",
            "Batch 3: 5 | ",
            "Batch 4: 6 | ",
            "Batch 5: 7 | "
        ]
    );
    let careful = Strategy::Rolling {
        batch: Share::Count(99),
        keep: Some(Share::Percent(75)),
    };
    assert_eq!(
        told(&plan(careful, &all[..5]).unwrap()).len(),
        5,
        "four of five must stay"
    );
}

#[test]
fn keeping_everybody_in_service_is_refused_with_what_to_do() {
    let all = cluster("a", Some("web"), 1, 2);
    let never = Strategy::Rolling {
        batch: Share::Count(1),
        keep: Some(Share::Count(2)),
    };
    let error = plan(never, &all).unwrap_err();
    assert!(error.message().contains("none can be taken out"), "{error}");
}

#[test]
fn canaries_come_first_and_then_a_pause() {
    let canary = Strategy::Canary {
        first: 1,
        wait: None,
        batch: Share::Percent(100),
        keep: None,
    };
    let plan = plan(canary, &two_clusters()).unwrap();
    assert_eq!(
        told(&plan),
        ["Canary: 1 | ", "Batch 2: 2 |  after a pause", "Batch 3: 3 4 | "]
    );
}

#[test]
fn all_at_once_keeps_half_of_every_backend() {
    let mut all = two_clusters();
    all.extend(cluster("c", None, 5, 3));
    let plan = plan(Strategy::AllAtOnce, &all).unwrap();
    assert_eq!(told(&plan), ["Wave 1: 1 2 5 6 7 | ", "Wave 2: 3 4 | "]);
}

#[test]
fn what_is_inactive_or_not_meant_is_left_alone_and_still_serves() {
    let mut all = two_clusters();
    all[0].active = false;
    all[1].meant = false;
    let plan = plan(Strategy::ClusterByCluster, &all).unwrap();
    assert_eq!(told(&plan), ["b: 3 4 | "]);
    assert_eq!(plan.left_alone.len(), 1);
}

#[test]
fn nothing_active_is_a_sentence() {
    let mut all = cluster("a", None, 1, 1);
    all[0].active = false;
    assert!(
        plan(ROLLING, &all)
            .unwrap_err()
            .message()
            .contains("nothing to deploy to")
    );
    assert!(plan(ROLLING, &[]).is_err());
}

#[test]
fn a_server_in_two_clusters_is_deployed_to_once_and_taken_out_of_both() {
    let mut all = cluster("a", Some("web"), 1, 2);
    all.extend(cluster("b", Some("api"), 1, 2));
    let plan = plan(ROLLING, &all).unwrap();
    assert_eq!(told(&plan), ["Batch 1: 1 | ", "Batch 2: 2 | "]);
    assert_eq!(plan.batches[0].servers[0].slots.len(), 2);
}

#[test]
fn what_was_taken_out_by_hand_stays_out_and_is_told() {
    let mut all = two_clusters();
    all[1].slots[0].1 = Standing::ByHand;
    let plan = plan(ROLLING, &all).unwrap();
    let second = &plan.batches[1].servers[0];
    assert!(second.slots.is_empty() && second.by_hand.len() == 1);
    assert!(
        plan.notes[0].contains("web2 was taken out of web"),
        "{:?}",
        plan.notes
    );
}

#[test]
fn shares_read_and_refuse() {
    assert_eq!("25 %".parse(), Ok(Share::Percent(25)));
    assert_eq!("3".parse(), Ok(Share::Count(3)));
    for wrong in ["0", "0%", "101 %", "-1", "half", "", "%"] {
        assert!(wrong.parse::<Share>().is_err(), "{wrong}");
    }
    assert_eq!(Share::Percent(10).batch_of(5), 1);
    assert_eq!(Share::Count(9).batch_of(5), 5);
    assert_eq!(Share::Percent(75).kept_of(5), 4);
}

fn strategies() -> impl Values<Value = Strategy> {
    let share = prop_oneof![
        (1..12_u32).prop_map(Share::Count),
        (1..=100_u32).prop_map(Share::Percent)
    ];
    let keep = proptest::option::of(share.clone());
    prop_oneof![
        Just(Strategy::ClusterByCluster),
        Just(Strategy::AllAtOnce),
        (share.clone(), keep.clone()).prop_map(|(batch, keep)| Strategy::Rolling { batch, keep }),
        (1..5_u32, share, keep).prop_map(|(first, batch, keep)| Strategy::Canary {
            first,
            wait: None,
            batch,
            keep
        }),
    ]
}

fn standings() -> impl Values<Value = Standing> {
    use Standing::{ByHand, Down, Idle, InService, LeftOut};
    prop_oneof![4 => Just(InService), 1 => Just(ByHand), 1 => Just(Down), 1 => Just(LeftOut), 1 => Just(Idle)]
}

proptest! {
    #![proptest_config(crate::cases::cases(256))]

    /// Walks the plan as the engine does and counts who serves at every moment.
    #[test]
    fn every_server_goes_once_and_no_backend_ever_has_fewer_than_it_must(
        strategy in strategies(),
        sizes in proptest::collection::vec((1..7_i64, 0..3_usize), 1..5),
        standings in proptest::collection::vec(standings(), 24),
    ) {
        let mut all = Vec::new();
        let mut next = 1;
        for (number, (size, backend)) in sizes.iter().enumerate() {
            let backend = [None, Some("web"), Some("api")][*backend];
            all.extend(cluster(&format!("c{number}"), backend, next, *size));
            next += size;
        }
        for (one, standing) in all.iter_mut().zip(standings) {
            one.slots.iter_mut().for_each(|slot| slot.1 = standing);
        }
        let Ok(plan) = plan(strategy, &all) else { return Ok(()) };
        let order: Vec<ServerId> = plan.servers().map(|one| one.server).collect();
        let unique: HashSet<ServerId> = order.iter().copied().collect();
        prop_assert_eq!(order.len(), all.len());
        prop_assert_eq!(unique.len(), all.len());
        for pool in &plan.pools {
            let mut up: HashSet<ServerId> = pool.serving.iter().copied().collect();
            for batch in &plan.batches {
                let own = batch.servers.iter().map(|one| one.server);
                let going: HashSet<ServerId> = own.clone().chain(batch.take_out.iter().copied()).collect();
                let stay = up.difference(&going).count();
                prop_assert!(stay == up.len() || stay >= pool.keep, "{:?}", told(&plan));
                up.retain(|id| !batch.take_out.contains(id));
                up.extend(own.filter(|id| pool.members().any(|member| member == *id)));
            }
            prop_assert_eq!(up.len(), pool.members().count(), "everybody serves in the end");
        }
    }
}
