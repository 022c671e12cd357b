//! What comes to a hook is noted; nobody waits for what comes of it.

use super::hooks::TOKEN_LETTERS;
use crate::app::App;
use crate::domain::{Hook, HookSender, ProjectId, PushState, PushedBranch, ReceivedPush, Result};
use crate::store::{again, hooks, pushes};

/// Characters that are kept of what a sender calls a delivery.
const LONGEST_DELIVERY: usize = 255;
/// Branches of one push that are looked at.
const MOST_BRANCHES: usize = 100;

/// What a push says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Told {
    /// These branches moved; none: something did, so the repository is fetched.
    Branches(Vec<PushedBranch>),
    /// Nothing that is deployed; the sentence says what it is.
    Nothing(String),
}

/// A request to a hook without a signature that fits.
#[derive(Debug, Clone)]
pub struct UnsignedPush<'a> {
    pub project: ProjectId,
    pub sender: HookSender,
    pub delivery: &'a str,
    /// What is wrong with it, as a sentence.
    pub why: &'a str,
}

/// The hook whose address ends in `token`, if there is one.
pub async fn hook(app: &App, token: &str) -> Result<Option<Hook>> {
    let is_one = token.len() == TOKEN_LETTERS && token.bytes().all(|byte| byte.is_ascii_alphanumeric());
    match is_one {
        true => hooks::by_token(&app.store, token).await,
        false => Ok(None),
    }
}

/// Notes what the owner of a hook's secret told.
pub async fn receive(
    app: &App,
    project: ProjectId,
    (sender, delivery): (HookSender, &str),
    told: Told,
) -> Result<()> {
    let (branches, state, outcome) = match told {
        Told::Branches(mut branches) => {
            branches.truncate(MOST_BRANCHES);
            (branches, PushState::Received, String::new())
        }
        Told::Nothing(sentence) => (Vec::new(), PushState::Handled, sentence),
    };
    let push = ReceivedPush {
        id: 0,
        project,
        at: app.now(),
        sender,
        delivery: plain(delivery),
        branches,
        state,
        outcome,
        deployments: Vec::new(),
    };
    note(app, &push).await?;
    if push.state == PushState::Received {
        app.arrivals.ring();
    }
    Ok(())
}

/// Counts a push whose signature does not fit. There is one row for all of a minute.
pub async fn refuse(app: &App, push: UnsignedPush<'_>) -> Result<()> {
    let now = app.now();
    let Some(more) = app.arrivals.refuse(push.project, now) else {
        return Ok(());
    };
    let outcome = match more {
        0 => push.why.to_owned(),
        more => format!("{} {more} more were refused before it.", push.why),
    };
    let push = ReceivedPush {
        id: 0,
        project: push.project,
        at: now,
        sender: push.sender,
        delivery: plain(push.delivery),
        branches: Vec::new(),
        state: PushState::Refused,
        outcome,
        deployments: Vec::new(),
    };
    note(app, &push).await
}

pub(super) async fn note(app: &App, push: &ReceivedPush) -> Result<()> {
    again(|| async {
        let record = app.store.record().await?;
        pushes::insert(&record, push).await?;
        if push.state != PushState::Received {
            pushes::trim(&record, push.project).await?;
        }
        record.commit().await
    })
    .await
}

/// What a sender calls something, short and without characters that nobody sees.
fn plain(text: &str) -> String {
    let shown = text.chars().filter(|c| !c.is_control());
    shown.take(LONGEST_DELIVERY).collect()
}
