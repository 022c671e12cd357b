//! The sentences of the engine for people: how deployments ended, and what paused ones wait for. Sentences
//! about servers are made from their standing, in `domain`.

use super::stop::StopReason;
use crate::domain::{Answer, Answered, Answerer, Pause, PauseReason};

/// Sentences one after the other; empty ones are left out.
pub(super) fn joined<'a>(sentences: impl IntoIterator<Item = &'a str>) -> String {
    let told = sentences.into_iter().map(str::trim);
    told.filter(|sentence| !sentence.is_empty())
        .collect::<Vec<_>>()
        .join(" ")
}

/// Why a server with a whole release stays out of service all the same.
pub(super) const ELSEWHERE: &str = "A deployment to another environment left an unfinished release on this server, so it stays out of service until that is mended.";

/// `1 server`, `3 servers`.
pub(super) fn servers(count: usize) -> String {
    match count {
        1 => "1 server".to_owned(),
        _ => format!("{count} servers"),
    }
}

/// The outcome of a deployment that was stopped.
pub(super) fn stopped(reason: Option<StopReason>, cancelled_by: Option<&str>) -> String {
    match reason {
        Some(StopReason::Cancelled) => format!("Cancelled by {}.", cancelled_by.unwrap_or("somebody")),
        Some(StopReason::LogBroken) => "Stopped, because its log could not be stored.".to_owned(),
        Some(StopReason::LeaseLost) => {
            "Interrupted: the database could not be reached for too long.".to_owned()
        }
        Some(StopReason::Shutdown) | None => {
            "Interrupted: the deployer stopped while it ran. Each server shows what it runs.".to_owned()
        }
    }
}

/// How a pause ended.
pub(super) fn answered(answered: &Answered) -> String {
    let Answered { answer, by, .. } = answered;
    let what = match (by, answer) {
        (Answerer::Time, _) => return "The waiting time has passed.".to_owned(),
        (_, Answer::Stop) => " Servers that were not begun stay as they are.",
        (_, Answer::RollBack) => " Servers that are done return to the release before.",
        (_, Answer::Resume | Answer::Retry | Answer::Skip) => "",
    };
    format!("{by} answered: {}.{what}", answer.title())
}

/// What a paused deployment waits for.
pub(super) fn paused(pause: &Pause) -> String {
    if !pause.findings.is_empty() {
        return format!(
            "It cannot continue after the restart: {}",
            pause.findings.join(" ")
        );
    }
    match &pause.reason {
        PauseReason::Person { by } => format!("Paused by {by}."),
        PauseReason::Canary => "Canary deployed; waiting for someone to continue or stop.".to_owned(),
        PauseReason::Failure { servers } => {
            format!("{} failed; waiting for someone to decide.", servers.join(", "))
        }
        PauseReason::Policy { why } => format!("It may not continue now: {why}"),
    }
}
