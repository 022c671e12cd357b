//! What had been changed on a server when something went wrong: a sentence that names some of it,
//! and lines that name all of it.

use std::fmt;

/// How many paths a sentence names before it says how many more there are.
const NAMED_PATHS: usize = 5;
/// The most lines that list changes; the last one then says how many more there are. More than
/// anybody reads, and few enough for a log.
const MOST_LINES: usize = 20_000;

/// What had been changed on a server when something went wrong.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Changed {
    /// Nothing at all.
    #[default]
    Nothing,
    /// A new release was begun beside the running one, and is gone or left for the next pruning.
    OnlyBeside,
    /// The files in service, in part.
    Partly(Box<Partial>),
    /// It could not be asked.
    Unknown,
}

/// A change of the files in service that stopped halfway.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Partial {
    /// Files and links that were put in place.
    pub put: Portion,
    /// New directories that were made; those inside one are not named.
    pub made: Portion,
    /// Files whose permission bits alone were changed.
    pub modes: Portion,
    /// Files, links and directories that were removed.
    pub removed: Portion,
}

/// How much of one kind of work was done.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Portion {
    /// The paths that are done.
    pub done: Vec<String>,
    /// How many there were to do.
    pub of: u64,
}

impl Changed {
    /// Adds what a second attempt changed, which had only the rest to do.
    pub(super) fn and(self, second: Self) -> Self {
        match (self, second) {
            (Self::Partly(first), Self::Partly(second)) => Self::Partly(Box::new(Partial {
                put: first.put.and(second.put),
                made: first.made.and(second.made),
                modes: first.modes.and(second.modes),
                removed: first.removed.and(second.removed),
            })),
            (first, Self::Nothing) => first,
            (Self::Unknown, _) => Self::Unknown,
            (_, second) => second,
        }
    }

    /// Every change on a line of its own, where the sentence names only some.
    pub fn lines(&self) -> Vec<String> {
        let Self::Partly(partial) = self else {
            return Vec::new();
        };
        let all = partial.all();
        let told = all.iter().flat_map(|(portion, _, done)| {
            let done = move |path: &String| format!("{done}: {path}");
            portion.done.iter().map(done)
        });
        let mut lines: Vec<String> = told.take(crate::sabotage::most("u27", MOST_LINES)).collect();
        let count: usize = all.iter().map(|(portion, ..)| portion.done.len()).sum();
        if count > lines.len() {
            lines.push(format!("… and {} more.", count - lines.len()));
        }
        lines
    }
}

impl Partial {
    /// Each portion, with the noun for its sentence and the first word of its lines.
    fn all(&self) -> [(&Portion, &'static str, &'static str); 4] {
        [
            (&self.put, "files put in place", "Put in place"),
            (&self.made, "directories made", "Made"),
            (
                &self.modes,
                "files given other permission bits",
                "Permission bits set",
            ),
            (&self.removed, "old ones removed", "Removed"),
        ]
    }
}

impl Portion {
    fn and(mut self, second: Self) -> Self {
        let of = self.done.len() as u64 + second.of;
        self.done.extend(second.done);
        Self { done: self.done, of }
    }
}

impl fmt::Display for Changed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Nothing => f.write_str("Nothing was changed there."),
            Self::OnlyBeside => f.write_str("The running release is as it was."),
            Self::Unknown => f.write_str("It is not known what was changed there by then."),
            Self::Partly(partial) => {
                f.write_str("Changed by then: ")?;
                let wanted = partial.all().into_iter().filter(|(portion, ..)| portion.of > 0);
                for (at, (portion, what, _)) in wanted.enumerate() {
                    let comma = if at > 0 { ", " } else { "" };
                    write!(f, "{comma}{} of {} {what}", portion.done.len(), portion.of)?;
                    name_some(&portion.done, f)?;
                }
                f.write_str(". The marker there says “deployment in progress”.")
            }
        }
    }
}

fn name_some(paths: &[String], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let Some((last, before)) = paths[..paths.len().min(NAMED_PATHS)].split_last() else {
        return Ok(());
    };
    f.write_str(" (")?;
    for path in before {
        write!(f, "{path}, ")?;
    }
    match paths.len() - before.len() - 1 {
        0 => write!(f, "{last})"),
        more => write!(f, "{last} and {more} more)"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn partly(files: usize) -> Changed {
        Changed::Partly(Box::new(Partial {
            put: Portion {
                done: (1..=files).map(|n| format!("f{n}")).collect(),
                of: 9,
            },
            modes: Portion {
                done: Vec::new(),
                of: 2,
            },
            removed: Portion {
                done: vec!["old".into()],
                of: 1,
            },
            ..Partial::default()
        }))
    }

    #[test]
    fn a_sentence_names_some_of_what_was_changed_and_the_lines_all_of_it() {
        let changed = partly(7);
        assert!(changed.to_string().starts_with(
            "Changed by then: 7 of 9 files put in place (f1, f2, f3, f4, f5 and 2 more), 0 of 2 files given other permission bits, 1 of 1 old ones removed (old). The marker"
        ));
        let lines = changed.lines();
        assert_eq!(lines.len(), 8);
        assert_eq!(
            (lines[6].as_str(), lines[7].as_str()),
            ("Put in place: f7", "Removed: old")
        );
        assert_eq!(Changed::Nothing.lines(), [""; 0]);
    }

    #[test]
    fn the_lines_have_an_end() {
        let lines = partly(MOST_LINES + 10).lines();
        assert_eq!(lines.len(), MOST_LINES + 1);
        assert_eq!(lines[MOST_LINES], "… and 11 more.");
    }
}
