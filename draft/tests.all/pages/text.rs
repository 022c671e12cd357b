//! Text from outside on every page: what would change its direction is shown as a mark.

use std::collections::BTreeSet;

use deployer::app::deployments::DeployRequest;

use super::support::{Pages, value};
use crate::support::world::World;

/// Characters with Unicode's property `Bidi_Control`.
const TURNS: [char; 12] = [
    '\u{61c}', '\u{200e}', '\u{200f}', '\u{202a}', '\u{202b}', '\u{202c}', '\u{202d}', '\u{202e}',
    '\u{2066}', '\u{2067}', '\u{2068}', '\u{2069}',
];

/// The pages that a page links to; downloads are for programs.
fn links(page: &str) -> impl Iterator<Item = String> {
    page.split("<a ").skip(1).filter_map(|rest| {
        let (tag, _) = rest.split_once('>')?;
        let (_, rest) = tag.split_once("href=\"/")?;
        let address = rest.split(['"', '#']).next()?.replace("&#38;", "&");
        // Each name in the audit log leads to a page of its own.
        let is_page = !tag.contains(" download") && !address.starts_with("audit?");
        is_page.then(|| format!("/{address}"))
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn characters_that_turn_text_round_are_marks_on_every_page() {
    let mut pages = Pages::start(&["dev"], "admin").await;
    pages
        .world
        .repository
        .write("in\u{202e}voice.txt", "pay \u{2066}me\u{2069} now\n");
    let commit = pages.world.commit("Pay\u{202e}ment").await;
    let request = DeployRequest {
        reason: "ur\u{200f}gent".to_owned(),
        ..World::request(&commit)
    };
    let id = pages.world.ask(request).await;
    pages.world.end(id).await;
    let place = pages.page("/projects/shop/dev").await;
    let lock = [
        ("csrf", value(&place, "csrf")),
        ("reason", "fro\u{202d}zen".to_owned()),
    ];
    let lock: Vec<(&str, &str)> = lock.iter().map(|(name, text)| (*name, text.as_str())).collect();
    assert_eq!(pages.send("/projects/shop/dev/lock", &lock).await.status(), 303);

    let mut ahead = vec!["/".to_owned(), "/projects/shop/diff?to=main".to_owned()];
    let mut seen = BTreeSet::new();
    let mut marked = BTreeSet::new();
    while let Some(path) = ahead.pop() {
        if seen.len() > 150 || !seen.insert(path.clone()) {
            continue;
        }
        let (_, page) = pages.get(&path).await;
        assert!(!page.contains(TURNS), "{path}: {page}");
        let texts = [
            "Pay\u{fffd}ment",
            "in\u{fffd}voice.txt",
            "pay \u{fffd}me\u{fffd} now",
            "ur\u{fffd}gent",
            "fro\u{fffd}zen",
        ];
        marked.extend(texts.into_iter().filter(|text| page.contains(text)));
        ahead.extend(links(&page));
    }
    assert!(seen.len() > 20, "{seen:?}");
    assert_eq!(marked.len(), 5, "{marked:?} on {seen:?}");
}
