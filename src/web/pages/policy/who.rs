//! Who may do what at a place, or could on a day, as a table of roles and people.

use askama::Template;
use chrono::NaiveDate;
use chrono_tz::Tz;
use poem::web::Query;
use poem::{Response, handler};

use super::may::trail;
use super::{by_policy, places};
use crate::access::{AllowedTime, RightsRow, RightsTable};
use crate::app::policy_questions::{self, PLACE_ACTIONS, PlaceRights, PolicyTable};
use crate::domain::access::GUEST;
use crate::domain::{Action, Area, ErrorKind, Instant, Resource, Result};
use crate::web::format::count;
use crate::web::forms::{Complaints, FormData, FormReader};
use crate::web::frame::{Frame, Section};
use crate::web::pages::form_page;
use crate::web::trail::{self, Trail};
use crate::web::visitor::Visitor;
use crate::web::{urls, zone};

/// Names that a row shows; a search finds the others.
const NAMES_SHOWN: usize = 300;
/// Rows of a table that are shown; a search finds the others.
const ROWS_SHOWN: usize = 100;
/// Names of a row that are shown outside of its fold.
const NAMES_OPEN: usize = 3;

/// The contract of `templates/policy/who.html`.
#[derive(Template)]
#[template(path = "policy/who.html")]
struct WhoPage {
    frame: Frame,
    trail: Trail,
    /// The place, in words.
    place: String,
    form: FormData,
    places: Vec<String>,
    /// The environments of the place, where that is a project.
    parts: Vec<(String, String)>,
    /// Whether the visitor may ask about an earlier day.
    asks_about_days: bool,
    zone: String,
    actions: Vec<Action>,
    tables: Vec<TableView>,
    more: bool,
    /// That there is no such place, as a sentence.
    unknown: Option<String>,
    /// Where one question about the place is asked.
    may: String,
}

/// Who may do what by one policy.
struct TableView {
    /// When of the day it was in force; empty: the whole day.
    in_force: String,
    policy: Option<(String, String)>,
    rows: Vec<RowView>,
    /// How many rows are left out, in words; empty: none.
    left_out: String,
    is_complete: bool,
}

/// Those with the same rights.
struct RowView {
    /// A role, or words for people that have their rights otherwise.
    title: String,
    icon: &'static str,
    /// How many people, in words.
    size: String,
    /// The first names, or those that were searched for.
    names: String,
    /// The others, in a fold.
    rest: String,
    cells: Vec<CellView>,
}

/// When a row may do one action.
struct CellView {
    title: &'static str,
    times: Vec<AllowedTime>,
}

/// `GET /policy/who`
#[handler]
pub async fn show(visitor: Visitor, sent: Query<FormData>) -> Result<Response> {
    let mut form = sent.0;
    let (zone, odd_zone) = zone::of(&visitor, &form);
    let place = form.text("place").trim().to_owned();
    let day = form.accept(form.read(|form| {
        if let Some(odd) = &odd_zone {
            form.complain("zone", odd.as_str());
        }
        day(form)
    }))?;
    let found = match day {
        Some(day) if !place.is_empty() => {
            let day = day.map(|day| (day, zone));
            rights(&visitor, &mut form, day).await?
        }
        _ => None,
    };
    if form.text("zone").is_empty() {
        form.set("zone", zone.name());
    }
    let reads_policy = visitor.app().may_read(visitor.actor(), Area::Policy);
    let search = form.text("q").trim().to_lowercase();
    let (resource, tables, more, unknown) = match found {
        Some(rights) => (Some(rights.resource), rights.tables, rights.more, rights.unknown),
        None => (None, Vec::new(), false, None),
    };
    let places = places(&visitor).await?;
    let parts = match &resource {
        Some(Resource::Project(project)) => parts(project, &places),
        _ => Vec::new(),
    };
    let view = |one: PolicyTable| table(one, (&search, zone), reads_policy);
    let page = WhoPage {
        frame: visitor.frame(title(resource.as_ref()), Section::Overview).await?,
        trail: way(resource.as_ref(), reads_policy),
        place: resource.map(|resource| resource.to_string()).unwrap_or_default(),
        places,
        parts,
        asks_about_days: reads_policy || visitor.app().may_read(visitor.actor(), Area::Audit),
        zone: zone.name().to_owned(),
        actions: PLACE_ACTIONS.to_vec(),
        tables: tables.into_iter().map(view).collect(),
        more,
        unknown,
        may: urls::with_query(urls::policy_may(), &[("place", &place), ("action", "deploy")]),
        form,
    };
    form_page(&page, &page.form.complaints)
}

/// The answer; `None` where the form has complaints instead.
async fn rights(
    visitor: &Visitor,
    form: &mut FormData,
    day: Option<(NaiveDate, Tz)>,
) -> Result<Option<PlaceRights>> {
    let place = form.text("place").trim();
    match policy_questions::rights(visitor.app(), visitor.actor(), place, day).await {
        Ok(rights) => Ok(Some(rights)),
        Err(error) if error.kind() == ErrorKind::Invalid => {
            form.complaints = Complaints::of_error(&error);
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

/// The environments of a project among `places`, with the addresses of their tables.
fn parts(project: &str, places: &[String]) -> Vec<(String, String)> {
    let is_of = |place: &&String| place.split_once('/').is_some_and(|(of, _)| of == project);
    let link = |place: &String| {
        (
            place.clone(),
            urls::with_query(urls::policy_who(), &[("place", place)]),
        )
    };
    places.iter().filter(is_of).map(link).collect()
}

/// The day that is asked about, if one is.
fn day(form: &mut FormReader<'_>) -> Option<Option<NaiveDate>> {
    match form.form.text("day").trim() {
        "" => Some(None),
        text => {
            let read = text.parse().map_err(|_| "Write a day as 2026-11-22.".to_owned());
            form.take("day", read).map(Some)
        }
    }
}

fn title(resource: Option<&Resource>) -> String {
    match resource {
        Some(resource) => format!("Who may do what: {resource}"),
        None => "Who may do what".to_owned(),
    }
}

fn way(resource: Option<&Resource>, reads_policy: bool) -> Trail {
    match resource {
        Some(Resource::Environment(project, environment)) => trail::environment(project, environment),
        Some(Resource::Project(project)) => trail::project(project),
        _ => trail(reads_policy),
    }
}

fn table(one: PolicyTable, (search, zone): (&str, Tz), reads_policy: bool) -> TableView {
    let RightsTable {
        actions,
        rows,
        is_complete,
    } = one.table;
    let rows = rows.into_iter().filter_map(|one| row(one, &actions, search));
    let mut rows: Vec<RowView> = rows.collect();
    let left_out = rows.len().saturating_sub(ROWS_SHOWN);
    rows.truncate(ROWS_SHOWN);
    TableView {
        in_force: one.in_force.map_or(String::new(), |span| in_force(span, zone)),
        policy: by_policy(&one.policy, reads_policy),
        left_out: match left_out {
            0 => String::new(),
            left => format!("{} not shown here.", count(left, "further row")),
        },
        rows,
        is_complete,
    }
}

/// `In force from 10:32 to 24:00 of that day (UTC).`
fn in_force((from, until): (Instant, Instant), zone: Tz) -> String {
    let clock = |at: Instant| at.with_timezone(&zone).format("%H:%M").to_string();
    let end = match clock(until) {
        midnight if midnight == "00:00" => "24:00".to_owned(),
        end => end,
    };
    format!("In force from {} to {end} of that day ({zone}).", clock(from))
}

/// A row with the names that `search` finds; `None` where it finds nothing in it.
fn row(one: RightsRow, actions: &[Action], search: &str) -> Option<RowView> {
    let RightsRow {
        subject,
        people,
        cells,
    } = one;
    let total = people.len();
    let is_found = |name: &String| name.to_lowercase().contains(search);
    let is_named = subject.as_ref().is_some_and(is_found) && !search.is_empty();
    let is_everybody = subject.as_deref() == Some(GUEST);
    let mut names: Vec<String> = match is_named {
        true => people,
        false => people.into_iter().filter(is_found).collect(),
    };
    if !search.is_empty() && names.is_empty() && !is_named && !is_everybody {
        return None;
    }
    let more = names.len().saturating_sub(NAMES_SHOWN);
    names.truncate(NAMES_SHOWN);
    let open = match names.len() {
        few if few <= NAMES_OPEN + 1 => few,
        _ => NAMES_OPEN,
    };
    let mut rest = names.split_off(open).join(", ");
    if more > 0 {
        rest.push_str(&format!(", and {more} more: search for a name"));
    }
    let cells = actions.iter().zip(cells).map(|(action, times)| CellView {
        title: action.title(),
        times,
    });
    Some(RowView {
        icon: match (&subject, is_everybody) {
            (_, true) => "world",
            (Some(_), _) => "users",
            (None, _) => "user",
        },
        size: match (total, is_everybody) {
            (_, true) => "with or without a login".to_owned(),
            (0, _) => "nobody who has no other role".to_owned(),
            (total, _) => count(total, "name"),
        },
        title: match (subject, is_everybody) {
            (_, true) => "Everybody".to_owned(),
            (Some(role), _) => role,
            (None, _) => "Individually".to_owned(),
        },
        names: names.join(", "),
        rest,
        cells: cells.collect(),
    })
}
