//! What becomes of rights from one policy to another.

use std::collections::BTreeSet;

use serde::Serialize;

use super::grid::WorkedAnswer;
use super::states::StateSet;
use crate::domain::access::GUEST;

/// What becomes of a right.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Shift {
    /// Allowed now.
    Gained,
    /// Allowed now without the second person that it took.
    Eased,
    /// Not denied any more: whoever has it by another name may use it.
    Freed,
    /// May be the second person now that somebody else needs for it, by a right to approve of this or of
    /// another name.
    MaySecond,
    /// Not allowed any more.
    Lost,
    /// Only with a second person now.
    Tightened,
    /// Denied now, also to whoever has it by another name.
    Denied,
    /// May not be the second person for it any more.
    MaySecondNoMore,
}

impl Shift {
    /// Whether somebody may more than before.
    pub fn is_gain(self) -> bool {
        matches!(self, Self::Gained | Self::Eased | Self::Freed | Self::MaySecond)
    }

    /// In a few words.
    pub fn words(self) -> &'static str {
        match self {
            Self::Gained => "gained",
            Self::Eased => "eased",
            Self::Freed => "freed",
            Self::Lost => "lost",
            Self::Tightened => "tightened",
            Self::Denied => "denied",
            Self::MaySecond => "may be the second person",
            Self::MaySecondNoMore => "may not be the second person any more",
        }
    }
}

/// How an answer changes, and in which states.
pub(super) fn shifts(before: &WorkedAnswer, after: &WorkedAnswer) -> Vec<(Shift, StateSet)> {
    let (allowed_before, allowed_after) = (before.allowed(), after.allowed());
    let mut both = allowed_before.clone();
    both.keep(&allowed_after);
    let (mut eased, mut tightened) = (
        after.alone.without(&before.alone),
        before.alone.without(&after.alone),
    );
    for (second, states) in &after.with {
        let known = before.with.iter().find(|(one, _)| one == second);
        let mut new = known.map_or_else(|| states.clone(), |(_, known)| states.without(known));
        new.take(&before.alone);
        eased.add(&new);
    }
    for (second, states) in &before.with {
        let known = after.with.iter().find(|(one, _)| one == second);
        let mut gone = known.map_or_else(|| states.clone(), |(_, known)| states.without(known));
        gone.take(&after.alone);
        tightened.add(&gone);
    }
    eased.keep(&both);
    tightened.keep(&both);
    let mut freed = before.denied.without(&after.denied);
    freed.take(&allowed_after);
    let mut denied = after.denied.without(&before.denied);
    denied.take(&allowed_before);
    vec![
        (Shift::Gained, allowed_after.without(&allowed_before)),
        (Shift::Lost, allowed_before.without(&allowed_after)),
        (Shift::Eased, eased),
        (Shift::Tightened, tightened),
        (Shift::Freed, freed),
        (Shift::Denied, denied),
    ]
}

/// How many `who` are, with what they do: `verbs` of one, and of several. `None`: nobody.
pub(super) fn counted(who: &BTreeSet<&str>, [one, several]: [&str; 2], noun: &str) -> Option<String> {
    let is_everybody = who.contains(GUEST);
    let others = who.len() - usize::from(is_everybody);
    let noun = match (noun, others) {
        ("", _) => String::new(),
        (noun, 1) => format!(" {noun}"),
        (_, _) => " users or groups".to_owned(),
    };
    Some(match (is_everybody, others) {
        (false, 0) => return None,
        (true, 0) => format!("everybody {one}"),
        (true, others) => format!("everybody and {others}{noun} {several}"),
        (false, 1) => format!("1{noun} {one}"),
        (false, others) => format!("{others}{noun} {several}"),
    })
}
