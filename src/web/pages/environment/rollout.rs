//! What a rollout with the chosen servers and strategy would do.

use crate::app::App;
use crate::app::deployments::Choice;
use crate::app::places::EnvironmentView;
use crate::app::plans;
use crate::domain::rollout::Batch;
use crate::domain::{Actor, Plan, Result, ServerId, Strategy};
use crate::web::format::count;
use crate::web::views::words::{hold_words, strategy_words};

/// Names shown at once; the rest unfolds.
const NAMES: usize = 12;
/// Batches shown at once; the rest unfolds.
const BATCHES: usize = 8;

/// What a deployment would do.
#[derive(Default)]
pub struct RolloutView {
    pub strategy: String,
    pub batches: Vec<BatchLine>,
    /// Servers that are left alone, by reason.
    pub left_alone: Vec<(Names, String)>,
    pub notes: Vec<String>,
    /// Why it is impossible; empty: it is possible.
    pub obstacle: String,
}

impl RolloutView {
    /// The batches that are shown at once.
    pub fn first_batches(&self) -> &[BatchLine] {
        self.batches.get(..BATCHES).unwrap_or(&self.batches)
    }

    /// The batches that unfold.
    pub fn more_batches(&self) -> &[BatchLine] {
        self.batches.get(BATCHES..).unwrap_or_default()
    }
}

/// The names of some servers: the first ones, and the rest to unfold.
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

/// A batch as the preview lists it.
pub struct BatchLine {
    pub title: String,
    pub size: String,
    pub names: Names,
    /// What it waits for; empty: nothing.
    pub hold: String,
    /// Servers that are taken out of service before it; may be empty.
    pub takes_out: Names,
}

/// What such a deployment would do.
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
    let plan = match seen {
        Ok(plan) => plan,
        Err(obstacle) => {
            return Ok(RolloutView {
                strategy: strategy_words(wanted),
                obstacle,
                ..RolloutView::default()
            });
        }
    };
    Ok(RolloutView {
        strategy: strategy_words(plan.strategy),
        batches: plan.batches.iter().map(|batch| line(&plan, batch)).collect(),
        left_alone: left_alone(&plan),
        notes: plan.notes.clone(),
        obstacle: String::new(),
    })
}

/// The servers that are left alone, grouped by reason.
fn left_alone(plan: &Plan) -> Vec<(Names, String)> {
    let mut reasons: Vec<(&str, Vec<&str>)> = Vec::new();
    for one in &plan.left_alone {
        match reasons.iter_mut().find(|(why, _)| *why == one.why) {
            Some((_, names)) => names.push(&one.name),
            None => reasons.push((&one.why, vec![&one.name])),
        }
    }
    reasons
        .into_iter()
        .map(|(why, names)| (Names::of(&names), why.to_owned()))
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
