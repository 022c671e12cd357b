//! What a push says, in the form of each Git host. Whoever sends it knows the secret; nothing but names of
//! branches and hashes is taken from it all the same.

use std::borrow::Cow;

use poem::http::HeaderMap;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::signature::text;
use crate::app::pushes::Told;
use crate::domain::{BranchName, CommitId, HookSender, PushedBranch};

const BRANCHES: &str = "refs/heads/";
const TAGS: &str = "refs/tags/";
/// The headers in which Gitea and its relatives name the event.
const GITEA_EVENTS: [&str; 3] = ["x-forgejo-event", "x-gitea-event", "x-gogs-event"];
/// Characters of an event's name that are repeated.
const LONGEST_EVENT: usize = 60;

/// What `body` says.
///
/// # Errors
/// A sentence about a body that is none of this sender's.
pub(super) fn read(sender: HookSender, headers: &HeaderMap, body: &[u8]) -> Result<Told, String> {
    let body = unpacked(headers, body);
    match sender {
        HookSender::GitHub => of_event(text(headers, "x-github-event"), &["push"], &body, of_ref),
        HookSender::Gitea => {
            let event = GITEA_EVENTS.iter().find_map(|name| text(headers, name));
            of_event(event, &["push"], &body, of_ref)
        }
        HookSender::GitLab => of_gitlab(&body),
        HookSender::Bitbucket => of_bitbucket(text(headers, "x-event-key"), &body),
        HookSender::Program | HookSender::Polling | HookSender::Unknown => of_program(&body),
    }
}

/// The JSON of a body, which may be the field `payload` of a form.
fn unpacked<'a>(headers: &HeaderMap, body: &'a [u8]) -> Cow<'a, [u8]> {
    let kind = text(headers, "content-type").unwrap_or_default();
    if !kind.starts_with("application/x-www-form-urlencoded") {
        return Cow::Borrowed(body);
    }
    let mut fields = url::form_urlencoded::parse(body);
    let payload = fields.find(|(name, _)| name == "payload");
    Cow::Owned(payload.map_or_else(Vec::new, |(_, payload)| payload.into_owned().into_bytes()))
}

fn json<T: DeserializeOwned>(body: &[u8]) -> Result<T, String> {
    serde_json::from_slice(body).map_err(|error| {
        let (line, column) = (error.line(), error.column());
        format!("The body is not the JSON of a push (line {line}, column {column}).")
    })
}

/// What `read` makes of the body of one of these events; other events are none.
fn of_event<T: DeserializeOwned>(
    event: Option<&str>,
    events: &[&str],
    body: &[u8],
    read: impl FnOnce(T) -> Result<Told, String>,
) -> Result<Told, String> {
    match event {
        Some(event) if events.contains(&event) => read(json(body)?),
        Some(event) => Ok(no_push(event)),
        None => Err("No header names the event.".to_owned()),
    }
}

fn no_push(event: &str) -> Told {
    let event: String = event
        .chars()
        .filter(|c| !c.is_control())
        .take(LONGEST_EVENT)
        .collect();
    Told::Nothing(format!("The event “{event}” is no push."))
}

/// A push of GitHub, Gitea and its relatives, and GitLab: one ref.
#[derive(Deserialize)]
struct RefPush {
    #[serde(rename = "ref")]
    reference: String,
    after: Option<String>,
    #[serde(default)]
    deleted: bool,
}

fn of_ref(push: RefPush) -> Result<Told, String> {
    if push.reference.starts_with(TAGS) {
        return Ok(Told::Nothing("A tag was pushed.".to_owned()));
    }
    let Some(name) = push.reference.strip_prefix(BRANCHES) else {
        return Ok(Told::Nothing("What was pushed is no branch.".to_owned()));
    };
    let branch = branch(name)?;
    if push.deleted {
        return Ok(deleted(&branch));
    }
    moved(branch, push.after.as_deref())
}

fn branch(name: &str) -> Result<BranchName, String> {
    name.parse()
        .map_err(|why: String| format!("The branch has a name that cannot be used. {why}"))
}

fn deleted(branch: &BranchName) -> Told {
    Told::Nothing(format!("The branch {branch} was deleted."))
}

/// A branch that is at `commit` now, if that is told.
fn moved(name: BranchName, commit: Option<&str>) -> Result<Told, String> {
    let commit = match commit.unwrap_or_default() {
        "" => None,
        zeros if zeros.bytes().all(|digit| digit == b'0') => return Ok(deleted(&name)),
        hash => Some(commit_of(hash)?),
    };
    Ok(Told::Branches(vec![PushedBranch { name, commit }]))
}

fn commit_of(hash: &str) -> Result<CommitId, String> {
    let commit = hash.to_ascii_lowercase().parse();
    commit.map_err(|_| "The commit is no full hash.".to_owned())
}

/// What events of GitLab have in common.
#[derive(Deserialize)]
struct GitLabEvent {
    object_kind: Option<String>,
    event_name: Option<String>,
}

fn of_gitlab(body: &[u8]) -> Result<Told, String> {
    let event: GitLabEvent = json(body)?;
    match event.object_kind.or(event.event_name).as_deref() {
        Some("push") => of_ref(json(body)?),
        Some("tag_push") => Ok(Told::Nothing("A tag was pushed.".to_owned())),
        Some(event) => Ok(no_push(event)),
        None => Err("The body names no event.".to_owned()),
    }
}

/// A push to Bitbucket Cloud.
#[derive(Deserialize)]
struct CloudPush {
    push: CloudChanges,
}

#[derive(Deserialize)]
struct CloudChanges {
    changes: Vec<CloudChange>,
}

#[derive(Deserialize)]
struct CloudChange {
    /// `None`: it was deleted.
    new: Option<CloudRef>,
}

#[derive(Deserialize)]
struct CloudRef {
    #[serde(rename = "type")]
    kind: String,
    name: String,
    target: Option<CloudTarget>,
}

#[derive(Deserialize)]
struct CloudTarget {
    hash: String,
}

/// A push to Bitbucket Server or Data Center.
#[derive(Deserialize)]
struct ServerPush {
    changes: Vec<ServerChange>,
}

#[derive(Deserialize)]
struct ServerChange {
    #[serde(rename = "refId")]
    reference: String,
    #[serde(rename = "toHash")]
    to: String,
    #[serde(rename = "type")]
    kind: String,
}

fn of_bitbucket(event: Option<&str>, body: &[u8]) -> Result<Told, String> {
    match event {
        Some("repo:push") => {
            let push: CloudPush = json(body)?;
            let new = push.push.changes.into_iter().filter_map(|change| change.new);
            let branches = new.filter(|new| new.kind == "branch");
            several(branches.map(|new| {
                Ok(PushedBranch {
                    name: branch(&new.name)?,
                    commit: new.target.map(|target| commit_of(&target.hash)).transpose()?,
                })
            }))
        }
        Some("repo:refs_changed") => {
            let push: ServerPush = json(body)?;
            let kept = push.changes.iter().filter(|change| change.kind != "DELETE");
            let branches = kept.filter_map(|change| Some((change.reference.strip_prefix(BRANCHES)?, change)));
            several(branches.map(|(name, change)| {
                Ok(PushedBranch {
                    name: branch(name)?,
                    commit: Some(commit_of(&change.to)?),
                })
            }))
        }
        Some(event) => Ok(no_push(event)),
        None => Err("No header names the event.".to_owned()),
    }
}

fn several(branches: impl Iterator<Item = Result<PushedBranch, String>>) -> Result<Told, String> {
    let branches: Vec<PushedBranch> = branches.collect::<Result<_, _>>()?;
    Ok(match branches.is_empty() {
        true => Told::Nothing("Only tags were pushed, or branches deleted.".to_owned()),
        false => Told::Branches(branches),
    })
}

/// What a program sends.
#[derive(Deserialize)]
struct ProgramPush {
    branch: Option<String>,
    commit: Option<String>,
}

fn of_program(body: &[u8]) -> Result<Told, String> {
    let push: ProgramPush = json(body)?;
    let Some(name) = push.branch else {
        return Err("Name the branch: {\"branch\": \"main\", \"commit\": \"…\"}.".to_owned());
    };
    if name.starts_with(TAGS) {
        return Ok(Told::Nothing("A tag was pushed.".to_owned()));
    }
    let name = branch(name.strip_prefix(BRANCHES).unwrap_or(&name))?;
    moved(name, push.commit.as_deref())
}
