//! Runs one of our scripts on a server and reads its answer.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::error::Trouble;
use crate::ssh::{Command, Run, Session, Stdin};

/// The most a server may answer with paths of a tree: half a million files. More is no source tree.
const LISTING_LIMIT: usize = 64 * 1024 * 1024;
/// The most it may answer about its releases, with two markers of some kilobytes each: a thousand and more.
const RELEASES_LIMIT: usize = 16 * 1024 * 1024;
/// The most it may answer otherwise: markers, digests, a hundred paths of the longest kind.
const ANSWER_LIMIT: usize = 1024 * 1024;
/// Cleaning up has its own limit, because it happens after a cancellation or a timeout.
const CLEANING_UP: Duration = Duration::from_secs(30);

/// How long remote work may take, and what ends it early.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Ends everything when cancelled.
    pub cancel: CancellationToken,
    /// For a question that changes nothing, such as a digest.
    pub question: Duration,
    /// For sending files and for putting them in place, each.
    pub transfer: Duration,
}

impl Default for Limits {
    /// Long enough for a big tree on a slow disk.
    fn default() -> Self {
        Self {
            cancel: CancellationToken::new(),
            question: Duration::from_secs(120),
            transfer: Duration::from_secs(900),
        }
    }
}

impl Limits {
    /// At most `question` for a question, otherwise as usual.
    pub fn within(question: Duration) -> Self {
        Self {
            question,
            ..Self::default()
        }
    }

    pub(super) fn question(&self) -> Run {
        Run {
            timeout: Some(self.question),
            cancel: self.cancel.clone(),
            stdin: Stdin::Empty,
        }
    }

    pub(super) fn transfer(&self, stdin: Stdin) -> Run {
        Run {
            timeout: Some(self.transfer),
            cancel: self.cancel.clone(),
            stdin,
        }
    }

    pub(super) fn cleaning_up() -> Run {
        Run::within(CLEANING_UP)
    }
}

/// One of our scripts.
#[derive(Clone, Copy)]
pub(super) struct Script {
    text: &'static str,
    /// How many bytes it may answer.
    limit: usize,
}

/// Our scripts, each with the common part in front.
macro_rules! scripts {
    ($($name:ident $limit:ident $file:literal;)*) => {$(
        pub(super) const $name: Script = Script {
            text: concat!(include_str!("scripts/common.sh"), include_str!(concat!("scripts/", $file))),
            limit: $limit,
        };
    )*};
}

/// [`INSPECT`], and then [`RELEASES`] of the same target: both answers in one.
pub(super) const SURVEY: Script = Script {
    text: concat!(
        include_str!("scripts/common.sh"),
        include_str!("scripts/features.sh"),
        include_str!("scripts/stores.sh"),
        "(\n",
        include_str!("scripts/inspect.sh"),
        ")\ntarget=$1 name=$3\nshift 7\nset -- \"$target\" \"$name\" \"$@\"\n",
        include_str!("scripts/releases.sh"),
    ),
    limit: RELEASES_LIMIT,
};

/// What stands at a target.
pub(super) const INSPECT: Script = Script {
    text: concat!(
        include_str!("scripts/common.sh"),
        include_str!("scripts/features.sh"),
        include_str!("scripts/stores.sh"),
        include_str!("scripts/inspect.sh"),
    ),
    limit: ANSWER_LIMIT,
};

/// Puts a release in service.
pub(super) const ACTIVATE: Script = Script {
    text: concat!(
        include_str!("scripts/common.sh"),
        include_str!("scripts/stores.sh"),
        include_str!("scripts/activate.sh"),
    ),
    limit: ANSWER_LIMIT,
};

/// What is in service, and which releases there are.
pub(super) const RELEASES: Script = Script {
    text: concat!(
        include_str!("scripts/common.sh"),
        include_str!("scripts/stores.sh"),
        include_str!("scripts/releases.sh"),
    ),
    limit: RELEASES_LIMIT,
};

/// Notes what `deploy.sh` made the release's own.
pub(super) const OWN: Script = Script {
    text: concat!(
        include_str!("scripts/common.sh"),
        include_str!("scripts/stores.sh"),
        include_str!("scripts/own.sh"),
    ),
    limit: ANSWER_LIMIT,
};

/// Which programs are missing.
pub(super) const TOOLS: Script = Script {
    text: concat!(
        include_str!("scripts/common.sh"),
        include_str!("scripts/features.sh"),
        include_str!("scripts/tools.sh"),
    ),
    limit: ANSWER_LIMIT,
};

scripts! {
    LIST LISTING_LIMIT "list.sh";
    STAGE ANSWER_LIMIT "stage.sh";
    APPLY LISTING_LIMIT "apply.sh";
    MARK ANSWER_LIMIT "mark.sh";
    DOUBT ANSWER_LIMIT "doubt.sh";
    AFTERMATH LISTING_LIMIT "aftermath.sh";
    WITHDRAW ANSWER_LIMIT "withdraw.sh";
    PRUNE ANSWER_LIMIT "prune.sh";
    LEFTOVERS ANSWER_LIMIT "leftovers.sh";
    TORN ANSWER_LIMIT "torn.sh";
    ONE_PLACE ANSWER_LIMIT "one_place.sh";
    WHEREABOUTS LISTING_LIMIT "whereabouts.sh";
}

/// The records a script answered with.
#[derive(Debug, Default)]
pub(super) struct ScriptAnswer {
    raw: Vec<u8>,
}

impl ScriptAnswer {
    #[cfg(test)]
    pub(super) fn of(raw: Vec<u8>) -> Self {
        Self { raw }
    }

    pub(super) fn raw(&self) -> &[u8] {
        &self.raw
    }

    /// `KEY VALUE` of each record, in order.
    pub(super) fn records(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        self.raw.split(|b| *b == 0).filter_map(|record| {
            let at = record.iter().position(|b| *b == b' ')?;
            Some((&record[..at], &record[at + 1..]))
        })
    }

    /// The values of `key`.
    pub(super) fn all<'a>(&'a self, key: &'a str) -> impl Iterator<Item = &'a [u8]> {
        self.records()
            .filter(move |(k, _)| *k == key.as_bytes())
            .map(|(_, value)| value)
    }

    /// The first value of `key`.
    pub(super) fn text(&self, key: &str) -> Option<String> {
        self.all(key)
            .next()
            .map(|value| String::from_utf8_lossy(value).into_owned())
    }

    /// All values of `key`.
    pub(super) fn texts(&self, key: &str) -> Vec<String> {
        let values = self.all(key);
        values
            .map(|value| String::from_utf8_lossy(value).into_owned())
            .collect()
    }

    /// Whether the script reached its last line.
    pub(super) fn ended(&self) -> bool {
        self.all("end").next().is_some()
    }
}

/// Runs `script` with `args` on the server.
///
/// # Errors
/// Those of SSH, and why the script gave up.
pub(super) async fn ask(
    session: &Session,
    script: Script,
    args: &[&[u8]],
    how: Run,
) -> Result<ScriptAnswer, Trouble> {
    let command = Command::script(script.text).args(args.iter().map(|arg| OsStr::from_bytes(arg)));
    let captured = session.capture(&command, how, script.limit).await?;
    let answer = ScriptAnswer { raw: captured.stdout };
    if captured.exit.success() {
        return Ok(answer);
    }
    let stderr = String::from_utf8_lossy(&captured.stderr);
    let word = answer.text("error").unwrap_or_default();
    tracing::warn!(exit = ?captured.exit, word, %stderr, "a sync script refused");
    let trouble = Trouble::from_script(&word, &stderr);
    Err(trouble.with_inodes(&answer.text("inodes").unwrap_or_default()))
}
