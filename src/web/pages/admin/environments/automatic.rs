//! The part of an environment's form about pushes.

use crate::app::admin::environments::AutoSpec;
use crate::domain::{AutoOptions, WhenRefused};
use crate::web::forms::{FormData, FormReader};

/// The fields of this part without its checkbox, which is not sent when it is not ticked.
pub(super) const FIELDS: &[&str] = &["auto_only_if", "auto_not_if", "auto_paths", "auto_refused"];

/// What may become of a push that is refused at its time, as the form names it.
pub(super) fn when_refused() -> Vec<(&'static str, &'static str)> {
    let all = WhenRefused::ALL.iter();
    all.map(|one| (one.as_str(), one.title())).collect()
}

/// Adds the fields as `options` has them.
pub(super) fn fill(form: FormData, options: &AutoOptions) -> FormData {
    form.with("auto_only_if", options.only_if.join("\n"))
        .with("auto_not_if", options.not_if.join("\n"))
        .with("auto_paths", options.paths.join("\n"))
        .with("auto_refused", options.when_refused.as_str())
}

/// The part of the command that the fields make.
pub(super) fn read(form: &mut FormReader) -> Option<AutoSpec> {
    let (only_if, not_if) = (form.lines("auto_only_if"), form.lines("auto_not_if"));
    let paths = form.lines("auto_paths");
    let when_refused = WhenRefused::parse(form.form.text("auto_refused"));
    let when_refused = when_refused.ok_or_else(|| "Choose what becomes of it.".to_owned());
    let when_refused = form.take("auto_refused", when_refused);
    Some(AutoSpec {
        only_if: only_if?,
        not_if: not_if?,
        paths: paths?,
        when_refused: when_refused?,
    })
}
