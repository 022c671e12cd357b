//! What follows from the journal and a server's answer.

use super::*;
use crate::domain::deployment::{ServerPart, ServerState};
use crate::domain::{DeploymentId, Release, ServerId, StepId};
use StepKind::{Activate, Deploy, Drain, Health, Inspect, Restore, Sync, Tests};

const OLD: &str = "1111111111111111111111111111111111111111";
const NEW: &str = "2222222222222222222222222222222222222222";

/// The steps of a server; those before `at` are done, and `at` is being done.
fn journal(kinds: &[StepKind], at: StepKind) -> Vec<Step> {
    let place = kinds.iter().position(|kind| *kind == at).unwrap();
    let step = |(position, kind): (usize, &StepKind)| Step {
        id: StepId(0),
        deployment_id: DeploymentId(7),
        server_id: Some(ServerId(1)),
        server_name: "web1".into(),
        kind: *kind,
        position: i32::try_from(position).unwrap(),
        state: match position.cmp(&place) {
            std::cmp::Ordering::Less => StepState::Succeeded,
            std::cmp::Ordering::Equal => StepState::Running,
            std::cmp::Ordering::Greater => StepState::Waiting,
        },
        started_at: (position <= place).then(|| "2026-11-22T10:00:00Z".parse().unwrap()),
        finished_at: None,
        exit_code: None,
        detail: String::new(),
    };
    kinds.iter().enumerate().map(step).collect()
}

fn seen(commit: &str, dir: &str, in_progress: bool) -> Reply {
    let release = Release {
        branch: "main".into(),
        commit: commit.into(),
        at: "2026-11-22T10:00:00Z".parse().unwrap(),
        path: dir.into(),
        in_progress,
    };
    Reply::Seen(Box::new(Looked {
        resolved: Some(dir.into()),
        release: Some(release),
        ..Looked::default()
    }))
}

fn judged(method: SyncMethod, steps: &[Step], reply: &Reply) -> (OnServer, bool) {
    judged_after(None, method, steps, reply)
}

/// `before`: what is stored of it, from before it was touched.
fn judged_after(
    before: Option<OnServer>,
    method: SyncMethod,
    steps: &[Step],
    reply: &Reply,
) -> (OnServer, bool) {
    let part = ServerPart {
        server_id: Some(ServerId(1)),
        server: "web1".into(),
        cluster: "web".into(),
        position: 0,
        state: ServerState::Running,
        batch: Some(0),
        left_alone: false,
        service: Service::Out,
        split: None,
        service_before: None,
        previous_commit: Some(OLD.parse().unwrap()),
        on_server: before,
        cause: String::new(),
        remains: None,
        detail: String::new(),
    };
    let commit = NEW.parse().unwrap();
    let server = ServerHistory {
        deployment: DeploymentId(7),
        commit: &commit,
        method: Some(method),
        part: &part,
        steps: steps.iter().collect(),
    };
    (server.judge(reply), server.may_serve(server.judge(reply)))
}

fn judge(method: SyncMethod, steps: &[Step], reply: &Reply) -> OnServer {
    judged(method, steps, reply).0
}

#[test]
fn a_switched_server_is_judged_by_what_its_link_leads_to() {
    let kinds = [Inspect, Sync, Drain, Activate, Deploy, Tests, Health, Restore];
    let (old, new) = (seen(OLD, "/r/x_6", false), seen(NEW, "/r/x_7", false));
    let at = |kind, reply: &Reply| judge(SyncMethod::Symlink, &journal(&kinds, kind), reply);
    assert_eq!(at(Inspect, &old), OnServer::Untouched);
    assert_eq!(at(Sync, &old), OnServer::Old);
    assert_eq!(at(Drain, &old), OnServer::Old);
    assert_eq!(at(Activate, &old), OnServer::Old);
    assert_eq!(at(Activate, &new), OnServer::NotRun);
    assert_eq!(at(Deploy, &new), OnServer::NotEnded(Trial::Deploy));
    assert_eq!(at(Health, &new), OnServer::NotEnded(Trial::Health));
    assert_eq!(at(Restore, &new), OnServer::New);
    let by_hand = at(Restore, &old);
    assert_eq!(by_hand, OnServer::Returned, "somebody switched it back by hand");
    let other = at(Restore, &seen(&NEW.replace('2', "3"), "/r/x_6", false));
    assert_eq!(
        other,
        OnServer::Unknown,
        "somebody switched it to another release"
    );
    let half = at(Restore, &seen(NEW, "/r/x_7", true));
    assert_eq!(half, OnServer::Unknown);
}

#[test]
fn a_release_that_was_in_use_and_is_not_there_any_more_is_gone() {
    let kinds = [Inspect, Sync, Drain, Activate, Deploy, Tests, Health, Restore];
    let nothing = || Reply::Seen(Box::default());
    let at = |kind| judge(SyncMethod::Symlink, &journal(&kinds, kind), &nothing());
    for kind in [Deploy, Tests, Health, Restore] {
        assert_eq!(at(kind), OnServer::Gone, "{kind:?}");
    }
}

#[test]
fn one_that_is_silent_is_whole_where_nothing_was_begun_that_changes_it() {
    let silent = Reply::Silent("it is away.".to_owned());
    let kinds = [Inspect, Sync, Drain, Activate, Deploy, Tests, Restore];
    let at = |kind| judge(SyncMethod::Symlink, &journal(&kinds, kind), &silent);
    assert_eq!(at(Inspect), OnServer::Untouched);
    assert_eq!(at(Drain), OnServer::Old);
    assert_eq!(at(Activate), OnServer::Switching);
    assert_eq!(at(Tests), OnServer::NotEnded(Trial::Tests));
    assert_eq!(at(Restore), OnServer::New);
    let kinds = [Inspect, Drain, Sync, Deploy, Restore];
    let at = |kind| judge(SyncMethod::InPlace, &journal(&kinds, kind), &silent);
    assert_eq!((at(Drain), at(Sync)), (OnServer::Untouched, OnServer::Mixed));
}

#[test]
fn between_two_steps_the_next_one_is_what_was_not_seen_to_end() {
    let silent = Reply::Silent("it is away.".to_owned());
    let kinds = [Inspect, Sync, Drain, Activate, Deploy, Tests, Health, Restore];
    let mut steps = journal(&kinds, Tests);
    steps[5].state = StepState::Waiting;
    steps[5].started_at = None;
    let new = seen(NEW, "/r/x_7", false);
    for reply in [silent, new] {
        let on = judge(SyncMethod::Symlink, &steps, &reply);
        assert_eq!(on, OnServer::NotEnded(Trial::Tests));
    }
}

#[test]
fn files_whose_sync_failed_are_mixed_and_a_step_that_failed_is_named() {
    let kinds = [Inspect, Drain, Sync, Deploy, Tests, Restore];
    let silent = Reply::Silent("it is away.".to_owned());
    let mut steps = journal(&kinds, Sync);
    steps[2].state = StepState::Failed;
    assert_eq!(judge(SyncMethod::InPlace, &steps, &silent), OnServer::Mixed);
    let mut steps = journal(&kinds, Deploy);
    steps[3].state = StepState::Failed;
    let failed = OnServer::Failed(Trial::Deploy);
    assert_eq!(
        judge(SyncMethod::InPlace, &steps, &seen(NEW, "/t", false)),
        failed
    );
}

#[test]
fn one_that_was_taken_out_again_as_it_was_down_is_not_put_back() {
    let kinds = [Inspect, Sync, Drain, Activate, Deploy, Restore];
    let mut steps = journal(&kinds, Restore);
    let new = seen(NEW, "/r/x_7", false);
    assert_eq!(judged(SyncMethod::Symlink, &steps, &new), (OnServer::New, true));
    steps[5].state = StepState::Failed;
    assert_eq!(judged(SyncMethod::Symlink, &steps, &new), (OnServer::New, false));
}

#[test]
fn what_an_attempt_before_has_done_does_not_count_for_the_next() {
    let kinds = [Inspect, Sync, Drain, Activate, Deploy, Tests, Restore];
    let mut steps = journal(&kinds, Restore);
    // A second attempt, interrupted after the switch.
    for step in &mut steps[4..] {
        step.state = StepState::Waiting;
    }
    let new = seen(NEW, "/r/x_7", false);
    let on = judge(SyncMethod::Symlink, &steps, &new);
    assert_eq!(on, OnServer::NotEnded(Trial::Deploy));
    // Switched back for the next attempt and interrupted before it began: deploy.sh had run nevertheless.
    for step in &mut steps {
        step.state = StepState::Waiting;
    }
    let old = seen(OLD, "/r/x_6", false);
    let on = judged(SyncMethod::Symlink, &steps, &old);
    assert_eq!(on, (OnServer::Returned, false));
}

#[test]
fn the_same_commit_again_is_told_by_the_directory() {
    let kinds = [Inspect, Sync, Drain, Activate, Deploy, Restore];
    let steps = journal(&kinds, Activate);
    let old = seen(OLD, "/r/x_6", false);
    let ours = seen(OLD, "/r/x_7", false);
    assert_eq!(judge(SyncMethod::Symlink, &steps, &old), OnServer::Old);
    assert_eq!(judge(SyncMethod::Symlink, &steps, &ours), OnServer::NotRun);
}

#[test]
fn files_in_place_are_judged_by_the_marker() {
    let kinds = [Inspect, Drain, Sync, Deploy, Tests, Restore];
    let at = |kind, reply: &Reply| judge(SyncMethod::InPlace, &journal(&kinds, kind), reply);
    let (old, new) = (seen(OLD, "/t", false), seen(NEW, "/t", false));
    let half = seen(NEW, "/t", true);
    assert_eq!(at(Drain, &old), OnServer::Untouched);
    assert_eq!(at(Sync, &old), OnServer::Old);
    assert_eq!(at(Sync, &half), OnServer::Mixed);
    assert_eq!(at(Sync, &new), OnServer::NotRun);
    assert_eq!(at(Deploy, &new), OnServer::NotEnded(Trial::Deploy));
    assert_eq!(at(Restore, &new), OnServer::New);
}

#[test]
fn one_that_was_half_changed_before_stays_so_while_nothing_is_changed() {
    let kinds = [Inspect, Drain, Sync, Deploy, Tests, Restore];
    let silent = Reply::Silent("it is away.".to_owned());
    let half = seen(OLD, "/t", true);
    let at = |kind, reply: &Reply| {
        let before = Some(OnServer::LeftMixed);
        judged_after(before, SyncMethod::InPlace, &journal(&kinds, kind), reply)
    };
    for kind in [Inspect, Drain] {
        for reply in [&silent, &half] {
            assert_eq!(at(kind, reply), (OnServer::LeftMixed, false), "{kind:?}");
        }
    }
    assert_eq!(at(Sync, &half), (OnServer::Mixed, false));
    assert_eq!(at(Deploy, &half).0, OnServer::Unknown);
    assert_eq!(at(Restore, &seen(NEW, "/t", false)), (OnServer::New, true));
}
