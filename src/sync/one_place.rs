//! Whether servers put their files into one directory: two names of one machine, or a file system that
//! several mount. Their deployments would delete each other's files.
//!
//! [`Inspection::identity`](super::Inspection::identity) tells which could be: only those are asked, as asking
//! makes a file in each directory for a moment. Machines made from one image look alike, and are not.

use std::collections::BTreeSet;

use futures_util::future::join_all;

use super::error::Trouble;
use super::remote::{Limits, ONE_PLACE, ask};
use crate::ssh::Session;

/// For each of `places`, a directory on a server, which of them are the same directory, itself included. Empty
/// where the server could not tell.
pub async fn same_places(places: &[(&Session, &str)], limits: &Limits) -> Vec<BTreeSet<usize>> {
    let word = hex::encode(rand::random::<[u8; 8]>());
    let each = async |act: &str| {
        let asked = places
            .iter()
            .enumerate()
            .map(|(number, (session, directory))| asked(session, act, directory, (&word, number), limits));
        join_all(asked).await
    };
    let made = each("make").await;
    let seen = each("look").await;
    each("drop").await;
    let seen = made.into_iter().zip(seen).map(|(made, seen)| match (made, seen) {
        (Ok(_), Ok(seen)) => seen,
        (Err(trouble), _) | (_, Err(trouble)) => {
            tracing::warn!(%trouble, "a server did not tell whether another one shares its directory");
            BTreeSet::new()
        }
    });
    seen.collect()
}

async fn asked(
    session: &Session,
    act: &str,
    directory: &str,
    (word, number): (&str, usize),
    limits: &Limits,
) -> Result<BTreeSet<usize>, Trouble> {
    let number = number.to_string();
    let args = [act, directory, word, &number].map(str::as_bytes);
    let answer = ask(session, ONE_PLACE, &args, limits.question()).await?;
    let marks = answer.texts("mark").into_iter();
    Ok(marks.filter_map(|mark| mark.parse().ok()).collect())
}
