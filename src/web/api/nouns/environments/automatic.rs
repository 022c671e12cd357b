//! Which pushes an environment deploys by itself, as requests and answers have it.

use poem_openapi::Object;

use crate::app::admin::environments::AutoSpec;
use crate::app::admin::values::{Excluded, WordLines};
use crate::domain::{AutoOptions, WhenRefused};
use crate::web::api::fields::Fields;
use crate::web::api::words::Word;

/// Which pushes are deployed automatically, and when. In a request, what is absent stays as it is.
#[derive(Debug, Clone, Object)]
#[oai(rename = "AutomaticDeployments", skip_serializing_if_is_none)]
pub struct AutoDto {
    /// Texts of which one has to be in a message of the new commits; none: any commits may come.
    only_if: Option<Vec<String>>,
    /// Texts of which none may be in a message of the new commits.
    not_if: Option<Vec<String>>,
    /// Patterns of which a changed file has to fit one; none: any files may have changed.
    paths: Option<Vec<String>>,
    /// What becomes of a deployment that policy does not allow at its time.
    when_refused: Option<Word<WhenRefused>>,
}

impl From<&AutoOptions> for AutoDto {
    fn from(options: &AutoOptions) -> Self {
        Self {
            only_if: Some(options.only_if.clone()),
            not_if: Some(options.not_if.clone()),
            paths: Some(options.paths.clone()),
            when_refused: Some(Word(options.when_refused)),
        }
    }
}

impl AutoDto {
    /// The part of the command that `sent` makes of what was there `before`.
    pub fn read(sent: Option<&Self>, fields: &mut Fields, before: &AutoOptions) -> Option<AutoSpec> {
        let kept = Self::from(before);
        let mut words = |name: &str, of: fn(&Self) -> &Option<Vec<String>>| {
            let wanted = sent
                .and_then(|sent| of(sent).clone())
                .or_else(|| of(&kept).clone());
            fields.take(name, WordLines::try_from(wanted.unwrap_or_default()))
        };
        let (only_if, not_if) = (
            words("only_if", |one| &one.only_if),
            words("not_if", |one| &one.not_if),
        );
        let paths = sent
            .and_then(|sent| sent.paths.clone())
            .unwrap_or_else(|| before.paths.clone());
        let paths = fields.take("paths", Excluded::try_from(paths));
        let when_refused = sent.and_then(|sent| sent.when_refused.as_ref());
        Some(AutoSpec {
            only_if: only_if?,
            not_if: not_if?,
            paths: paths?,
            when_refused: when_refused.map_or(before.when_refused, |word| word.0),
        })
    }
}
