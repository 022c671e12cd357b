//! The same from the pages themselves: the buttons in their HTML are those that are offered, and pressed as
//! a browser would, they work.

use std::collections::BTreeSet;

use deployer::domain::{DeploymentId, DeploymentState, Kind, PauseReason, StepKind};
use reqwest::StatusCode;

use super::cases::{Case, Edge, Reach, strategies};
use super::ground::setup;
use super::stage::Stage;
use super::{Offer, offered, refusal};
use crate::pages::support::{Pages, location, value};

/// A form of a page: its address and hidden fields.
type Form = (String, Vec<(String, String)>);

/// The forms that act on a deployment, as its page has them.
fn forms(page: &str, id: DeploymentId) -> Vec<Form> {
    let mut found = Vec::new();
    for rest in page.split("<form ").skip(1) {
        let form = rest.split("</form>").next().unwrap();
        let Some((_, action)) = form.split_once("action=\"") else {
            continue;
        };
        let action = action.split('"').next().unwrap();
        if !action.starts_with(&format!("/deployments/{id}/")) || !form.contains("method=\"post\"") {
            continue;
        }
        let mut fields = Vec::new();
        for input in form.split("<input type=\"hidden\"").skip(1) {
            let of = |name: &str| {
                let (_, rest) = input.split_once(&format!("{name}=\"")).unwrap();
                rest.split('"').next().unwrap().to_owned()
            };
            fields.push((of("name"), of("value")));
        }
        found.push((action.to_owned(), fields));
    }
    found
}

/// What a form does, as [`Offer::word`] has it.
fn word((action, fields): &Form) -> String {
    let answer = fields.iter().find(|(name, _)| name == "answer");
    match (answer, action.rsplit('/').next().unwrap()) {
        (Some((_, answer)), _) => answer.clone(),
        // “Resume” is an answer, too.
        (None, "resume") => Offer::Resume.word().to_owned(),
        (None, word) => word.to_owned(),
    }
}

fn case(state: DeploymentState, edge: Edge) -> Case {
    Case {
        state,
        strategy: strategies()[1],
        on_failure: deployer::domain::OnFailure::Stop,
        kind: Kind::Regular,
        reach: Reach::Environment,
        stopped: Some(StepKind::Deploy),
        edge,
        pause: PauseReason::Canary,
        locked: false,
        continued: false,
        is_disabled: false,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_buttons_of_a_deployments_page_are_those_that_are_offered_and_they_work() {
    let mut pages = Pages::with(setup(), "admin").await;
    let stage = Stage::new(&mut pages.world).await;
    let failure = PauseReason::Failure {
        servers: vec!["healed-2".into()],
    };
    let mut tried = BTreeSet::new();
    let mut cases: Vec<Case> = DeploymentState::ALL
        .iter()
        .map(|&state| case(state, Edge::Healed))
        .collect();
    cases.push(Case {
        pause: failure,
        ..case(DeploymentState::Paused, Edge::Healed)
    });
    cases.push(case(DeploymentState::Failed, Edge::Away));
    for case in cases {
        let mut id = stage.set(&pages.world, &case).await;
        let offers = offered(&stage.offers(&pages.world, id).await);
        let page = pages.page(&format!("/deployments/{id}")).await;
        let mut shown: Vec<String> = forms(&page, id).iter().map(word).collect();
        let mut meant: Vec<String> = offers.iter().map(|offer| offer.word().to_owned()).collect();
        // Stop is asked for instead of Cancel.
        if meant.iter().any(|word| word == "stop") {
            meant.retain(|word| word != "cancel");
        }
        shown.sort();
        meant.sort();
        assert_eq!(shown, meant, "{case:?}");
        for meant in shown {
            id = stage.set(&pages.world, &case).await;
            let page = pages.page(&format!("/deployments/{id}")).await;
            let form = forms(&page, id).into_iter().find(|form| word(form) == meant);
            let (action, fields) = form.unwrap();
            let fields: Vec<(&str, &str)> = fields
                .iter()
                .map(|(name, value)| (name.as_str(), value.as_str()))
                .collect();
            let answer = pages.send(&action, &fields).await;
            assert_eq!(answer.status(), StatusCode::SEE_OTHER, "{case:?}: {action}");
            tried.insert(meant);
        }
    }
    let all = [
        "again",
        "approve",
        "cancel",
        "pause",
        "promote",
        "reject",
        "resume",
        "resume-rest",
        "retry",
        "roll_back",
        "rollback",
        "skip",
        "stop",
    ];
    assert_eq!(tried, all.map(str::to_owned).into());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_environments_page_offers_the_rollback_while_a_server_is_down() {
    let mut pages = Pages::with(setup(), "admin").await;
    let stage = Stage::new(&mut pages.world).await;
    let id = stage
        .set(&pages.world, &case(DeploymentState::Succeeded, Edge::Down))
        .await;
    let before = stage.before();
    let address = format!("/projects/down/dev?commit={before}");
    let page = pages.page(&address).await;
    assert!(
        page.contains(&format!("Roll 3 servers back to {}", before.short())),
        "{page}"
    );
    assert!(page.contains("is down in"), "{page}");

    let fields = ["csrf", "target", "kind", "request_key"].map(|name| (name, value(&page, name)));
    let mut form: Vec<(&str, &str)> = fields
        .iter()
        .map(|(name, value)| (*name, value.as_str()))
        .collect();
    form.push(("commit", before.as_str()));
    let there = location(&pages.send("/projects/down/dev", &form).await);
    let new: i64 = there.rsplit('/').next().unwrap().parse().unwrap();
    assert!(new > id.0);
    assert_eq!(refusal(&pages.world, DeploymentId(new)).await, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_preview_says_that_a_balancer_which_is_away_would_stop_the_deployment() {
    let mut pages = Pages::with(setup(), "admin").await;
    let stage = Stage::new(&mut pages.world).await;
    stage
        .set(&pages.world, &case(DeploymentState::Succeeded, Edge::Away))
        .await;
    let page = pages.page("/projects/away/dev").await;
    assert!(
        page.contains("A deployment that begins now is refused for it."),
        "{page}"
    );
}
