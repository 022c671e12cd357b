//! The states of a deployment that are tried, made of the table of transitions and the lists of all kinds.

use std::collections::VecDeque;

use deployer::domain::{DeploymentState, Kind, OnFailure, PauseReason, Share, StepKind, Strategy};

/// What is wrong with the balancer of the servers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Edge {
    /// They stand behind none.
    None,
    /// Whatever was out of service is back.
    Healed,
    /// What the deployment left out of service still is.
    Out,
    /// Another server fails the balancer's checks.
    Down,
    /// It does not answer.
    Away,
}

impl Edge {
    pub const ALL: [Self; 5] = [Self::None, Self::Healed, Self::Out, Self::Down, Self::Away];

    pub fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Healed => "healed",
            Self::Out => "out",
            Self::Down => "down",
            Self::Away => "away",
        }
    }
}

/// Which servers the deployment is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    Environment,
    Cluster,
    Server,
    Servers,
}

/// One state of a deployment.
#[derive(Debug, Clone)]
pub struct Case {
    pub state: DeploymentState,
    pub strategy: Strategy,
    pub on_failure: OnFailure,
    pub kind: Kind,
    pub reach: Reach,
    /// The step that failed, was stopped or is being done; `None`: none has begun.
    pub stopped: Option<StepKind>,
    pub edge: Edge,
    pub pause: PauseReason,
    pub locked: bool,
    /// Whether another deployment already carries it on.
    pub continued: bool,
    /// Whether its requester's account is disabled by now.
    pub is_disabled: bool,
}

/// Every strategy; one that is added does not compile here until it is listed.
pub fn strategies() -> Vec<Strategy> {
    let share = Share::Count(1);
    let all = vec![
        Strategy::ClusterByCluster,
        Strategy::Rolling {
            batch: share,
            // The tightest that lets anything go.
            keep: Some(Share::Count(2)),
        },
        Strategy::Canary {
            first: 1,
            wait: None,
            batch: share,
            keep: None,
        },
        Strategy::AllAtOnce,
    ];
    for one in &all {
        match one {
            Strategy::ClusterByCluster
            | Strategy::Rolling { .. }
            | Strategy::Canary { .. }
            | Strategy::AllAtOnce => {}
        }
    }
    all
}

/// Every policy for failures; one that is added does not compile here until it is listed.
pub fn policies() -> Vec<OnFailure> {
    let all = vec![
        OnFailure::Stop,
        OnFailure::Continue { up_to: 1 },
        OnFailure::RollBack,
        OnFailure::Ask,
    ];
    for one in &all {
        match one {
            OnFailure::Stop | OnFailure::Continue { .. } | OnFailure::RollBack | OnFailure::Ask => {}
        }
    }
    all
}

/// Every reason for a pause; one that is added does not compile here until it is listed.
fn pauses() -> Vec<PauseReason> {
    let all = vec![
        PauseReason::Person { by: "dora".into() },
        PauseReason::Canary,
        PauseReason::Failure {
            servers: vec!["web2".into()],
        },
        PauseReason::Policy {
            why: "Not now.".into(),
        },
    ];
    for one in &all {
        match one {
            PauseReason::Person { .. }
            | PauseReason::Canary
            | PauseReason::Failure { .. }
            | PauseReason::Policy { .. } => {}
        }
    }
    all
}

fn steps() -> Vec<Option<StepKind>> {
    let kinds = StepKind::ALL.iter().copied().map(Some);
    std::iter::once(None).chain(kinds).collect()
}

const REACHES: [Reach; 4] = [Reach::Environment, Reach::Cluster, Reach::Server, Reach::Servers];

/// How many values each factor has.
fn sizes() -> [usize; 11] {
    [
        DeploymentState::ALL.len(),
        strategies().len(),
        policies().len(),
        Kind::ALL.len(),
        REACHES.len(),
        steps().len(),
        Edge::ALL.len(),
        pauses().len(),
        2,
        2,
        2,
    ]
}

fn case(row: &[usize]) -> Case {
    Case {
        state: DeploymentState::ALL[row[0]],
        strategy: strategies()[row[1]],
        on_failure: policies()[row[2]],
        kind: Kind::ALL[row[3]],
        reach: REACHES[row[4]],
        stopped: steps()[row[5]],
        edge: Edge::ALL[row[6]],
        pause: pauses()[row[7]].clone(),
        locked: row[8] == 1,
        continued: row[9] == 1,
        is_disabled: row[10] == 1,
    }
}

/// So few cases that each value of each factor meets each value of every other one.
pub fn pairwise() -> Vec<Case> {
    pairs(&sizes()).iter().map(|row| case(row)).collect()
}

/// Every policy for failures with every strategy, every step that failed, and every balancer.
pub fn failures() -> Vec<Case> {
    let mut all = Vec::new();
    for strategy in strategies() {
        for on_failure in policies() {
            for stopped in steps().into_iter().flatten() {
                for edge in Edge::ALL {
                    all.push(Case {
                        state: DeploymentState::Failed,
                        strategy,
                        on_failure,
                        kind: Kind::Regular,
                        reach: Reach::Environment,
                        stopped: Some(stopped),
                        edge,
                        pause: PauseReason::Canary,
                        locked: false,
                        continued: false,
                        is_disabled: false,
                    });
                }
            }
        }
    }
    all
}

/// The same for every state and every kind of pause, and all pairs of the rest.
pub fn all() -> Vec<Case> {
    let mut all = pairwise();
    for (plain, reach) in failures().into_iter().zip(REACHES.into_iter().cycle()) {
        for &state in DeploymentState::ALL {
            let pauses = match state {
                DeploymentState::Paused => pauses(),
                _ => vec![PauseReason::Canary],
            };
            all.extend(pauses.into_iter().map(|pause| Case {
                state,
                reach,
                pause,
                ..plain.clone()
            }));
        }
    }
    all
}

/// Rows in which every pair of values of two factors appears. Greedy: each row begins with a pair that
/// is missing and takes for every other factor the value that adds most.
fn pairs(sizes: &[usize]) -> Vec<Vec<usize>> {
    let mut missing = std::collections::BTreeSet::new();
    for first in 0..sizes.len() {
        for second in first + 1..sizes.len() {
            for a in 0..sizes[first] {
                missing.extend((0..sizes[second]).map(|b| (first, a, second, b)));
            }
        }
    }
    let mut rows = Vec::new();
    while let Some(&(first, a, second, b)) = missing.first() {
        let mut row: Vec<Option<usize>> = vec![None; sizes.len()];
        (row[first], row[second]) = (Some(a), Some(b));
        for factor in 0..sizes.len() {
            if row[factor].is_some() {
                continue;
            }
            let gain = |value: usize| {
                let met = row
                    .iter()
                    .enumerate()
                    .filter_map(|(other, set)| Some((other, (*set)?)));
                met.filter(|&(other, set)| missing.contains(&pair((factor, value), (other, set))))
                    .count()
            };
            row[factor] = (0..sizes[factor]).rev().max_by_key(|&value| gain(value));
        }
        let row: Vec<usize> = row.into_iter().map(|value| value.unwrap_or_default()).collect();
        for first in 0..sizes.len() {
            for second in first + 1..sizes.len() {
                missing.remove(&(first, row[first], second, row[second]));
            }
        }
        rows.push(row);
    }
    rows
}

fn pair(one: (usize, usize), other: (usize, usize)) -> (usize, usize, usize, usize) {
    let (first, second) = if one.0 < other.0 {
        (one, other)
    } else {
        (other, one)
    };
    (first.0, first.1, second.0, second.1)
}

#[test]
fn every_pair_of_values_is_met() {
    let sizes = sizes();
    let rows = pairs(&sizes);
    for first in 0..sizes.len() {
        for second in first + 1..sizes.len() {
            for (a, b) in (0..sizes[first]).flat_map(|a| (0..sizes[second]).map(move |b| (a, b))) {
                let met = rows.iter().any(|row| row[first] == a && row[second] == b);
                assert!(met, "factors {first} and {second} never have {a} and {b}");
            }
        }
    }
    assert!(rows.len() < 400, "{} rows", rows.len());
}

/// The shortest way through the table of transitions; without the first state.
pub fn way(from: DeploymentState, to: DeploymentState) -> Vec<DeploymentState> {
    let mut open = VecDeque::from([vec![from]]);
    let mut seen = vec![from];
    while let Some(path) = open.pop_front() {
        let last = *path.last().expect("a path begins somewhere");
        if last == to {
            return path[1..].to_vec();
        }
        for &next in DeploymentState::ALL {
            if last.may_become(next) && !seen.contains(&next) {
                seen.push(next);
                open.push_back([path.as_slice(), &[next]].concat());
            }
        }
    }
    panic!("no way leads from {from} to {to}");
}
