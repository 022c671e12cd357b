//! Whether different people wrote, requested, carried on and approved a deployment.

use std::collections::BTreeSet;

use crate::domain::Deployment;

/// Who wrote a deployment, and what that says with who requested, carried on and approved it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Duties {
    /// The accounts of the authors, or their names where they have none.
    pub authors: BTreeSet<String>,
    /// Why the authors are not known, or not all of them; empty where they are.
    pub unknown: String,
    pub finding: DutyFinding,
}

/// Whether different people wrote, requested and approved.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DutyFinding {
    /// A second person had a hand in it.
    Separate,
    /// One person wrote all of it and requested it, and nobody approved it.
    OnePerson,
    /// The requester wrote some of it, and nobody approved it.
    RequesterWrote,
    /// Whoever took it over from its requester wrote some of it, and nobody approved it.
    TakerWrote,
    /// The approver wrote some of it.
    ApproverWrote,
    /// The requester, or whoever took it over, approved it.
    SelfApproved,
    /// The authors are not known.
    Unknown,
}

impl DutyFinding {
    /// Whether one person saw it through alone, be it by their own approval.
    pub fn is_alone(self) -> bool {
        matches!(self, Self::OnePerson | Self::SelfApproved)
    }

    /// A few words for people.
    pub fn title(self) -> &'static str {
        match self {
            Self::Separate => "Separate people",
            Self::OnePerson => "One person alone",
            Self::RequesterWrote => "Requester is an author",
            Self::TakerWrote => "Carried on by an author",
            Self::ApproverWrote => "Approver is an author",
            Self::SelfApproved => "Own approval",
            Self::Unknown => "Not known",
        }
    }
}

/// Judges who had a hand in `one`.
pub(super) fn duties(one: &Deployment, authors: BTreeSet<String>, unknown: String) -> Duties {
    let both = |name: Option<&str>, behind: Option<&str>| -> Vec<String> {
        let names = [name, behind].into_iter().flatten();
        names.map(str::to_owned).collect()
    };
    let approval = one.approval.as_ref();
    let approver = approval.and_then(|approval| Some((approval.given.as_ref()?.0.as_str(), approval)));
    let taken = one.taken_over().and_then(|taken| taken.person(""));
    let hands = Hands {
        requesters: both(Some(&one.actor), one.impersonator.as_deref()),
        takers: taken.map_or_else(Vec::new, |taken| {
            both(Some(&taken.name), taken.impersonator.as_deref())
        }),
        approvers: approver.map_or_else(Vec::new, |(name, approval)| {
            both(Some(name), approval.impersonator.as_deref())
        }),
    };
    let finding = finding(&hands, &authors, unknown.is_empty());
    Duties {
        authors,
        unknown,
        finding,
    }
}

/// Whose hands a deployment went through: each account by its own name, and whoever acted in it.
struct Hands {
    requesters: Vec<String>,
    /// Of whoever took it over from its requester; empty: nobody did.
    takers: Vec<String>,
    /// Empty: nobody approved it.
    approvers: Vec<String>,
}

fn finding(hands: &Hands, authors: &BTreeSet<String>, all_known: bool) -> DutyFinding {
    let has = |names: &[String], who: &str| names.iter().any(|one| one.to_lowercase() == who.to_lowercase());
    let asked = |who: &str| has(&hands.requesters, who);
    let took = |who: &str| has(&hands.takers, who);
    let wrote = |names: &[String]| authors.iter().any(|author| has(names, author));
    if hands.approvers.iter().any(|one| asked(one) || took(one)) {
        return DutyFinding::SelfApproved;
    }
    if !hands.approvers.is_empty() {
        return match wrote(&hands.approvers) {
            true => DutyFinding::ApproverWrote,
            false => DutyFinding::Separate,
        };
    }
    let is_one = hands.takers.is_empty() || hands.takers.iter().any(|one| asked(one));
    let wrote_all = |who: &dyn Fn(&str) -> bool| all_known && authors.iter().all(|author| who(author));
    match authors.is_empty() {
        true => DutyFinding::Unknown,
        false if is_one && wrote_all(&|who| asked(who) || took(who)) => DutyFinding::OnePerson,
        false if wrote(&hands.requesters) => DutyFinding::RequesterWrote,
        false if wrote(&hands.takers) => DutyFinding::TakerWrote,
        false if all_known => DutyFinding::Separate,
        false => DutyFinding::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_person_alone_is_told_from_two() {
        use DutyFinding as F;
        /// Requesters, takers, approvers, authors, whether those are all known, what is found.
        type Case<'a> = ([&'a [&'a str]; 4], bool, F);
        let cases: [Case<'_>; 15] = [
            ([&["alice"], &[], &[], &["alice"]], true, F::OnePerson),
            ([&["Alice"], &[], &[], &["alice"]], true, F::OnePerson),
            ([&["alice"], &[], &[], &["alice", "bob"]], true, F::RequesterWrote),
            ([&["alice"], &[], &[], &["alice"]], false, F::RequesterWrote),
            ([&["alice"], &[], &[], &["bob"]], true, F::Separate),
            ([&["alice"], &[], &[], &["bob"]], false, F::Unknown),
            ([&["alice"], &[], &[], &[]], true, F::Unknown),
            ([&["alice"], &[], &["bob"], &["alice"]], true, F::Separate),
            ([&["alice"], &[], &["bob"], &["bob"]], true, F::ApproverWrote),
            // Whoever acts in another name has a hand in it too.
            (
                [&["alice", "root"], &[], &["root"], &["bob"]],
                true,
                F::SelfApproved,
            ),
            (
                [&["alice"], &[], &["bob", "carl"], &["carl"]],
                true,
                F::ApproverWrote,
            ),
            // Whoever takes it over does.
            ([&["alice"], &["bob"], &[], &["bob"]], true, F::TakerWrote),
            ([&["alice"], &["bob"], &[], &["alice"]], true, F::RequesterWrote),
            (
                [&["alice"], &["bob", "root"], &["root"], &["carl"]],
                true,
                F::SelfApproved,
            ),
            (
                [&["alice"], &["root", "alice"], &[], &["root"]],
                true,
                F::OnePerson,
            ),
        ];
        for ([requesters, takers, approvers, authors], all_known, expected) in cases {
            let names = |names: &[&str]| names.iter().map(|one| (*one).to_owned()).collect();
            let hands = Hands {
                requesters: names(requesters),
                takers: names(takers),
                approvers: names(approvers),
            };
            let found = finding(
                &hands,
                &authors.iter().map(|one| (*one).to_owned()).collect(),
                all_known,
            );
            assert_eq!(
                found, expected,
                "{requesters:?} {takers:?} {approvers:?} {authors:?}"
            );
        }
    }
}
