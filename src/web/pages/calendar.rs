//! The calendar: windows, holidays, freezes, locks and scheduled deployments, a week at a time; and the same
//! for calendar programs.

use askama::Template;
use chrono::{Datelike, Days, NaiveDate};
use chrono_tz::Tz;
use poem::web::Query;
use poem::{Response, handler};

use crate::app::calendar::{SeenCalendar, freeze_words, scheduled_within, seen};
use crate::app::calendar_feed::{self, FeedParts};
use crate::domain::calendar::beginning;
use crate::domain::{Area, Deployment, Error, Instant, Result};
use crate::web::forms::FormData;
use crate::web::frame::{Frame, Section};
use crate::web::pages::form_page;
use crate::web::views::day_bar::{self, BarPiece};
use crate::web::visitor::Visitor;
use crate::web::{urls, zone};

/// The first year that is shown, and the last: beyond, calendars are only rules.
const YEARS: std::ops::RangeInclusive<i32> = 2000..=2100;

/// The contract of `templates/calendar/index.html`.
#[derive(Template)]
#[template(path = "calendar/index.html")]
struct CalendarPage {
    frame: Frame,
    form: FormData,
    zones: Vec<String>,
    /// The week in words.
    week: String,
    days: Vec<DayRow>,
    before: String,
    after: String,
    /// This week; empty where it is shown.
    today: String,
    freezes: Vec<FreezeRow>,
    locks: Vec<(String, String)>,
    zone: String,
    /// Whether the visitor may have an address for calendar programs made.
    may_subscribe: bool,
    feed: &'static str,
    /// The policy page, for those who may read it.
    policy: &'static str,
}

/// A day of the week.
struct DayRow {
    name: String,
    is_today: bool,
    is_holiday: bool,
    lanes: Vec<Lane>,
    /// Deployments that begin then: time, words, address.
    scheduled: Vec<(String, String, String)>,
}

/// A window, a freeze or a lock on one day.
struct Lane {
    name: String,
    hours: String,
    pieces: Vec<BarPiece>,
}

/// A freeze that is in force in this week, or later.
struct FreezeRow {
    name: String,
    reason: String,
    of: String,
    from: String,
    until: String,
    is_in_force: bool,
}

/// `GET /calendar`
#[handler]
pub async fn show(visitor: Visitor, sent: Query<FormData>) -> Result<Response> {
    let mut form = sent.0;
    let (zone, odd_zone) = zone::of(&visitor, &form);
    let today = visitor.now().with_timezone(&zone).date_naive();
    let chosen = form.accept(form.read(|form| {
        if let Some(odd) = &odd_zone {
            form.complain("zone", odd.as_str());
        }
        match form.form.text("week").trim() {
            "" => Some(today),
            text => form.take("week", day(text)),
        }
    }))?;
    let monday = monday(chosen.unwrap_or(today));
    let seen = seen(visitor.app(), visitor.actor()).await?;
    let week = |days: i64| {
        let day = monday + chrono::TimeDelta::days(days);
        let day = day.to_string();
        urls::with_query(urls::calendar(), &[("week", &day), ("zone", form.text("zone"))])
    };
    let reads_policy = visitor.app().may_read(visitor.actor(), Area::Policy);
    let last = monday + chrono::TimeDelta::days(6);
    let page = CalendarPage {
        frame: visitor.frame("Calendar", Section::Activity).await?,
        zones: zone::offered(&visitor),
        week: format!("{} to {}", monday.format("%-d %B"), last.format("%-d %B %Y")),
        days: (0..7)
            .filter_map(|day| row(&seen, monday + Days::new(day), zone, visitor.now()))
            .collect(),
        before: week(-7),
        after: week(7),
        today: match monday == self::monday(today) {
            true => String::new(),
            false => urls::with_query(urls::calendar(), &[("zone", form.text("zone"))]),
        },
        freezes: freezes(&seen, monday, zone, visitor.now()),
        locks: seen
            .locks
            .iter()
            .map(|view| (view.over.to_string(), view.lock.sentence("it")))
            .collect(),
        zone: zone.name().to_owned(),
        may_subscribe: visitor.principal().is_session(),
        feed: urls::tokens(),
        policy: if reads_policy { urls::admin_policy() } else { "" },
        form,
    };
    form_page(&page, &page.form.complaints)
}

fn day(text: &str) -> std::result::Result<NaiveDate, String> {
    let read = text.parse::<NaiveDate>().ok();
    read.filter(|day| YEARS.contains(&day.year()))
        .ok_or_else(|| "Write a day as 2026-11-22.".to_owned())
}

fn monday(day: NaiveDate) -> NaiveDate {
    let past = Days::new(u64::from(day.weekday().num_days_from_monday()));
    day.checked_sub_days(past).unwrap_or(day)
}

fn row(seen: &SeenCalendar, day: NaiveDate, zone: Tz, now: Instant) -> Option<DayRow> {
    let span = (beginning(day, zone)?, beginning(day.succ_opt()?, zone)?);
    let clock = |at: Instant| at.with_timezone(&zone).format("%H:%M").to_string();
    let scheduled = |one: &Deployment| {
        let words = format!("{}/{}: {}", one.project, one.environment, one.commit_title);
        let at = one.scheduled_at.map(clock).unwrap_or_default();
        (at, words, urls::deployment(one.id))
    };
    let calendar = &seen.calendar;
    let mut lanes: Vec<Lane> = Vec::new();
    for name in calendar.windows.keys() {
        let spans = calendar.spans_of(name, span.0, span.1);
        lanes.extend(lane(name, "yes", &spans, span, zone));
    }
    for freeze in &calendar.freezes {
        let name = format!("Freeze: {}", freeze.name);
        lanes.extend(lane(&name, "no", &[(freeze.from, freeze.until)], span, zone));
    }
    for view in &seen.locks {
        let lock = &view.lock;
        // Without an end it lasts until somebody lifts it.
        let until = lock.ends_at.unwrap_or(span.1.max(lock.created_at));
        let name = format!("Locked: {}", view.over);
        lanes.extend(lane(&name, "lock", &[(lock.created_at, until)], span, zone));
    }
    Some(DayRow {
        name: day.format("%a %-d %b").to_string(),
        is_today: span.0 <= now && now < span.1,
        is_holiday: calendar.holidays.contains(day),
        lanes,
        scheduled: scheduled_within(&seen.scheduled, span).map(scheduled).collect(),
    })
}

/// A lane of a day; `None` where nothing of it is on that day.
fn lane(
    name: &str,
    tone: &'static str,
    spans: &[(Instant, Instant)],
    day: (Instant, Instant),
    zone: Tz,
) -> Option<Lane> {
    let own = spans
        .iter()
        .filter(|(from, until)| *from < day.1 && *until > day.0);
    let own: Vec<(Instant, Instant)> = own.copied().collect();
    let hours: Vec<String> = own
        .iter()
        .map(|&(from, until)| day_bar::hours(from, until, day, zone))
        .collect();
    let spans = own.iter().zip(&hours);
    let spans = spans.map(|(&(from, until), hours)| (from, until, tone, format!("{name}, {hours}")));
    (!own.is_empty()).then(|| Lane {
        name: name.to_owned(),

        pieces: day_bar::pieces(spans, day),
        hours: hours.join(", "),
    })
}

fn freezes(seen: &SeenCalendar, monday: NaiveDate, zone: Tz, now: Instant) -> Vec<FreezeRow> {
    let begins = beginning(monday, zone).unwrap_or(now);
    let freezes = seen
        .calendar
        .freezes
        .iter()
        .filter(|freeze| freeze.until > begins);
    let row = |freeze: &crate::domain::Freeze| FreezeRow {
        name: freeze.name.clone(),
        reason: freeze.reason.clone(),
        of: freeze_words(freeze),
        from: zone::words(freeze.from, zone),
        until: zone::words(freeze.until, zone),
        is_in_force: freeze.from <= now && now < freeze.until,
    };
    freezes.map(row).collect()
}

/// `GET /calendar.ics`
#[handler]
pub async fn feed(visitor: Visitor, sent: Query<FormData>) -> Result<Response> {
    let parts = FeedParts::parse(sent.text("show")).map_err(|odd| {
        let odd = odd.escape_debug();
        Error::invalid(format!(
            "“{odd}” is no part of the calendar; choose from holidays, freezes, locks, deployments and windows."
        ))
    })?;
    let seen = seen(visitor.app(), visitor.actor()).await?;
    let base = visitor.app().config().public_url();
    let address = |one: &Deployment| format!("{}{}", base.trim_end_matches('/'), urls::deployment(one.id));
    Ok(Response::builder()
        .content_type("text/calendar; charset=utf-8")
        .header("content-disposition", "inline; filename=\"deployer.ics\"")
        .body(calendar_feed::feed(&seen, parts, visitor.now(), address)))
}
