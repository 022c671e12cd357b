//! Questions about the policy: may somebody do something, and who may do what somewhere.
//!
//! The policy itself, as its files have it, is among the pages of the configuration.

pub mod may;
pub mod who;

use crate::app::history;
use crate::app::policy_questions::AnsweringPolicy;
use crate::domain::Result;
use crate::web::urls;
use crate::web::visitor::Visitor;

/// Places that a form offers while typing; more than that nobody reads through.
const PLACES_OFFERED: usize = 200;

/// The places that this visitor may see, as questions name them.
async fn places(visitor: &Visitor) -> Result<Vec<String>> {
    let visible = history::viewable(visitor.app(), visitor.actor()).await?;
    let places = visible.places.iter().take(PLACES_OFFERED);
    Ok(places
        .map(|(project, environment)| format!("{project}/{environment}"))
        .collect())
}

/// By which policy an answer is, where that is not the present one: a sentence, and the address of that policy
/// for those who may read it.
fn by_policy(policy: &AnsweringPolicy, reads_policy: bool) -> Option<(String, String)> {
    match policy {
        AnsweringPolicy::Present => None,
        AnsweringPolicy::Past { digest, since } => {
            let since = crate::web::format::full(since);
            let url = if reads_policy {
                urls::admin_policy_version(digest)
            } else {
                String::new()
            };
            Some((
                format!("By the policy that was in force then, since {since}."),
                url,
            ))
        }
        AnsweringPolicy::NotKept => {
            let told = "No policy of that time is kept. This is by the one in force now.";
            Some((told.to_owned(), String::new()))
        }
    }
}
