//! The deploy form: what a person chooses and sends. Its fields are
//!
//! - `commit`: a hash, its first digits, a branch or a tag;
//! - `target`: `all`, `cluster:NUMBER` or `server:NUMBER`;
//! - `kind`: `rollback`, `promotion`, or anything else for a regular deployment;
//! - `strategy` and the other fields of [`strategy_form`]: empty for the environment's own;
//! - `at`: when it starts, empty for now; `reason`;
//! - `overrides` and `lock_override`: whether the form overrides a lock, and the reason;
//! - `request_key`: one per form as it was shown.

use crate::app::deployments::{Choice, DeployRequest};
use crate::domain::{ClusterId, Error, Kind, Result, ServerId, Strategy};
use crate::web::forms::{self, FormData};
use crate::web::{csrf, strategy_form};

/// The request that the form makes.
///
/// # Errors
/// Complaints about its fields.
pub fn request(project: &str, environment: &str, form: &FormData) -> Result<DeployRequest> {
    let overrides = form.text("overrides") == "yes";
    Ok(DeployRequest {
        choice: choice(form)?,
        reason: form.text("reason").to_owned(),
        kind: kind(form),
        request_key: Some(form.text("request_key"))
            .filter(|key| csrf::is_secret(key))
            .map(str::to_owned),
        strategy: strategy(form)?,
        at: forms::instant("at", form.text("at"))?,
        lock_override: overrides.then(|| form.text("lock_override").to_owned()),
        ..DeployRequest::new(project, environment, form.text("commit"))
    })
}

/// The kind of deployment. The form offers few: a push or a calendar does not fill in forms.
pub fn kind(form: &FormData) -> Kind {
    match form.text("kind") {
        "rollback" => Kind::Rollback,
        "promotion" => Kind::Promotion,
        _ => Kind::Regular,
    }
}

/// The strategy other than the environment's.
///
/// # Errors
/// Complaints about its fields.
pub fn strategy(form: &FormData) -> Result<Option<Strategy>> {
    if form.text("strategy").is_empty() {
        return Ok(None);
    }
    form.read(strategy_form::read).map(Some)
}

/// A choice as the field `target` has it.
pub fn target(choice: Choice) -> String {
    match choice {
        Choice::All => "all".to_owned(),
        Choice::Cluster(id) => format!("cluster:{id}"),
        Choice::Server(id) => format!("server:{id}"),
    }
}

/// The chosen servers: the reverse of [`target`].
///
/// # Errors
/// A complaint about the field `target`.
pub fn choice(form: &FormData) -> Result<Choice> {
    let unknown = || {
        Error::field(
            "target",
            "Choose all servers, a cluster or a server from the list.",
        )
    };
    match form.text("target").split_once(':') {
        None if matches!(form.text("target"), "" | "all") => Ok(Choice::All),
        Some(("cluster", id)) => Ok(Choice::Cluster(id.parse::<ClusterId>().map_err(|_| unknown())?)),
        Some(("server", id)) => Ok(Choice::Server(id.parse::<ServerId>().map_err(|_| unknown())?)),
        _ => Err(unknown()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_targets_from_the_list_are_read() {
        let choice = |target: &str| choice(&FormData::default().with("target", target));
        assert_eq!(choice("").unwrap(), Choice::All);
        assert_eq!(choice("all").unwrap(), Choice::All);
        assert_eq!(choice("server:7").unwrap(), Choice::Server(ServerId(7)));
        assert_eq!(choice("cluster:3").unwrap(), Choice::Cluster(ClusterId(3)));
        for wrong in ["server:", "server:x", "everything", "cluster:1:2", ":"] {
            assert_eq!(
                choice(wrong).unwrap_err().field_errors()[0].field,
                "target",
                "{wrong}"
            );
        }
    }
}
