//! Requests that a program makes up from the document: every answer is one that the document has, which has no
//! 500.
//!
//! Passed over where `SCHEMATHESIS` names no program; `tests/run` installs it and names it.
#![allow(
    clippy::disallowed_methods,
    reason = "a test may start a program, and wait for it"
)]

use std::num::NonZeroU32;
use std::process::Command;

use super::rights::filled_with;
use super::support::Program;
use crate::web::support::Options;

/// Requests per operation and phase.
const CASES: &str = "12";

/// What a request made of these would do outside of this machine: their names come from the generator.
const REACHES_OUT: [&str; 9] = [
    "createProject",
    "changeProject",
    "fetchProject",
    "fetchHostKey",
    "trustHostKey",
    "askServer",
    "askBalancer",
    "actOnBalancer",
    "createEnvironment",
];

#[tokio::test(flavor = "multi_thread")]
async fn no_generated_request_gets_an_answer_that_is_not_documented() {
    let Some(schemathesis) = std::env::var_os("SCHEMATHESIS") else {
        return;
    };
    let site = filled_with(Options {
        api_requests: NonZeroU32::new(1_000_000),
        ..Options::default()
    })
    .await;
    let admin = Program::of(&site, "admin").await;
    let dir = tempfile::tempdir().unwrap();
    let mut command = Command::new(schemathesis);
    command
        .current_dir(dir.path())
        .arg("run")
        .arg(format!("{}/api/v1/openapi.json", site.url))
        .arg("--url")
        .arg(format!("{}/api/v1", site.url))
        .args([
            "--phases",
            "coverage,fuzzing",
            "--max-examples",
            CASES,
            "--seed",
            "1",
        ])
        .args([
            "--warnings",
            "off",
            "--suppress-health-check",
            "all",
            "--continue-on-failure",
        ])
        .args([
            "--checks",
            "status_code_conformance,content_type_conformance,response_schema_conformance",
        ])
        .arg("--header")
        .arg(format!("Authorization:Bearer {}", admin.token));
    for operation in REACHES_OUT {
        command.args(["--exclude-operation-id", operation]);
    }
    let ran = tokio::task::spawn_blocking(move || command.output().unwrap())
        .await
        .unwrap();
    let told = String::from_utf8_lossy(&ran.stdout);
    assert!(
        ran.status.success(),
        "{told}{}",
        String::from_utf8_lossy(&ran.stderr)
    );
}
