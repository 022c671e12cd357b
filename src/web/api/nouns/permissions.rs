//! Who may do what, where and when.

use chrono::NaiveDate;
use poem_openapi::param::Query;
use poem_openapi::{Object, OpenApi};

use super::Part;
use crate::access::SpeakingLine;
use crate::app::policy_questions::{self, AnsweringPolicy, MayAnswer, MayQuestion, PolicyTable};
use crate::domain::{Action, Error, Instant, PolicyLine};
use crate::web::api::reply::{JsonReply, List};
use crate::web::api::words::Word;
use crate::web::visitor::Visitor;

/// The answer to: may somebody do something somewhere, at an instant?
#[derive(Object)]
#[oai(rename = "Verdict", skip_serializing_if_is_none)]
struct VerdictDto {
    allowed: bool,
    /// Roles, users and groups of whom one has to approve it.
    approval_by: Vec<String>,
    action: Word<Action>,
    place: String,
    at: Instant,
    /// The names that policy knows the person by.
    names: Vec<String>,
    /// The line that decided; absent when no line speaks for it.
    line: Option<LineDto>,
    speak_for: Vec<LineDto>,
    speak_against: Vec<LineDto>,
    /// When it changes next.
    changes_at: Option<Instant>,
    /// Whether it will be allowed then.
    allowed_then: Option<bool>,
    /// What of the question is known nowhere, as sentences.
    unknown: Vec<String>,
    policy: PolicyUsedDto,
}

/// A line of a policy file.
#[derive(Object)]
#[oai(rename = "PolicyLine")]
struct LineDto {
    file: String,
    line: u32,
    text: String,
    /// From a name of who asks, over roles, to the subject of the line.
    way: Vec<String>,
}

impl LineDto {
    fn new(line: &PolicyLine, way: &[String]) -> Self {
        Self {
            file: line.file.clone(),
            line: line.line,
            text: line.text.clone(),
            way: way.to_vec(),
        }
    }
}

/// Which policy gave an answer.
#[derive(Object)]
#[oai(rename = "PolicyUsed", skip_serializing_if_is_none)]
struct PolicyUsedDto {
    /// Whether it is the one in force now.
    is_present: bool,
    digest: Option<String>,
    since: Option<Instant>,
    /// Whether the policy of that time is not known any more, so that the present one answers.
    is_stand_in: bool,
}

impl From<&AnsweringPolicy> for PolicyUsedDto {
    fn from(policy: &AnsweringPolicy) -> Self {
        let (digest, since) = match policy {
            AnsweringPolicy::Past { digest, since } => (Some(digest.clone()), Some(*since)),
            AnsweringPolicy::Present | AnsweringPolicy::NotKept => (None, None),
        };
        Self {
            is_present: *policy == AnsweringPolicy::Present,
            is_stand_in: *policy == AnsweringPolicy::NotKept,
            digest,
            since,
        }
    }
}

impl From<MayAnswer> for VerdictDto {
    fn from(answer: MayAnswer) -> Self {
        let one = answer.explanation;
        let speaking = |lines: &[SpeakingLine]| {
            let lines = lines.iter();
            lines.map(|one| LineDto::new(&one.line, &one.way)).collect()
        };
        Self {
            allowed: one.ruling.allowed,
            approval_by: one.ruling.with.clone(),
            action: Word(one.action),
            place: one.place.clone(),
            at: one.at,
            names: one.names.clone(),
            line: one.line.as_ref().map(|line| LineDto::new(line, &[])),
            speak_for: speaking(&one.speak_for),
            speak_against: speaking(&one.speak_against),
            changes_at: one.next.as_ref().map(|(at, _)| *at),
            allowed_then: one.next.as_ref().map(|(_, ruling)| ruling.allowed),
            unknown: answer.unknown,
            policy: (&answer.policy).into(),
        }
    }
}

/// Who may do what at a place, by one policy.
#[derive(Object)]
#[oai(rename = "RightsTable")]
struct RightsDto {
    policy: PolicyUsedDto,
    /// Everybody first, then roles, then people; those with most rights first.
    rows: Vec<RightsRowDto>,
    /// Whether nobody is missing.
    is_complete: bool,
}

/// Those who have the same rights.
#[derive(Object)]
#[oai(rename = "RightsRow", skip_serializing_if_is_none)]
struct RightsRowDto {
    /// `default` for everybody, or the role that gives the rights.
    subject: Option<String>,
    people: Vec<String>,
    rights: Vec<RightDto>,
}

/// One action that somebody may do.
#[derive(Object)]
#[oai(rename = "Right")]
struct RightDto {
    action: Word<Action>,
    /// Windows, in words.
    when: String,
    is_always: bool,
    /// Of whom the second person has to be.
    approval_by: Vec<String>,
}

impl From<PolicyTable> for RightsDto {
    fn from(found: PolicyTable) -> Self {
        let actions = &found.table.actions;
        let rows = found.table.rows.iter().map(|row| RightsRowDto {
            subject: row.subject.clone(),
            people: row.people.clone(),
            rights: actions
                .iter()
                .zip(&row.cells)
                .flat_map(|(action, times)| times.iter().map(|time| (*action, time)))
                .map(|(action, time)| RightDto {
                    action: Word(action),
                    when: time.when.clone(),
                    is_always: time.is_always,
                    approval_by: time.with.clone(),
                })
                .collect(),
        });
        Self {
            rows: rows.collect(),
            is_complete: found.table.is_complete,
            policy: (&found.policy).into(),
        }
    }
}

/// Questions about policy.
pub struct PermissionsApi;

#[OpenApi(prefix_path = "/permissions", tag = "Part::Access")]
impl PermissionsApi {
    /// Ask whether somebody may do something somewhere
    ///
    /// The answer names the line of policy that decides, and when the answer changes next.
    #[oai(path = "/may", method = "get", operation_id = "askPermission")]
    async fn may(
        &self,
        visitor: Visitor,
        action: Query<Word<Action>>,
        /// `project/environment`, a project, `everything`, or `audit`, `users`, `policy`, `servers`.
        place: Query<String>,
        /// A user, `role:NAME`, `group:NAME` or `guest`; absent: you. Others need the right to read the policy.
        who: Query<Option<String>>,
        /// A group that their login tells; can be sent several times.
        group: Query<Option<Vec<String>>>,
        /// Absent: now.
        at: Query<Option<Instant>>,
    ) -> poem::Result<JsonReply<VerdictDto>> {
        let asked = MayQuestion {
            who: who.0.unwrap_or_default(),
            groups: group.0.unwrap_or_default(),
            action: action.0.0,
            place: place.0,
            at: at.0.unwrap_or_else(|| visitor.now()),
        };
        let zone = visitor.app().policy().calendar().zone;
        let answer = policy_questions::may(visitor.app(), visitor.actor(), asked, zone).await?;
        Ok(JsonReply::new(answer.into()))
    }

    /// List who may do what at a place
    ///
    /// One table; for a day on which the policy changed, one for each policy.
    #[oai(path = "/who", method = "get", operation_id = "listPermissions")]
    async fn who(
        &self,
        visitor: Visitor,
        /// As for `/permissions/may`.
        place: Query<String>,
        /// A day, such as 2026-11-22; absent: from now on. Earlier days need the right to read policy or audit log.
        day: Query<Option<String>>,
    ) -> poem::Result<JsonReply<List<RightsDto>>> {
        let zone = visitor.app().policy().calendar().zone;
        let day = match day.0 {
            None => None,
            Some(text) => {
                let odd = |_| Error::field("day", "Write a day as 2026-11-22.");
                Some((text.parse::<NaiveDate>().map_err(odd)?, zone))
            }
        };
        let found = policy_questions::rights(visitor.app(), visitor.actor(), &place, day).await?;
        Ok(JsonReply::all(found.tables.into_iter().map(RightsDto::from)))
    }
}
