//! Which new commits an environment leaves alone: by words of their messages, and by the files they change.

use crate::domain::{AutoOptions, CommitId, EnvironmentOptions, Error, Result, SyncMethod};
use crate::git::{ChangedFiles, CommitInfo, Error as Git, Mirror};
use crate::sync::Rules;

/// New commits whose messages are read.
const MOST_MESSAGES: usize = 1000;
/// Changed files whose paths are compared; with more, it counts as one that fits.
const MOST_FILES: usize = 10_000;

/// Why the commits after `seen`, up to `tip`, are left alone, as a sentence; `None`: they are not.
pub(super) async fn left_out(
    mirror: &Mirror,
    options: &AutoOptions,
    seen: Option<&CommitId>,
    tip: &CommitInfo,
) -> Result<Option<String>> {
    if !options.only_if.is_empty() || !options.not_if.is_empty() {
        let commits = match mirror.between(seen, &tip.id, MOST_MESSAGES).await {
            Ok(new) => new.commits,
            // The branch was rewritten.
            Err(Git::Vanished(_)) => vec![tip.clone()],
            Err(error) => return Err(error.into()),
        };
        let messages = commits.iter().map(|commit| commit.message.as_str());
        if let Some(why) = options.left_out_by_words(messages) {
            return Ok(Some(why));
        }
    }
    if options.paths.is_empty() {
        return Ok(None);
    }
    let files = match mirror.changed_files(seen, &tip.id, MOST_FILES).await {
        Ok(files) => files,
        // What cannot be told is deployed, as it would be without patterns.
        Err(Git::Vanished(_) | Git::TooMuchToCompare | Git::BadEntry { .. }) => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    let is_left_out = !fits(&options.paths, &files)?;
    Ok(is_left_out.then(|| "No changed file fits the patterns.".to_owned()))
}

/// Whether one of the files fits a pattern, by its path or that of before.
fn fits(patterns: &[String], files: &ChangedFiles) -> Result<bool> {
    let options = EnvironmentOptions {
        excluded: patterns.to_vec(),
        ..EnvironmentOptions::default()
    };
    let rules = Rules::new(&options, SyncMethod::InPlace).map_err(Error::internal)?;
    let mut paths = files
        .files
        .iter()
        .flat_map(|file| [Some(&file.path), file.old_path.as_ref()])
        .flatten();
    Ok(files.total > files.files.len() || paths.any(|path| rules.keeps(path)))
}
