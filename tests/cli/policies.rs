//! What a sysadmin asks of policy files at the command line, each with its exit code.

use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::Path;

use serde_json::Value;
use tempfile::TempDir;

use super::{Installation, Ran, program, run};

const LINES: &str = "g, zoe, role:releaser
p, carl, shop, dev, deploy, always, allow with role:releaser
";

/// The shipped policy with more lines.
fn policy(lines: &str) -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("policies");
    for entry in std::fs::read_dir(shipped).unwrap().map(Result::unwrap) {
        if entry.file_type().unwrap().is_file() {
            std::fs::copy(entry.path(), dir.path().join(entry.file_name())).unwrap();
        }
    }
    let file = dir.path().join("policy.csv");
    let text = std::fs::read_to_string(&file).unwrap();
    std::fs::write(file, format!("{text}{lines}")).unwrap();
    dir
}

/// Runs `deployer policy` with words that hold no blanks, and a directory.
fn ask(words: &str, dir: &Path) -> Ran {
    let mut command = program();
    command.arg("policy").args(words.split(' ')).arg("--dir").arg(dir);
    run(&mut command)
}

fn at(words: &str, dirs: &[&Path]) -> Ran {
    let mut command = program();
    command.arg("policy").args(words.split(' ')).args(dirs);
    run(&mut command)
}

fn json(ran: &Ran) -> Value {
    serde_json::from_str(&ran.out).unwrap_or_else(|error| panic!("{error}: {ran:#?}"))
}

#[test]
fn a_check_has_warnings_that_strict_does_not_pass_and_json() {
    let good = policy("");
    at("check --strict", &[good.path()]).well("good; ");
    let doubtful =
        policy("p, zoe, shop, dev, deploy, always, allow\np, zoe, shop, dev, view, always, allow\n");
    let told = at("check", &[doubtful.path()]);
    told.well("warning: This line decides nothing");
    told.well("good; ");
    at("check --strict", &[doubtful.path()]).with(1, "which --strict does not pass", "");
    let told = at("check --json", &[doubtful.path()]);
    let found = json(&told);
    assert_eq!(
        (&found["good"], &found["compared"]),
        (&Value::Bool(true), &Value::Bool(false))
    );
    assert_eq!(found["problems"][0]["severity"], "warning");
    assert_eq!(found["problems"][0]["file"], "policy.csv");
    let broken = policy("p, zoe\n");
    let told = at("check --json", &[broken.path()]);
    assert_eq!((told.code, &json(&told)["good"]), (Some(1), &Value::Bool(false)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_check_compares_names_with_the_database() {
    let dir = policy("p, nobody-known, shop, dev, view, always, allow\n");
    let here = Installation::with(&format!("[access]\npolicies = '{}'", dir.path().display()));
    here.run("policy check").well("good; ");
    here.run("migrate").well("Changes made: ");
    here.run("policy check")
        .well("warning: There is no project “shop”.");
    here.run("policy check")
        .well("warning: There is no user “nobody-known”.");
    here.run("policy check --strict").with(1, "There is no user", "");
}

#[test]
fn tests_are_run_and_what_they_leave_out_is_named() {
    let dir = policy(LINES);
    at("test", &[dir.path()]).well("tests hold.");
    let told = at("test --coverage", &[dir.path()]);
    told.well("no test exercises “p, carl, shop, dev, deploy, always, allow with role:releaser”");
    let file = dir.path().join("tests.toml");
    std::fs::write(
        &file,
        "expect = [\n\"zoe may deploy shop/prod at 2026-11-23 23:00\",\n]\n",
    )
    .unwrap();
    at("test", &[dir.path()]).with(
        1,
        "tests.toml:2: zoe should be allowed to deploy shop/prod then, but no line allows it.",
        "",
    );
    assert_eq!(json(&at("test --json", &[dir.path()]))["failures"][0]["line"], 2);
    at("test", &[policy("p, zoe\n").path()]).with(1, "", "The policy has errors");
}

#[test]
fn an_explanation_says_why_and_when_next() {
    let dir = policy(LINES);
    let mut command = program();
    let words = [
        "policy",
        "explain",
        "zoe",
        "deploy",
        "shop/prod",
        "--at",
        "2026-11-27 15:00",
        "--week",
        "--dir",
    ];
    let told = run(command.args(words).arg(dir.path()));
    told.with(
        1,
        "zoe may not deploy shop/prod at 2026-11-27 15:00 UTC: policy.csv:",
        "",
    );
    let why = " allows it, but not at this time; next: 2026-11-30 08:00 UTC.";
    told.with(1, why, "");
    told.with(1, "From 2026-11-30 08:00 UTC on: allowed.", "");
    told.with(1, "Fri 2026-11-27 ................############", "");
    ask("explain carl deploy shop/dev", dir.path()).well("carl may deploy shop/dev with role:releaser at ");
    ask("explain carl rollback shop/dev --group releasers", dir.path()).well("→ role:releaser");
    let told = ask("explain carl deploy shop/dev --json", dir.path());
    assert_eq!(
        (&json(&told)["allowed"], &json(&told)["with"][0]),
        (&Value::Bool(true), &"role:releaser".into())
    );
    for (words, why) in [
        ("explain team:x deploy shop/dev", "is not a user"),
        ("explain zoe fly shop/dev", "is not an action"),
        ("explain zoe deploy a/b/c", "is not a place"),
        ("explain zoe deploy shop/dev --at tomorrow", "is not a time"),
    ] {
        ask(words, dir.path()).with(2, "", why);
    }
}

#[test]
fn everybody_who_may_is_named() {
    let dir = policy(LINES);
    let told = ask("who shop/dev deploy", dir.path());
    told.well("carl may deploy with role:releaser: always\n    policy.csv:");
    told.well("group:developers may deploy: always");
    ask("who shop/dev impersonate --json", dir.path()).well("\"who\": \"admin\"");
    let file = dir.path().join("model.conf");
    let model = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, model.replace("m = ((p.project", "m = true && ((p.project")).unwrap();
    ask("who shop/dev deploy", dir.path()).with(0, "carl may deploy", "This is not complete");
}

#[test]
fn a_difference_fails_a_review_when_somebody_gains() {
    let (old, new) = (policy(""), policy(LINES));
    let dirs = [old.path(), new.path()];
    let told = at("diff", &dirs);
    told.well("+ gained: zoe ");
    told.well("+ gained: carl view, deploy, rollback, cancel (shop/dev) always");
    at("diff --fail-on-gain", &dirs).with(1, "+ gained", "");
    at("diff --fail-on-gain", &[new.path(), old.path()]).well("- lost: zoe ");
    at("diff", &[old.path(), old.path()]).well("Nobody may more or less.");
    assert_eq!(json(&at("diff --json", &dirs))["is_complete"], true);
    at("diff", &[old.path(), Path::new("/nowhere")]).badly("There is no directory /nowhere.");
}

#[test]
fn columns_are_aligned_and_owner_mode_and_comments_stay() {
    let dir = policy("# kept\np,zoe,shop,dev,deploy,always,allow\n");
    let file = dir.path().join("policy.csv");
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o640)).unwrap();
    let before = std::fs::metadata(&file).unwrap();
    at("fmt --check", &[dir.path()]).with(1, "its columns are not aligned.", "");
    at("fmt", &[dir.path()]).well("its columns were aligned.");
    at("fmt --check", &[&file]).well("its columns are aligned.");
    let text = std::fs::read_to_string(&file).unwrap();
    assert!(
        text.ends_with("# kept\np, zoe,            shop,   dev,  deploy,     always,         allow\n"),
        "{text}"
    );
    let after = std::fs::metadata(&file).unwrap();
    assert_eq!(
        (after.mode(), after.uid(), after.gid()),
        (before.mode(), before.uid(), before.gid())
    );
    at("check", &[dir.path()]).well("good; ");
    let link = dir.path().join("link.csv");
    symlink(&file, &link).unwrap();
    at("fmt", &[&link]).badly("is a link; name the file that it leads to.");
    at("fmt", &[Path::new("/dev/null")]).badly("is not a regular file.");
    std::fs::hard_link(&file, dir.path().join("second.csv")).unwrap();
    at("fmt", &[&file]).badly("has a second name");
    assert_eq!(std::fs::read_to_string(&file).unwrap(), text);
}

#[test]
fn what_a_command_cannot_answer_is_told_as_json_too() {
    let dir = policy(LINES);
    for (words, code, why) in [
        ("explain zoe fly shop/dev --json", 2, "is not an action"),
        (
            "explain zoe deploy a/b/c --json",
            2,
            "or audit, users, policy, servers",
        ),
        ("who a/b/c --json", 2, "is not a place"),
    ] {
        let told = ask(words, dir.path());
        told.with(code, "", why);
        assert!(json(&told)["error"].as_str().unwrap().contains(why), "{told:?}");
    }
    let broken = policy("p, zoe\n");
    let told = at("test --json", &[broken.path()]);
    told.with(1, "", "The policy has errors");
    assert_eq!(json(&told)["problems"][0]["file"], "policy.csv");
    let told = at("diff --json", &[dir.path(), Path::new("/nowhere")]);
    assert_eq!(json(&told)["error"], "There is no directory /nowhere.");
}

#[test]
fn a_question_about_what_no_line_names_says_so() {
    let dir = policy(LINES);
    let told = ask("explain zeo deploy shop/dev", dir.path());
    told.with(1, "zeo may not deploy", "No line names “zeo”");
    assert!(!told.err.contains("the project"), "{told:?}");
    ask("explain zoe view shpo", dir.path()).with(0, "zoe may view", "No line names the project “shpo”");
    let told = ask("explain zeo deploy shop/dev", dir.path());
    told.with(1, "", "(developers, ");
    told.with(
        1,
        "",
        "if their login tells one, add --group, as in --group developers.",
    );
    let told = ask("explain zeo deploy shop/dev --group readers", dir.path());
    assert!(!told.err.contains("add --group"), "{told:?}");
    let of_shipped = run(program().args(["policy", "who", "shop/dev", "administer"]));
    of_shipped.with(0, "admin may administer", "the policy shipped inside the program");
}

#[test]
fn an_aligned_file_is_told_as_aligned() {
    let dir = policy("p,zoe,shop,dev,deploy,always,allow\n");
    let check = json(&at("fmt --check --json", &[dir.path()]));
    assert_eq!(
        (&check["aligned"], &check["changed"]),
        (&Value::Bool(false), &Value::Bool(false))
    );
    let done = json(&at("fmt --json", &[dir.path()]));
    assert_eq!(
        (&done["aligned"], &done["changed"]),
        (&Value::Bool(true), &Value::Bool(true))
    );
}
