//! The form of an environment: how one fills it, and the command read from it.

use super::{automatic, health, rollout};
use crate::app::admin::environments::EnvironmentSpec;
use crate::app::admin::variable_lines;
use crate::app::admin::variables::{VariablesSpec, plain_lines};
use crate::domain::{Environment, EnvironmentOptions};
use crate::web::forms::{FormData, FormReader};
use crate::web::strategy_form;

/// The form of an environment as it is; without the values of secrets.
pub(super) fn filled(environment: &Environment) -> FormData {
    let mut form = options_form(&environment.options)
        .with("name", &environment.name)
        .with("branch", &environment.branch)
        .with("target_path", &environment.target_path)
        .with("remote_user", &environment.remote_user)
        .with("position", environment.position)
        .with_tick("auto_deploy", environment.auto_deploy)
        .with_tick("fail_on_failed_tests", environment.fail_on_failed_tests);
    for (cluster, place) in environment.clusters.iter().zip(1..) {
        form = form
            .with("clusters", cluster)
            .with(format!("clusters-place-{cluster}"), place);
    }
    form
}

/// The fields of its options.
pub(super) fn options_form(options: &EnvironmentOptions) -> FormData {
    let mut form = FormData::default()
        .with("excluded", options.excluded.join("\n"))
        .with("shared", options.shared.join("\n"))
        .with("readers", options.readers.clone().unwrap_or_default())
        .with("variables", plain_lines(options, false))
        .with("referring", plain_lines(options, true))
        .with("local_timeout", options.local_timeout)
        .with("remote_timeout", options.remote_timeout)
        .with("parallel", options.parallel)
        .with("keep_releases", options.keep_releases)
        .with(
            "key",
            options.key.as_ref().map(ToString::to_string).unwrap_or_default(),
        );
    let secret = options.variables.iter().filter(|(_, variable)| variable.secret);
    for (name, _) in secret {
        form = form.with("secret-name", name);
    }
    let form = automatic::fill(form, &options.auto);
    rollout::fill(health::fill(form, options.health.as_ref()), options)
}

/// Adds the fields of the health check, the rollout and pushes that a program left out, as `options` has
/// them. `is_automatic`: pushes are deployed now.
pub(super) fn complete(form: &mut FormData, options: &EnvironmentOptions, is_automatic: bool) {
    let kept = options_form(options).with_tick("auto_deploy", is_automatic);
    if !form.has("auto_refused") {
        form.keep(&["auto_deploy"], &kept);
    }
    form.keep(automatic::FIELDS, &kept);
    if !form.has("health_kind") {
        form.keep(health::FIELDS, &kept);
    }
    if !form.has("strategy") {
        form.keep(&["watch_drift"], &kept);
    }
    form.keep(&["referring"], &kept);
    form.keep(rollout::FIELDS, &kept);
    form.keep(&["key", "readers"], &kept);
}

/// The command that the fields make.
pub(super) fn spec(form: &mut FormReader) -> Option<EnvironmentSpec> {
    let (name, branch, target_path) = (
        form.parse("name"),
        form.parse("branch"),
        form.parse("target_path"),
    );
    let (remote_user, position) = (form.parse("remote_user"), form.parse("position"));
    let (excluded, shared) = (form.lines("excluded"), form.lines("shared"));
    let (readers, variables) = (form.parse_opt("readers"), variables(form));
    let (local_timeout, remote_timeout) = (form.parse("local_timeout"), form.parse("remote_timeout"));
    let (parallel, keep_releases) = (form.parse("parallel"), form.parse("keep_releases"));
    let (health, key) = (health::read(form), form.parse_opt("key"));
    let strategy = strategy_form::read(form);
    let on_failure = rollout::read_on_failure(form);
    let (drain_limit, up_limit) = (form.parse("drain_limit"), form.parse("up_limit"));
    let auto = automatic::read(form);
    let (approval_hours, keep_days) = (form.parse_opt("approval_hours"), form.parse("keep_days"));
    Some(EnvironmentSpec {
        name: name?,
        branch: branch?,
        auto_deploy: form.form.has("auto_deploy"),
        auto: auto?,
        target_path: target_path?,
        remote_user: remote_user?,
        position: position?,
        fail_on_failed_tests: form.form.has("fail_on_failed_tests"),
        clusters: form.form.chosen("clusters"),
        excluded: excluded?,
        shared: shared?,
        readers: readers?,
        variables: variables?,
        local_timeout: local_timeout?,
        remote_timeout: remote_timeout?,
        parallel: parallel?,
        keep_releases: keep_releases?,
        keep_days: keep_days?,
        health: health?,
        strategy: strategy?,
        on_failure: on_failure?,
        drain_limit: drain_limit?,
        up_limit: up_limit?,
        approval_hours: approval_hours?,
        watch_drift: form.form.has("watch_drift"),
        key: key?,
    })
}

/// Plain variables are lines; secret ones are pairs of fields, where an empty value keeps the old.
fn variables(form: &mut FormReader) -> Option<VariablesSpec> {
    let mut spec = VariablesSpec::default();
    let plain = read_plain(form.form.text("variables"), |name, value| spec.plain(name, value));
    let plain = form.take("variables", plain);
    let referring = read_plain(form.form.text("referring"), |name, value| {
        spec.referring(name, value)
    });
    let referring = form.take("referring", referring);
    let secret = read_secrets(form.form, &mut spec);
    let secret = form.take("secrets", secret);
    plain.and(referring).and(secret).map(|()| spec)
}

fn read_plain(text: &str, mut add: impl FnMut(&str, &str) -> Result<(), String>) -> Result<(), String> {
    let variables = variable_lines::read(text)?;
    variables.iter().try_for_each(|(name, value)| add(name, value))
}

fn read_secrets(form: &FormData, spec: &mut VariablesSpec) -> Result<(), String> {
    for (name, value) in form.all("secret-name").zip(form.all("secret-value")) {
        let is_gone = form.all("secret-gone").any(|gone| gone == name);
        let value = secret_value(value);
        let name = name.trim();
        if is_gone || (name.is_empty() && value.is_empty()) {
            continue;
        }
        if name.is_empty() {
            return Err("One secret has a value and no name.".to_owned());
        }
        spec.secret(name, Some(value.as_str()).filter(|value| !value.is_empty()))?;
    }
    Ok(())
}

/// A secret as it was typed, with the line ends that files have. The end of a single line is none
/// that anybody meant; that of a key belongs to it.
fn secret_value(typed: &str) -> String {
    let value = typed.replace("\r\n", "\n");
    match value.trim_end_matches('\n') {
        line if !line.contains('\n') => line.to_owned(),
        _ => value,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn variables_of(fields: &[(&str, &str)]) -> Result<String, String> {
        let fields = fields
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        let form = FormData::from(fields.collect::<Vec<_>>());
        let read = form.read(variables).map(|spec| format!("{spec:?}"));
        read.map_err(|error| error.message().to_owned())
    }

    #[test]
    fn a_tick_removes_a_secret_and_empty_lines_are_none() {
        let fields = [
            ("variables", "A=1=2\n\n B = x "),
            ("secret-name", "TOKEN"),
            ("secret-value", ""),
            ("secret-name", ""),
            ("secret-value", ""),
        ];
        assert_eq!(variables_of(&fields).unwrap(), "{\"A\", \"B\", \"TOKEN\"}");
        let gone = [&fields[1..], &[("secret-gone", "TOKEN")]].concat();
        assert_eq!(variables_of(&gone).unwrap(), "{}");
    }

    #[test]
    fn a_secret_keeps_its_lines() {
        assert_eq!(secret_value("token\r\n"), "token");
        assert_eq!(secret_value(" two words "), " two words ");
        assert_eq!(secret_value("BEGIN\r\nEND\r\n"), "BEGIN\nEND\n");
        assert_eq!(secret_value("\r\n"), "");
    }

    #[test]
    fn complaints_about_variables_do_not_show_values() {
        for fields in [
            vec![("variables", "verysecret")],
            vec![("variables", "A=verysecret\nA=2")],
            vec![("secret-name", ""), ("secret-value", "verysecret")],
        ] {
            let message = variables_of(&fields).unwrap_err();
            assert!(!message.contains("verysecret"), "{message}");
        }
    }
}
