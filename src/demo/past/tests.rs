//! The made-up past must be one that could have happened.

use super::super::fleet::SampleProject;
use super::super::repositories;
use super::*;
use crate::domain::StepState;

fn lived(now: &str) -> (Vec<Sample>, Vec<SampleDeployment>) {
    let dir = tempfile::tempdir().unwrap();
    let now: Instant = now.parse().unwrap();
    let make = |project: &'static SampleProject| {
        repositories::make(project, &dir.path().join(&project.name), now).unwrap()
    };
    let samples: Vec<Sample> = FLEET.projects.iter().map(make).collect();
    let past = live_through(&samples, now);
    (samples, past)
}

#[test]
fn the_past_has_everything_worth_showing() {
    for now in [
        "2026-11-22T12:00:00Z",
        "2026-11-23T08:30:00Z",
        "2027-01-01T23:59:00Z",
        "2026-03-06T15:00:00Z",
    ] {
        let (_, past) = lived(now);
        let count = |wanted: &dyn Fn(&SampleDeployment) -> bool| past.iter().filter(|p| wanted(p)).count();
        assert!(past.len() > 60, "{now}: {}", past.len());
        assert!(count(&|p| p.state == DeploymentState::Failed) >= 3, "{now}");
        assert!(count(&|p| p.state == DeploymentState::Cancelled) >= 1, "{now}");
        assert!(count(&|p| p.kind == Kind::Rollback) >= 1, "{now}");
        assert!(past.is_sorted_by_key(|p| p.queued_at), "{now}");
        let limit: Instant = now.parse().unwrap();
        assert!(past.iter().all(|p| p.finished_at < limit), "{now}");
        for place in &FLEET.environments {
            let good = count(&|p| std::ptr::eq(p.place, place) && p.state == DeploymentState::Succeeded);
            assert!(good >= 1, "{now}: {}/{}", place.project, place.name);
        }
    }
}

#[test]
fn one_environment_drifts_and_one_test_failed_last() {
    let (samples, past) = lived("2026-11-22T12:00:00Z");
    let in_place = |project, environment| past.iter().filter(move |p| p.place.is(project, environment));
    let on = |server: &str| {
        let mut all = in_place(DRIFTING.0, DRIFTING.1).flat_map(|p| p.servers.iter().map(move |s| (s, p)));
        let last = all.rfind(|(s, _)| s.name == server && s.released);
        last.unwrap().1.commit.id.clone()
    };
    assert_ne!(on("beta-1"), on("beta-2"));
    let last = in_place("orders-api", "dev").next_back().unwrap();
    let newest = samples[1].commits("main").last().unwrap();
    assert_eq!((last.state, &last.commit), (DeploymentState::Failed, newest));
}

#[test]
fn steps_tell_a_consistent_story() {
    let (_, past) = lived("2026-11-22T12:00:00Z");
    for deployment in &past {
        let mut keys = std::collections::HashSet::new();
        for step in &deployment.steps {
            assert!(keys.insert((step.server, step.kind)), "{:?} twice", step.kind);
            if let (Some(from), Some(to)) = (step.started_at, step.finished_at) {
                assert!(from <= to && to <= deployment.finished_at);
            }
        }
        let failed = deployment.steps.iter().any(|s| s.state == StepState::Failed);
        assert_eq!(failed, deployment.state == DeploymentState::Failed);
        let before: Vec<_> = deployment.place.source().into_iter().collect();
        for source in before {
            let promoted = past.iter().any(|p| {
                std::ptr::eq(p.place, source)
                    && p.commit == deployment.commit
                    && p.state == DeploymentState::Succeeded
                    && p.finished_at <= deployment.queued_at
            });
            assert!(
                promoted,
                "{}/{} skipped the chain",
                deployment.place.project, deployment.place.name
            );
        }
    }
}
