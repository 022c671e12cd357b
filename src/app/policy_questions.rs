//! Questions about the policy that people ask on pages: may somebody do something, and who may do what
//! somewhere; now, or as it was on an earlier day.
//!
//! Whoever may read the policy may ask anything. Everybody may ask about themselves, for places that they
//! may see; and who may do what at such a place.

mod mistaken;

use std::time::Duration;

use chrono::{NaiveDate, TimeDelta};
use chrono_tz::Tz;

use self::mistaken::{demand_project, unknown_place};
use super::App;
use super::naming::place as find;
use crate::access::{
    DrawnDay, Explanation, OpenedPolicy, PolicyAnswers, PolicyQuestion, RightsTable, names_for,
};
use crate::domain::access::VISITOR;
use crate::domain::calendar::beginning;
use crate::domain::{Action, Actor, Area, Error, Instant, Resource, Result, if_found};
use crate::store::policies::{self, PolicyUse};
use crate::store::{projects, users};

/// What is asked of a place: the actions that are done to one.
pub const PLACE_ACTIONS: [Action; 9] = [
    Action::View,
    Action::Deploy,
    Action::Rollback,
    Action::Cancel,
    Action::Run,
    Action::Lock,
    Action::Unlock,
    Action::Approve,
    Action::Configure,
];
/// Policies of one day that are shown, each with a table of its own.
const POLICIES_SHOWN: usize = 10;
/// A question about this long ago is one about now: people take their time with forms.
const STILL_NOW: TimeDelta = TimeDelta::minutes(10);
/// How long reading a policy of the past may take.
const OPENING_TIME: Duration = Duration::from_secs(60);

/// May somebody do something somewhere, at an instant?
#[derive(Debug, Clone)]
pub struct MayQuestion {
    /// A user, `role:NAME`, `group:NAME` or `guest`; empty: whoever asks.
    pub who: String,
    /// Further groups that the login of `who` tells.
    pub groups: Vec<String>,
    pub action: Action,
    /// `project/environment`, a project, `everything` or an area.
    pub place: String,
    pub at: Instant,
}

/// The answer, as `deployer policy explain` gives it.
#[derive(Debug, Clone)]
pub struct MayAnswer {
    /// About whom it is; empty: whoever asks.
    pub who: String,
    pub explanation: Explanation,
    /// The week around the instant, by the clock of the zone that was asked for.
    pub week: Vec<DrawnDay>,
    pub policy: AnsweringPolicy,
    /// What of the question is known nowhere, as sentences: a name or a place that was mistyped perhaps; and
    /// that the groups are missing which would make the answer another one.
    pub unknown: Vec<String>,
}

/// Which policy gave an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AnsweringPolicy {
    /// The one in force now.
    Present,
    /// Another one, in force since this instant.
    Past { digest: String, since: Instant },
    /// The one in force now, as the one of that time is not kept or cannot be read.
    NotKept,
}

/// Who may do what at a place.
#[derive(Debug, Clone)]
pub struct PlaceRights {
    /// The place, as it was found.
    pub resource: Resource,
    /// One table; for a day on which the policy changed, one for each, in order.
    pub tables: Vec<PolicyTable>,
    /// Whether more policies were in force on that day.
    pub more: bool,
    /// That there is no such place, as a sentence; for those who read the policy.
    pub unknown: Option<String>,
}

/// A table, and the policy that it is by.
#[derive(Debug, Clone)]
pub struct PolicyTable {
    pub policy: AnsweringPolicy,
    /// From when until when of the day it was in force; `None`: the whole day, or from now on.
    pub in_force: Option<(Instant, Instant)>,
    pub table: RightsTable,
}

/// Answers `asked`; the week is drawn by the clock of `zone`.
///
/// # Errors
/// Complaints about the fields `who`, `groups` and `place`; forbidden to ask about others; not found, for a
/// place that `actor` may not view.
pub async fn may(app: &App, actor: &Actor, asked: MayQuestion, zone: Tz) -> Result<MayAnswer> {
    let is_reader = app.may_read(actor, Area::Policy);
    let own_name = if actor.is_guest() { VISITOR } else { &actor.name };
    let is_own = asked.who.is_empty() || (asked.who == own_name && asked.groups.is_empty());
    if !is_own && !is_reader {
        app.permit_reading(actor, Area::Policy).await?;
    }
    let (answers, policy) = answering(app, asked.at).await?;
    let resource = resource(&answers, &asked.place)?;
    demand_project(app, (actor, is_reader), &answers, &resource).await?;
    if !is_reader {
        demand_seen(app, actor, &resource).await?;
    }
    let names = match is_own {
        true => PolicyAnswers::names_of(actor),
        false => names_of(&asked)?,
    };
    let mut unknown = match is_reader {
        true => unknown(app, &answers, (&asked, is_own), &resource).await?,
        false => Vec::new(),
    };
    let question = PolicyQuestion {
        names,
        action: asked.action,
        resource,
        at: asked.at,
    };
    let asks_groups = is_reader && !is_own && asked.groups.is_empty() && !asked.who.contains(':');
    let answering = tokio::task::spawn_blocking(move || {
        let week = answers.week(&question, zone);
        let groups = match asks_groups {
            true => answers.deciding_groups(&question),
            false => Vec::new(),
        };
        (answers.explain(&question), week, groups)
    });
    let (explanation, week, groups) = answering.await.map_err(Error::internal)?;
    if !groups.is_empty() {
        let groups = groups.join(", ");
        unknown.push(format!(
            "A line for a group would decide otherwise ({groups}): if their login tells groups, write them too."
        ));
    }
    Ok(MayAnswer {
        who: if is_own { String::new() } else { asked.who },
        explanation,
        week,
        policy,
        unknown,
    })
}

/// What of a question is known nowhere.
async fn unknown(
    app: &App,
    answers: &PolicyAnswers,
    (asked, is_own): (&MayQuestion, bool),
    resource: &Resource,
) -> Result<Vec<String>> {
    let mut unknown = Vec::new();
    unknown.extend(unknown_place(app, resource).await?);
    let who = asked.who.as_str();
    let is_account = if_found(users::by_name(&app.store, who).await)?.is_some();
    if !is_own && who != VISITOR && !is_account && !answers.knows(who) {
        unknown.push(match who.contains(':') {
            true => format!("No line of the policy names “{who}”."),
            false => format!("No account and no line of the policy is called “{who}”."),
        });
    }
    Ok(unknown)
}

/// Who may do what at `place` from now on, or at which hours of a day that has begun.
///
/// # Errors
/// As [`may`]; for an earlier day, forbidden to those who may read neither the policy nor the audit log.
pub async fn rights(
    app: &App,
    actor: &Actor,
    place: &str,
    day: Option<(NaiveDate, Tz)>,
) -> Result<PlaceRights> {
    let now = app.now();
    let answers = app.policy().answers();
    let resource = resource(&answers, place)?;
    let is_reader = app.may_read(actor, Area::Policy);
    demand_project(app, (actor, is_reader), &answers, &resource).await?;
    if !is_reader {
        match &resource {
            Resource::Everything | Resource::Area(_) => {
                app.permit_reading(actor, Area::Policy).await?;
            }
            place => demand_seen(app, actor, place).await?,
        }
        if day.is_some() {
            app.permit_reading(actor, Area::Audit).await?;
        }
    }
    let (asked, more) = match day {
        None => (vec![UsedPolicy::present(answers)], false),
        Some(day) => of_day(app, day).await?,
    };
    let mut tables = Vec::new();
    for used in asked {
        let (resource, in_force) = (resource.clone(), used.in_force);
        let making = tokio::task::spawn_blocking(move || match day {
            None => Some(used.answers.table(&resource, &PLACE_ACTIONS, now)),
            Some(day) => used
                .answers
                .table_of_day(&resource, &PLACE_ACTIONS, day, in_force),
        });
        let table = making.await.map_err(Error::internal)?.ok_or_else(no_such_day)?;
        tables.push(PolicyTable {
            policy: used.policy,
            in_force,
            table,
        });
    }
    let unknown = match is_reader {
        true => unknown_place(app, &resource).await?,
        false => None,
    };
    Ok(PlaceRights {
        resource,
        tables,
        more,
        unknown,
    })
}

fn no_such_day() -> Error {
    Error::field("day", "Write a day as 2026-11-22.")
}

fn resource(answers: &PolicyAnswers, text: &str) -> Result<Resource> {
    answers
        .resource(text.trim())
        .ok_or_else(|| Error::field("place", "Write PROJECT/ENVIRONMENT, a project, or everything."))
}

fn names_of(asked: &MayQuestion) -> Result<Vec<String>> {
    names_for(&asked.who, &[])
        .ok_or_else(|| Error::field("who", "Write the name of a user, role:NAME, group:NAME or guest."))?;
    names_for(&asked.who, &asked.groups)
        .ok_or_else(|| Error::field("groups", "Write names of groups with commas between them."))
}

/// Refuses a place that `actor` may not view, as if there were none; and one that there is not.
async fn demand_seen(app: &App, actor: &Actor, resource: &Resource) -> Result<()> {
    match resource {
        Resource::Everything | Resource::Area(_) => return Ok(()),
        place => app.permit(actor, Action::View, place).await?,
    };
    match resource {
        Resource::Environment(project, environment) => find(app, project, environment).await.map(drop),
        Resource::Project(project) => projects::by_name(&app.store, project).await.map(drop),
        Resource::Everything | Resource::Area(_) => Ok(()),
    }
}

/// The policy that answers a question about `at`: for what is past, the one in force then.
async fn answering(app: &App, at: Instant) -> Result<(PolicyAnswers, AnsweringPolicy)> {
    let now = app.now();
    if at >= now - STILL_NOW {
        return Ok((app.policy().answers(), AnsweringPolicy::Present));
    }
    let used = policies::uses_within(&app.store, (at, at), 1).await?;
    opened(app, used.first()).await
}

/// A policy of a day.
struct UsedPolicy {
    answers: PolicyAnswers,
    policy: AnsweringPolicy,
    /// As of [`PolicyTable`].
    in_force: Option<(Instant, Instant)>,
}

impl UsedPolicy {
    /// The present policy, from now on.
    fn present(answers: PolicyAnswers) -> Self {
        Self {
            answers,
            policy: AnsweringPolicy::Present,
            in_force: None,
        }
    }
}

/// Every policy that was in force on a day, and whether there were more.
async fn of_day(app: &App, (day, zone): (NaiveDate, Tz)) -> Result<(Vec<UsedPolicy>, bool)> {
    let begins = |day: NaiveDate| beginning(day, zone);
    let (from, until) = (begins(day), day.succ_opt().and_then(begins));
    let from = from.ok_or_else(no_such_day)?;
    let until = until.ok_or_else(no_such_day)?;
    if from > app.now() {
        return Ok((vec![UsedPolicy::present(app.policy().answers())], false));
    }
    let mut uses = policies::uses_within(&app.store, (from, until), POLICIES_SHOWN as u64 + 1).await?;
    // Starts and further instances use the same one again.
    uses.dedup_by(|later, earlier| later.digest == earlier.digest);
    let ends: Vec<Instant> = uses
        .iter()
        .skip(1)
        .map(|next| next.since)
        .chain([until])
        .collect();
    let more = uses.len() > POLICIES_SHOWN;
    uses.truncate(POLICIES_SHOWN);
    let mut found = Vec::new();
    for (used, end) in uses.iter().zip(ends) {
        let (answers, policy) = opened(app, Some(used)).await?;
        let span = (used.since.max(from), end);
        found.push(UsedPolicy {
            answers,
            policy,
            in_force: (span != (from, until)).then_some(span),
        });
    }
    if found.is_empty() {
        let (answers, policy) = opened(app, None).await?;
        found.push(UsedPolicy {
            policy,
            ..UsedPolicy::present(answers)
        });
    }
    Ok((found, more))
}

/// A policy that was in force; the present one where it is not kept.
async fn opened(app: &App, used: Option<&PolicyUse>) -> Result<(PolicyAnswers, AnsweringPolicy)> {
    let present = app.policy().answers();
    let Some(used) = used else {
        return Ok((present, AnsweringPolicy::NotKept));
    };
    if used.digest == present.digest() {
        return Ok((present, AnsweringPolicy::Present));
    }
    let past = AnsweringPolicy::Past {
        digest: used.digest.clone(),
        since: used.since,
    };
    // One at a time: reading a long policy takes seconds.
    let mut last = app.past_policy.lock().await;
    if let Some(known) = last.as_ref().filter(|one| one.digest() == used.digest) {
        return Ok((known.clone(), past));
    }
    let Some(files) = policies::files(&app.store, &used.digest).await? else {
        return Ok((present, AnsweringPolicy::NotKept));
    };
    let opening = tokio::task::spawn_blocking(move || OpenedPolicy::of_files(files).ok());
    let opening = tokio::time::timeout(OPENING_TIME, opening).await;
    let slow = |cause| Error::unavailable("Reading the policy of that time takes too long.").because(cause);
    match opening.map_err(slow)?.map_err(Error::internal)? {
        Some(opened) => {
            let answers = opened.into_answers();
            *last = Some(answers.clone());
            Ok((answers, past))
        }
        None => Ok((present, AnsweringPolicy::NotKept)),
    }
}
