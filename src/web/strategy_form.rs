//! A strategy as a form holds it: the fields of every kind at once, as a page without scripts cannot
//! exchange them; only those of the chosen kind are read and complained about.

use crate::app::strategies;
use crate::domain::{FieldError, Share, Strategy};

/// As typed.
#[derive(Debug, Clone)]
pub struct StrategyForm {
    /// As [`Strategy::as_str`] writes it.
    pub kind: String,
    /// How many of a cluster at a time: `2`, `25 %`.
    pub batch: String,
    /// How many stay in service; may be empty.
    pub keep: String,
    /// How many canaries.
    pub first: String,
    /// Seconds of the pause after them; empty: until a person says so.
    pub wait: String,
}

impl Default for StrategyForm {
    /// Cluster by cluster, and sensible values for whoever chooses another.
    fn default() -> Self {
        Self::of(Strategy::default())
    }
}

impl StrategyForm {
    /// The form of a strategy as it is.
    pub fn of(strategy: Strategy) -> Self {
        let text = |keep: Option<Share>| keep.map(|keep| keep.to_string()).unwrap_or_default();
        let mut form = Self {
            kind: strategy.as_str().to_owned(),
            batch: "1".to_owned(),
            keep: String::new(),
            first: "1".to_owned(),
            wait: String::new(),
        };
        match strategy {
            Strategy::ClusterByCluster | Strategy::AllAtOnce => {}
            Strategy::Rolling { batch, keep } => {
                form.batch = batch.to_string();
                form.keep = text(keep);
            }
            Strategy::Canary {
                first,
                wait,
                batch,
                keep,
            } => {
                form.first = first.to_string();
                form.wait = wait.map(|seconds| seconds.to_string()).unwrap_or_default();
                form.batch = batch.to_string();
                form.keep = text(keep);
            }
        }
        form
    }

    /// The strategy, or what is wrong with which field.
    ///
    /// # Errors
    /// Complaints about the fields `strategy`, `batch`, `keep`, `first` and `wait`.
    pub fn read(&self) -> Result<Strategy, Vec<FieldError>> {
        let mut wrong = Vec::new();
        let (mut batch, mut keep) = (Share::Count(1), None);
        if matches!(self.kind.as_str(), "rolling" | "canary") {
            batch = share("batch", &self.batch, &mut wrong).unwrap_or(batch);
            if !self.keep.trim().is_empty() {
                keep = share("keep", &self.keep, &mut wrong);
            }
        }
        // What is no number becomes 0, which no rule accepts.
        let first = self.first.trim().parse().unwrap_or(0);
        let wait = self.wait.trim();
        let wait = (!wait.is_empty()).then(|| wait.parse().unwrap_or(0));
        let strategy = match self.kind.as_str() {
            "cluster-by-cluster" => Strategy::ClusterByCluster,
            "rolling" => Strategy::Rolling { batch, keep },
            "canary" => Strategy::Canary {
                first,
                wait,
                batch,
                keep,
            },
            "all-at-once" => Strategy::AllAtOnce,
            _ => {
                wrong.push(complaint("strategy", "Choose a strategy from the list."));
                Strategy::default()
            }
        };
        if let Err(error) = strategies::check(strategy) {
            wrong.extend(error.field_errors().iter().cloned());
        }
        if wrong.is_empty() {
            Ok(strategy)
        } else {
            Err(wrong)
        }
    }
}

fn share(field: &str, text: &str, wrong: &mut Vec<FieldError>) -> Option<Share> {
    let read = text.parse::<Share>();
    read.map_err(|message| wrong.push(complaint(field, message))).ok()
}

fn complaint(field: &str, message: impl Into<String>) -> FieldError {
    FieldError {
        field: field.to_owned(),
        message: message.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_gives_back_what_it_was_made_of() {
        for strategy in [
            Strategy::ClusterByCluster,
            Strategy::AllAtOnce,
            Strategy::Rolling {
                batch: Share::Percent(25),
                keep: Some(Share::Count(2)),
            },
            Strategy::Canary {
                first: 2,
                wait: Some(90),
                batch: Share::Count(3),
                keep: None,
            },
        ] {
            assert_eq!(StrategyForm::of(strategy).read(), Ok(strategy));
        }
    }

    #[test]
    fn only_fields_of_the_chosen_kind_are_complained_about() {
        let wrong = StrategyForm {
            kind: "canary".into(),
            batch: "0".into(),
            keep: "all".into(),
            first: "none".into(),
            wait: "a while".into(),
        };
        let fields = |form: &StrategyForm| -> Vec<String> {
            let wrong = form.read().unwrap_err();
            wrong.into_iter().map(|one| one.field).collect()
        };
        assert_eq!(fields(&wrong), ["batch", "keep", "first", "wait"]);
        let rolling = StrategyForm {
            kind: "rolling".into(),
            ..wrong.clone()
        };
        assert_eq!(fields(&rolling), ["batch", "keep"]);
        let plain = StrategyForm {
            kind: "all-at-once".into(),
            ..wrong
        };
        assert_eq!(plain.read(), Ok(Strategy::AllAtOnce));
    }
}
