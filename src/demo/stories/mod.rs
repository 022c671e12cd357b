//! What the sample projects went through: their files and commits, as plain tables.
//!
//! A story is a list of [`Act`]s, oldest first, of small hand-written [`Edit`]s. It has no dates
//! and no hashes; `repositories` tells it with Git, in the weeks before now. So a reader of the
//! demo sees believable messages, authors, branches, merges and renames, and a reader of this
//! code sees what a commit changes.

mod handbook;
mod mobile;
mod orders;
mod scripts;
mod shop;
mod site;

/// Somebody who writes commits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Author {
    /// First and last name.
    pub name: &'static str,
    /// Mail address, of a domain kept for examples.
    pub email: &'static str,
}

const fn author(name: &'static str, email: &'static str) -> Author {
    Author { name, email }
}

const DORA: Author = author("Dora Lindqvist", "dora@example.com");
const TOM: Author = author("Tom Okafor", "tom@example.com");
const INES: Author = author("Inès Marchand", "ines@example.com");
const RAVI: Author = author("Ravi Menon", "ravi@example.com");
const LEA: Author = author("Léa Fontaine", "lea@example.com");

/// A change to one file.
#[derive(Debug, Clone, Copy)]
pub enum Edit {
    /// The file has this text from now on.
    Put(&'static str, &'static str),
    /// The same, and it can be executed.
    Script(&'static str, &'static str),
    /// The same for something that is not text.
    Binary(&'static str, fn() -> Vec<u8>),
    /// The first place where the file says the second, it says the third.
    Swap(&'static str, &'static str, &'static str),
    /// Text added at the file's end.
    Append(&'static str, &'static str),
    /// The file has another path.
    Move(&'static str, &'static str),
    /// The file goes.
    Drop(&'static str),
    /// Many files at once: path and text.
    Many(fn() -> Vec<(String, String)>),
}

/// Something that happened to a repository.
#[derive(Debug, Clone, Copy)]
pub enum Act {
    /// A commit on a branch; the first one begins `main`.
    Commit {
        /// The branch.
        on: &'static str,
        /// Who wrote it.
        by: Author,
        /// Its message.
        says: &'static str,
        /// What it changes.
        edits: &'static [Edit],
    },
    /// A branch begins where another one stands.
    Branch {
        /// The new one.
        name: &'static str,
        /// The other one.
        from: &'static str,
    },
    /// A branch is merged into another one, with a merge commit.
    Merge {
        /// What is merged.
        branch: &'static str,
        /// Into what.
        into: &'static str,
        /// Who did it.
        by: Author,
    },
}

const fn commit(on: &'static str, by: Author, says: &'static str, edits: &'static [Edit]) -> Act {
    Act::Commit { on, by, says, edits }
}

const fn branch(name: &'static str, from: &'static str) -> Act {
    Act::Branch { name, from }
}

const fn merge(branch: &'static str, into: &'static str, by: Author) -> Act {
    Act::Merge { branch, into, by }
}

/// A sample project.
#[derive(Debug, Clone, Copy)]
pub struct Story {
    /// The project's name, and its repository's.
    pub name: &'static str,
    /// One sentence for people.
    pub description: &'static str,
    /// What happened, oldest first.
    pub acts: &'static [Act],
}

/// All of them.
pub const STORIES: [Story; 5] = [
    Story {
        name: "webshop",
        description: "The shop our customers see.",
        acts: shop::ACTS,
    },
    Story {
        name: "orders-api",
        description: "Orders, stock and refunds, for the shop and the apps.",
        acts: orders::ACTS,
    },
    Story {
        name: "site",
        description: "The marketing site: pages, press, jobs.",
        acts: site::ACTS,
    },
    Story {
        name: "mobile-backend",
        description: "What the phone apps talk to.",
        acts: mobile::ACTS,
    },
    Story {
        name: "handbook",
        description: "The handbook for shops and partners, in four languages.",
        acts: handbook::ACTS,
    },
];
