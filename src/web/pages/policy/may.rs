//! May somebody do something somewhere, then? The answer with its lines, and the week drawn.

use askama::Template;
use chrono_tz::Tz;
use poem::web::Query;
use poem::{Response, handler};

use super::{by_policy, places};
use crate::access::{DrawnDay, Explanation, Ruling, SpeakingLine};
use crate::app::policy_questions::{self, MayAnswer, MayQuestion};
use crate::domain::calendar::beginning;
use crate::domain::{Action, Area, ErrorKind, Instant, PolicyLine, Result};
use crate::web::forms::{Complaints, FormData, FormReader};
use crate::web::frame::{Frame, Section};
use crate::web::pages::form_page;
use crate::web::trail::Trail;
use crate::web::views::day_bar::{self, BarPiece};
use crate::web::visitor::Visitor;
use crate::web::{urls, zone};

/// The contract of `templates/policy/may.html`.
#[derive(Template)]
#[template(path = "policy/may.html")]
struct MayPage {
    frame: Frame,
    trail: Trail,
    form: FormData,
    /// Whether the visitor may ask about others.
    asks_about_others: bool,
    actions: Vec<(&'static str, &'static str)>,
    places: Vec<String>,
    zones: Vec<String>,
    answer: Option<AnswerView>,
}

/// The answer in words.
struct AnswerView {
    allowed: bool,
    /// `alice may not deploy shop/prod`
    sentence: String,
    unknown: Vec<String>,
    /// When it was asked for, by the clock of the zone.
    at: String,
    /// By whom a second person has to be; empty: nobody.
    with: String,
    line: Option<CitedLine>,
    /// The lines that allow it at another time.
    at_other_times: Vec<CitedLine>,
    /// When it is allowed again; empty where that is not known, or where it is allowed.
    next_allowed: String,
    speak_for: Vec<CitedLine>,
    speak_against: Vec<CitedLine>,
    /// When it changes next, and to what.
    next: String,
    /// The roles on the way, the names first.
    names: String,
    policy: Option<(String, String)>,
    week: Vec<DayView>,
    zone: String,
    /// The same question a week before and after.
    before: String,
    after: String,
    /// Who may do what at the place.
    who: String,
}

/// A line that speaks for or against it.
struct CitedLine {
    line: PolicyLine,
    /// Where it stands in the policy as it was; empty for those who may not read that.
    url: String,
    /// Over which roles it counts.
    way: String,
}

/// A day of the drawn week.
struct DayView {
    name: String,
    is_asked: bool,
    hours: Vec<String>,
    pieces: Vec<BarPiece>,
}

/// `GET /policy/may`
#[handler]
pub async fn show(visitor: Visitor, sent: Query<FormData>) -> Result<Response> {
    let mut form = sent.0;
    let (zone, odd_zone) = zone::of(&visitor, &form);
    let asked = match form.has("place") {
        true => form.accept(form.read(|form| question(form, &visitor, zone, odd_zone)))?,
        false => None,
    };
    let answer = match asked {
        None => None,
        Some(asked) => {
            let at = asked.at;
            let found = policy_questions::may(visitor.app(), visitor.actor(), asked, zone).await;
            match found {
                Ok(found) => Some(view(&visitor, found, (at, zone), &form)),
                Err(error) if error.kind() == ErrorKind::Invalid => {
                    form.complaints = Complaints::of_error(&error);
                    None
                }
                Err(error) => return Err(error),
            }
        }
    };
    if form.text("zone").is_empty() {
        form.set("zone", zone.name());
    }
    let asks_about_others = visitor.app().may_read(visitor.actor(), Area::Policy);
    let page = MayPage {
        frame: visitor.frame("May somebody do it?", Section::Elsewhere).await?,
        trail: trail(asks_about_others),
        asks_about_others,
        actions: Action::ALL
            .iter()
            .map(|one| (one.as_str(), one.title()))
            .collect(),
        places: places(&visitor).await?,
        zones: zone::offered(&visitor),
        answer,
        form,
    };
    form_page(&page, &page.form.complaints)
}

/// The way back to the policy, for those who may read it.
pub(super) fn trail(reads_policy: bool) -> Trail {
    match reads_policy {
        true => vec![("Policy".to_owned(), urls::admin_policy().to_owned())],
        false => crate::web::trail::overview(),
    }
}

fn question(
    form: &mut FormReader<'_>,
    visitor: &Visitor,
    zone: Tz,
    odd_zone: Option<String>,
) -> Option<MayQuestion> {
    if let Some(odd) = odd_zone {
        form.complain("zone", odd);
    }
    let action = form.take("action", form.form.text("action").parse::<Action>());
    let at = match form.form.text("when").trim() {
        "" => Some(visitor.now()),
        text => form.take("when", zone::read(text, zone)),
    };
    let groups = form.form.text("groups").split([',', ' ']);
    let groups = groups.map(str::trim).filter(|name| !name.is_empty());
    Some(MayQuestion {
        who: form.form.text("who").trim().to_owned(),
        groups: groups.map(str::to_owned).collect(),
        action: action?,
        place: form.form.text("place").trim().to_owned(),
        at: at?,
    })
}

fn view(visitor: &Visitor, found: MayAnswer, (at, zone): (Instant, Tz), form: &FormData) -> AnswerView {
    let reads_policy = visitor.app().may_read(visitor.actor(), Area::Policy);
    let MayAnswer {
        who,
        explanation: one,
        week,
        policy,
        unknown,
    } = found;
    let who = match who.as_str() {
        "" => "You".to_owned(),
        name => name.to_owned(),
    };
    let may = if one.ruling.allowed { "may" } else { "may not" };
    let Explanation { action, place, .. } = &one;
    AnswerView {
        allowed: one.ruling.allowed,
        sentence: format!("{who} {may} {action} {place}"),
        unknown,
        at: zone::words(at, zone),
        with: with(&one.ruling),
        names: one.names.join(", "),
        next: next(&one, zone),
        next_allowed: one
            .next_allowed
            .map_or(String::new(), |next| zone::words(next, zone)),
        at_other_times: match &one.line {
            // A line that forbids it overrides them.
            Some(_) => Vec::new(),
            None => one
                .outside_window
                .into_iter()
                .map(|line| cited(line, String::new(), reads_policy))
                .collect(),
        },
        line: one.line.map(|line| cited(line, String::new(), reads_policy)),
        speak_for: one
            .speak_for
            .into_iter()
            .map(|one| speaking(one, reads_policy))
            .collect(),
        speak_against: one
            .speak_against
            .into_iter()
            .map(|one| speaking(one, reads_policy))
            .collect(),
        policy: by_policy(&policy, reads_policy),
        week: days(&week, at, zone),
        zone: zone.name().to_owned(),
        before: at_another_time(form, at - chrono::TimeDelta::days(7), zone),
        after: at_another_time(form, at + chrono::TimeDelta::days(7), zone),
        who: urls::policy_who_at(form.text("place")),
    }
}

fn cited(line: PolicyLine, way: String, reads_policy: bool) -> CitedLine {
    let url = urls::admin_policy_line(&line).filter(|_| reads_policy);
    CitedLine {
        url: url.unwrap_or_default(),
        line,
        way,
    }
}

fn speaking(one: SpeakingLine, reads_policy: bool) -> CitedLine {
    let way = if one.way.len() > 1 {
        one.way.join(" → ")
    } else {
        String::new()
    };
    cited(one.line, way, reads_policy)
}

/// ` with role:releaser`; empty where nobody else is needed.
fn with(ruling: &Ruling) -> String {
    match ruling.with.as_slice() {
        [] => String::new(),
        with => format!("as soon as {} approves it", with.join(" or ")),
    }
}

fn next(one: &Explanation, zone: Tz) -> String {
    let Some((at, then)) = &one.next else {
        return "Nothing changes that within a year.".to_owned();
    };
    let word = if then.allowed { "allowed" } else { "not allowed" };
    let with = match with(then) {
        with if with.is_empty() => with,
        with => format!(", {with}"),
    };
    format!("From {} on: {word}{with}.", zone::words(*at, zone))
}

/// The address of the same question at another time.
fn at_another_time(form: &FormData, at: Instant, zone: Tz) -> String {
    let at = zone::field_value(at, zone);
    let field = |name: &'static str| (name, form.text(name));
    let mut pairs = vec![field("who"), field("groups"), field("action"), field("place")];
    pairs.extend([("when", at.as_str()), ("zone", zone.name())]);
    format!("{}#week", urls::with_query(urls::policy_may(), &pairs))
}

fn days(week: &[DrawnDay], at: Instant, zone: Tz) -> Vec<DayView> {
    let asked = at.with_timezone(&zone).date_naive();
    let day = |day: &DrawnDay| {
        let begins = beginning(day.date, zone)?;
        let ends = beginning(day.date.succ_opt()?, zone)?;
        let words = |from, until, ruling: &Ruling| {
            let hours = day_bar::hours(from, until, (begins, ends), zone);
            match with(ruling) {
                with if with.is_empty() => hours,
                with => format!("{hours} {with}"),
            }
        };
        let spans = day.spans.iter().map(|span| {
            let tone = if span.ruling.with.is_empty() {
                "yes"
            } else {
                "both"
            };
            (
                span.from,
                span.until,
                tone,
                words(span.from, span.until, &span.ruling),
            )
        });
        let mut pieces = day_bar::pieces(spans, (begins, ends));
        if day.date == asked {
            pieces.extend(day_bar::pieces(
                [(
                    at,
                    at + chrono::TimeDelta::minutes(1),
                    "now",
                    zone::words(at, zone),
                )],
                (begins, ends),
            ));
        }
        Some(DayView {
            name: day.date.format("%a %-d %b").to_string(),
            is_asked: day.date == asked,
            hours: day
                .spans
                .iter()
                .map(|span| words(span.from, span.until, &span.ruling))
                .collect(),
            pieces,
        })
    };
    week.iter().filter_map(day).collect()
}
