//! Finds events by the words that people use.

use sea_orm::sea_query::{Expr, ExprTrait, Func, LikeExpr};
use sea_orm::{ColumnTrait, Condition, EntityTrait, QueryFilter, Select};

use super::super::columns::micros;
use super::super::entities::audit_events::{Column, Entity};
use super::super::filter::AuditFilter;

/// Takes the meaning of the signs that stand for any text.
const ESCAPE: char = '!';

/// The events that `filter` is for.
pub(super) fn narrowed(filter: &AuditFilter) -> Select<Entity> {
    let mut rows = Entity::find();
    if let Some(who) = &filter.who {
        let account = starts_with_and_holds("user ", who);
        let named = [Column::Actor, Column::Impersonator].map(|column| holds(column, who));
        let any = named.into_iter().fold(account, Condition::add);
        rows = rows.filter(any);
    }
    if !filter.actions.is_empty() || !filter.telling.is_empty() {
        let named = |action: &String| match action.ends_with('.') {
            true => Column::Action.starts_with(action),
            false => Column::Action.eq(action),
        };
        let any = filter.actions.iter().map(named);
        let any = any.fold(Condition::any(), Condition::add);
        let tell = |(action, detail): &(&str, &str)| {
            Condition::all()
                .add(Column::Action.eq(*action))
                .add(holds(Column::Detail, detail))
        };
        rows = rows.filter(filter.telling.iter().map(tell).fold(any, Condition::add));
    }
    if let Some(about) = &filter.about {
        rows = rows.filter(holds(Column::Resource, about));
    }
    if let Some(text) = &filter.text {
        let columns = [
            Column::Actor,
            Column::Impersonator,
            Column::Address,
            Column::Action,
            Column::Resource,
            Column::Permit,
        ];
        let any = columns.into_iter().map(|column| holds(column, text));
        let any = any.fold(Condition::any(), Condition::add);
        rows = rows.filter(any.add(detail_holds(filter, text)));
    }
    if !filter.hidden.is_empty() {
        rows = rows.filter(Column::Resource.is_not_in(&filter.hidden));
    }
    if let Some(outcome) = filter.outcome {
        rows = rows.filter(Column::Outcome.eq(outcome.as_str()));
    }
    if let Some(from) = filter.from {
        rows = rows.filter(Column::HappenedAt.gte(micros(from)));
    }
    if let Some(to) = filter.to {
        rows = rows.filter(Column::HappenedAt.lt(micros(to)));
    }
    rows
}

/// That the details hold `text`, where the reader may know all of them: else whoever guesses letter by letter
/// learns what is covered.
fn detail_holds(filter: &AuditFilter, text: &str) -> Condition {
    let holds = Condition::all().add(holds(Column::Detail, text));
    match filter.covered.is_empty() {
        true => holds,
        false => holds.add(Column::Action.is_not_in(&filter.covered)),
    }
}

/// That `column` holds `text`, whatever its case.
fn holds(column: Column, text: &str) -> Condition {
    like(column, &format!("%{}%", escaped(text)))
}

/// That a resource begins with `start` and holds `text` after it.
fn starts_with_and_holds(start: &str, text: &str) -> Condition {
    like(Column::Resource, &format!("{start}%{}%", escaped(text)))
}

/// Not every database knows the lower case of every letter, so the text is also tried with those of ASCII
/// alone in lower case.
fn like(column: Column, pattern: &str) -> Condition {
    let lower = || Expr::expr(Func::lower(Expr::col(column)));
    let like = |pattern: String| lower().like(LikeExpr::new(pattern).escape(ESCAPE));
    let (all, ascii) = (pattern.to_lowercase(), pattern.to_ascii_lowercase());
    let any = Condition::any().add(like(ascii.clone()));
    match all == ascii {
        true => any,
        false => any.add(like(all)),
    }
}

fn escaped(text: &str) -> String {
    let signs = [ESCAPE, '%', '_'];
    let mut safe = String::new();
    for c in text.chars() {
        if signs.contains(&c) {
            safe.push(ESCAPE);
        }
        safe.push(c);
    }
    safe
}
