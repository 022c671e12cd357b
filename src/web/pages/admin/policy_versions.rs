//! The policies that were in force: each as it was, two compared, and the files read again.

use std::collections::BTreeSet;
use std::time::Duration;

use askama::Template;
use poem::web::Path;
use poem::{Response, handler};
use similar::{ChangeTag, TextDiff};

use super::{Part, Tabs, tabs};
use crate::access::{NamedPlaces, PolicyFiles, Problem, RightsChange};
use crate::app::policy::{self, RightsCompared};
use crate::domain::Result;
use crate::domain::access::GUEST;
use crate::store::policies::PolicyUse;
use crate::web::flash::Flash;
use crate::web::frame::{Frame, Section, go_to, html};
use crate::web::urls;
use crate::web::visitor::Visitor;

/// Lines around a change.
const AROUND: usize = 3;
/// How long a comparison may look for the smallest difference.
const COMPARING: Duration = Duration::from_secs(1);
/// Lines of a comparison that are shown.
const LINES_SHOWN: usize = 5000;
/// Differences of rights that are shown.
const RIGHTS_SHOWN: usize = 500;
/// Names that are shown outside of a fold.
const NAMES_OPEN: usize = 4;
/// Digits of a digest that people read.
const SHORT: usize = 12;

/// The contract of `templates/admin/policy_version.html`.
#[derive(Template)]
#[template(path = "admin/policy_version.html")]
struct VersionPage {
    frame: Frame,
    tabs: Tabs,
    digest: String,
    is_in_force: bool,
    files: PolicyFiles,
    uses: Vec<PolicyUse>,
    /// What changed since then.
    comparison: String,
}

/// The contract of `templates/admin/policy_comparison.html`.
#[derive(Template)]
#[template(path = "admin/policy_comparison.html")]
struct ComparisonPage {
    frame: Frame,
    tabs: Tabs,
    old: Version,
    new: Version,
    files: Vec<FileRows>,
    /// Whether there are more lines than are shown.
    is_cut: bool,
    /// How many gain and lose, or why that is not known.
    summary: String,
    /// Gains first.
    rights: Vec<RightsRow>,
}

/// What somebody may by one policy and not by the other.
struct RightsRow {
    tone: &'static str,
    /// What becomes of the right.
    shift: &'static str,
    who: Names,
    /// Those of `who` that it is not about.
    but: Names,
    actions: String,
    places: String,
    /// The places that `places` leaves out and only counts, each list led by its title.
    left_out: Vec<(String, String)>,
    windows: String,
}

/// Names, of which a long list is folded.
struct Names {
    shown: String,
    /// How many are folded, in words; empty: none.
    more: String,
    rest: String,
}

impl Names {
    fn of(mut names: Vec<String>) -> Self {
        let rest = match names.len() {
            // A fold takes as much room as one name.
            few if few <= NAMES_OPEN + 1 => Vec::new(),
            _ => names.split_off(NAMES_OPEN),
        };
        Self {
            shown: names.join(", "),
            more: match rest.len() {
                0 => String::new(),
                more => format!("and {more} more"),
            },
            rest: rest.join(", "),
        }
    }
}

/// A policy, for a link.
pub(super) struct Version {
    pub short: String,
    pub url: String,
}

impl Version {
    pub fn of(digest: &str) -> Self {
        Self {
            short: short(digest).to_owned(),
            url: urls::admin_policy_version(digest),
        }
    }
}

/// The first digits, which tell policies apart.
pub(super) fn short(digest: &str) -> &str {
    digest.get(..SHORT).unwrap_or(digest)
}

struct FileRows {
    name: String,
    rows: Vec<Row>,
}

/// A line of a comparison.
struct Row {
    /// The class of its look.
    kind: &'static str,
    old: Option<usize>,
    new: Option<usize>,
    text: String,
}

/// `GET /admin/policy/versions/{digest}`
#[handler]
pub async fn show(visitor: Visitor, Path(digest): Path<String>) -> Result<Response> {
    let (files, uses) = policy::kept(visitor.app(), visitor.actor(), &digest).await?;
    let in_force = visitor.app().policy().digest();
    html(&VersionPage {
        frame: visitor
            .frame(format!("Policy {} · Admin", short(&digest)), Section::Admin)
            .await?,
        tabs: tabs(&visitor, Part::Policy),
        is_in_force: digest == in_force,
        comparison: urls::admin_policy_comparison(&digest, &in_force),
        digest,
        files,
        uses,
    })
}

/// `GET /admin/policy/versions/{old}/to/{new}`
#[handler]
pub async fn compare(visitor: Visitor, Path((old, new)): Path<(String, String)>) -> Result<Response> {
    let compared = policy::compare(visitor.app(), visitor.actor(), (&old, &new));
    let ([before, after], rights) = compared.await?;
    let mut files = differing(&before, &after);
    let is_cut = cut(&mut files);
    html(&ComparisonPage {
        frame: visitor.frame("Policies compared · Admin", Section::Admin).await?,
        tabs: tabs(&visitor, Part::Policy),
        old: Version::of(&old),
        new: Version::of(&new),
        files,
        is_cut,
        summary: rights.summary(),
        rights: match rights {
            RightsCompared::Found(diff) => rights_rows(diff.differences),
            RightsCompared::TookTooLong | RightsCompared::Unreadable => Vec::new(),
        },
    })
}

fn rights_rows(differences: Vec<RightsChange>) -> Vec<RightsRow> {
    let row = |one: RightsChange| {
        let name = |name: String| match name.as_str() {
            GUEST => "everybody".to_owned(),
            _ => name,
        };
        let actions: Vec<&str> = one.actions.iter().map(|action| action.as_str()).collect();
        RightsRow {
            tone: if one.shift.is_gain() { "t-warn" } else { "t-quiet" },
            shift: one.shift.words(),
            who: Names::of(one.who.into_iter().map(name).collect()),
            but: Names::of(one.but),
            actions: actions.join(", "),
            places: one.places.join(", "),
            left_out: one.left_out.into_iter().map(left_out).collect(),
            windows: one.windows,
        }
    };
    differences.into_iter().take(RIGHTS_SHOWN).map(row).collect()
}

/// `The 12 named projects`, and which those are.
fn left_out(one: NamedPlaces) -> (String, String) {
    let title = format!("The {} named {}s", one.names.len(), one.kind);
    (title, one.names.join(", "))
}

/// `POST /admin/policy/reload`
#[handler]
pub async fn reload(visitor: Visitor) -> Result<Response> {
    let before = visitor.app().policy().digest();
    let problems = policy::reload_for(visitor.app(), visitor.actor()).await?;
    let after = visitor.app().policy().digest();
    let flash = if problems.iter().any(Problem::is_error) {
        Flash::failed("The files have errors. The policy in force stays.")
    } else if after == before {
        Flash::done("The files were read. They are those in force.")
    } else {
        let url = urls::admin_policy_comparison(&before, &after);
        Flash::next(
            "The files were read, and are in force now.",
            "Who gains and who loses",
            url,
        )
    };
    visitor.flash(flash).await?;
    Ok(go_to(urls::admin_policy()))
}

/// The files that differ, with the lines that do.
fn differing(old: &PolicyFiles, new: &PolicyFiles) -> Vec<FileRows> {
    let names: BTreeSet<&String> = old.0.keys().chain(new.0.keys()).collect();
    let text = |files: &'_ PolicyFiles, name: &String| files.0.get(name).cloned().unwrap_or_default();
    let file = |name: &String| FileRows {
        name: name.clone(),
        rows: rows(&text(old, name), &text(new, name)),
    };
    let files = names.into_iter().map(file);
    files.filter(|file| !file.rows.is_empty()).collect()
}

fn rows(old: &str, new: &str) -> Vec<Row> {
    let difference = TextDiff::configure().timeout(COMPARING).diff_lines(old, new);
    let mut rows = Vec::new();
    for (at, group) in difference.grouped_ops(AROUND).iter().enumerate() {
        if at > 0 {
            rows.push(Row {
                kind: "hunk",
                old: None,
                new: None,
                text: "…".to_owned(),
            });
        }
        for change in group.iter().flat_map(|part| difference.iter_changes(part)) {
            rows.push(Row {
                kind: match change.tag() {
                    ChangeTag::Delete => "del",
                    ChangeTag::Insert => "add",
                    ChangeTag::Equal => "",
                },
                old: change.old_index().map(|index| index + 1),
                new: change.new_index().map(|index| index + 1),
                text: change.value().trim_end_matches(['\r', '\n']).to_owned(),
            });
        }
    }
    rows
}

/// Leaves out what no page could show; whether there was any.
fn cut(files: &mut Vec<FileRows>) -> bool {
    let all: usize = files.iter().map(|file| file.rows.len()).sum();
    let mut left = LINES_SHOWN;
    for file in files.iter_mut() {
        file.rows.truncate(left);
        left -= file.rows.len();
    }
    files.retain(|file| !file.rows.is_empty());
    all > LINES_SHOWN
}
