//! The handbook: four hundred small files, so that a sync has something to compare.

use super::Edit::{Append, Many, Put, Script, Swap};
use super::scripts::HANDBOOK_DEPLOY;
use super::{Act, DORA, INES, LEA, branch, commit, merge};

const LANGUAGES: [&str; 4] = ["en", "fr", "de", "ja"];
const PARTS: [&str; 10] = [
    "start",
    "orders",
    "returns",
    "payment",
    "stock",
    "people",
    "machines",
    "safety",
    "suppliers",
    "words",
];
/// Chapters of each part in each language: 400 files in all.
const CHAPTERS: usize = 10;

/// What happened to the handbook.
pub const ACTS: &[Act] = &[
    commit(
        "main",
        INES,
        "The handbook, brought over from the wiki",
        &[
            Put(
                "README.md",
                "# handbook\n\nFor shops and partners, in four languages.\n",
            ),
            Many(chapters),
        ],
    ),
    commit(
        "main",
        INES,
        "Make an index for the search",
        &[Script("deploy.sh", HANDBOOK_DEPLOY)],
    ),
    commit(
        "main",
        LEA,
        "Returns: thirty days, not fourteen",
        &[
            Append("en/returns/01.md", "\nGoods come back within thirty days.\n"),
            Append(
                "fr/returns/01.md",
                "\nLes retours sont acceptés pendant trente jours.\n",
            ),
            Append(
                "de/returns/01.md",
                "\nWaren können dreißig Tage lang zurückgegeben werden.\n",
            ),
        ],
    ),
    branch("translation/ja", "main"),
    commit(
        "translation/ja",
        LEA,
        "Japanese: returns",
        &[Append("ja/returns/01.md", "\n返品は三十日以内に受け付けます。\n")],
    ),
    commit(
        "main",
        DORA,
        "Safety: whom to call",
        &[Append(
            "en/safety/01.md",
            "\nCall 112 first, then the workshop.\n",
        )],
    ),
    merge("translation/ja", "main", INES),
    commit(
        "main",
        INES,
        "Say how old the handbook is",
        &[Append("README.md", "\nLooked through every quarter.\n")],
    ),
    commit(
        "main",
        LEA,
        "Words: what a “release” is",
        &[Append(
            "en/words/03.md",
            "\nA release is what is on the shelves from a Monday on.\n",
        )],
    ),
    commit(
        "main",
        DORA,
        "Machines: the new loom",
        &[Swap("en/machines/02.md", "Chapter 2", "The new loom: chapter 2")],
    ),
];

fn chapters() -> Vec<(String, String)> {
    let mut all = Vec::with_capacity(LANGUAGES.len() * PARTS.len() * CHAPTERS);
    for language in LANGUAGES {
        for part in PARTS {
            for number in 1..=CHAPTERS {
                let text = format!(
                    "# Chapter {number}\n\nPart: {part}. Language: {language}.\n\n{}",
                    "What to know, what to do, whom to ask.\n".repeat(4 + number % 5)
                );
                all.push((format!("{language}/{part}/{number:02}.md"), text));
            }
        }
    }
    all
}
