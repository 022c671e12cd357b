//! What a deploy form may say beside commit and servers (a strategy, a time, why a lock does not
//! stop it), and what the rollout would then do.

use chrono::NaiveDateTime;

use super::plan::Given;
use crate::app::App;
use crate::app::deployments::Choice;
use crate::app::places::EnvironmentView;
use crate::app::plans;
use crate::domain::rollout::Batch;
use crate::domain::{Actor, Error, Instant, Kind, Plan, Result, ServerId, Strategy};
use crate::web::pages::count;
use crate::web::pages::deployment::{hold_words, strategy_words};
use crate::web::strategy_form::StrategyForm;

/// Names shown at once; the rest unfolds.
const NAMES: usize = 12;

/// What will happen, before anybody presses.
pub struct RolloutView {
    pub strategy: String,
    pub batches: Vec<BatchLine>,
    /// Servers that are left alone, by why.
    pub left_alone: Vec<(Names, String)>,
    pub notes: Vec<String>,
    /// Why it cannot be done so; empty: it can.
    pub obstacle: String,
}

/// The names of some servers: the first ones, and the rest for those who ask.
#[derive(Default)]
pub struct Names {
    pub first: String,
    /// Empty when the first are all.
    pub rest: String,
    /// How many those are.
    pub more: usize,
}

impl Names {
    fn of(names: &[&str]) -> Self {
        let (first, rest) = names.split_at(names.len().min(NAMES));
        Self {
            first: first.join(", "),
            rest: rest.join(", "),
            more: rest.len(),
        }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.first.is_empty()
    }
}

pub struct BatchLine {
    pub title: String,
    pub size: String,
    pub names: Names,
    /// What is waited for before it; empty: nothing.
    pub hold: String,
    /// Who is taken out of service before it; empty: nobody else.
    pub takes_out: Names,
}

impl Given {
    /// The fields of a strategy other than the environment's; sensible values where none is chosen.
    pub fn strategy_form(&self) -> StrategyForm {
        if self.strategy.is_empty() {
            return StrategyForm {
                kind: String::new(),
                ..StrategyForm::default()
            };
        }
        StrategyForm {
            kind: self.strategy.clone(),
            batch: self.batch.clone(),
            keep: self.keep.clone(),
            first: self.first.clone(),
            wait: self.wait.clone(),
        }
    }

    /// That strategy.
    ///
    /// # Errors
    /// Complaints about its fields.
    pub fn strategy(&self) -> Result<Option<Strategy>> {
        if self.strategy.is_empty() {
            return Ok(None);
        }
        self.strategy_form().read().map(Some).map_err(Error::fields)
    }

    /// When it shall begin, in UTC as the form says.
    ///
    /// # Errors
    /// A complaint about the field `at`.
    pub fn begins_at(&self) -> Result<Option<Instant>> {
        time("at", &self.at)
    }

    /// Why a lock does not stop it.
    pub fn override_reason(&self) -> Option<String> {
        (self.overrides == "yes").then(|| self.lock_override.clone())
    }
}

/// Reads a date and time of a form, in UTC; empty is none.
///
/// # Errors
/// A complaint about `field`.
pub fn time(field: &str, text: &str) -> Result<Option<Instant>> {
    let text = text.trim();
    if text.is_empty() {
        return Ok(None);
    }
    ["%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%d %H:%M"]
        .iter()
        .find_map(|form| NaiveDateTime::parse_from_str(text, form).ok())
        .map(|time| Some(time.and_utc()))
        .ok_or_else(|| Error::field(field, "Write date and time as 2026-11-23 08:30, in UTC."))
}

/// An instant as such a form has it, rounded up to the minute.
pub fn time_value(at: Instant) -> String {
    let rounded = at + chrono::TimeDelta::seconds(59);
    rounded.format("%Y-%m-%dT%H:%M").to_string()
}

/// What deploying so would do.
///
/// # Errors
/// Of the store.
pub async fn rollout(
    app: &App,
    actor: &Actor,
    view: &EnvironmentView,
    choice: Choice,
    strategy: Option<Strategy>,
) -> Result<RolloutView> {
    let place = (view.project.name.as_str(), view.place.environment.name.as_str());
    let seen = plans::preview(app, actor, place, choice, strategy).await?;
    let wanted = strategy.unwrap_or(view.place.environment.options.rollout.strategy);
    let Some(plan) = seen.plan else {
        return Ok(RolloutView {
            strategy: strategy_words(wanted),
            batches: Vec::new(),
            left_alone: Vec::new(),
            notes: Vec::new(),
            obstacle: seen.obstacle.unwrap_or_default(),
        });
    };
    Ok(RolloutView {
        strategy: strategy_words(plan.strategy),
        batches: plan.batches.iter().map(|batch| line(&plan, batch)).collect(),
        left_alone: left_alone(&plan),
        notes: plan.notes.clone(),
        obstacle: String::new(),
    })
}

/// Together what is left alone for the same reason.
fn left_alone(plan: &Plan) -> Vec<(Names, String)> {
    let mut reasons: Vec<(&str, Vec<&str>)> = Vec::new();
    for one in &plan.left_alone {
        match reasons.iter_mut().find(|(why, _)| *why == one.why) {
            Some((_, names)) => names.push(&one.name),
            None => reasons.push((&one.why, vec![&one.name])),
        }
    }
    let told = reasons.into_iter();
    told.map(|(why, names)| (Names::of(&names), why.to_owned()))
        .collect()
}

fn line(plan: &Plan, batch: &Batch) -> BatchLine {
    let names: Vec<&str> = batch.servers.iter().map(|one| one.name.as_str()).collect();
    let name_of = |id: &ServerId| {
        let found = plan.servers().find(|one| one.server == *id);
        found.map(|one| one.name.as_str())
    };
    let out: Vec<&str> = batch.take_out.iter().filter_map(name_of).collect();
    BatchLine {
        title: batch.title.clone(),
        size: count(names.len(), "server"),
        names: Names::of(&names),
        hold: batch.hold.map(hold_words).unwrap_or_default(),
        takes_out: Names::of(&out),
    }
}

/// Within how many hours somebody else has to approve it; `None`: nobody has to.
pub fn approval_hours(view: &EnvironmentView, kind: Kind) -> Option<u32> {
    let options = &view.place.environment.options;
    options.approval_hours.filter(|_| kind != Kind::Rollback)
}

#[cfg(test)]
mod tests {
    use super::{NAMES, Names};

    #[test]
    fn all_names_are_there_however_many() {
        let all: Vec<String> = (1..=NAMES + 3).map(|number| format!("web{number}")).collect();
        let all: Vec<&str> = all.iter().map(String::as_str).collect();
        let few = Names::of(&all[..NAMES]);
        assert_eq!((few.more, few.rest.as_str()), (0, ""));
        let many = Names::of(&all);
        assert_eq!((many.more, many.rest.as_str()), (3, "web13, web14, web15"));
        assert!(many.first.starts_with("web1, ") && many.first.ends_with("web12"));
        assert!(Names::of(&[]).is_empty());
    }
}
