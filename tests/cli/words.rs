//! The command line itself: every command tells what it is for, and what is wrong is told with the
//! code for it.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

use super::{Installation, program, run};

/// The commands that a help lists.
fn listed(help: &str) -> Vec<String> {
    let lines = help.lines().skip_while(|line| *line != "Commands:").skip(1);
    let first = |line: &str| line.split_whitespace().next().map(str::to_owned);
    lines
        .take_while(|line| line.starts_with("  "))
        .filter_map(first)
        .filter(|name| name != "help")
        .collect()
}

/// Every command, with those that it is made of.
const COMMANDS: &[&str] = &[
    "",
    "approve",
    "audit",
    "audit cut",
    "audit export",
    "audit head",
    "audit key",
    "audit key accept",
    "audit key new",
    "audit key show",
    "audit verify",
    "cancel",
    "completions",
    "continue",
    "demo",
    "deploy",
    "git-check",
    "key",
    "key forget",
    "key new",
    "key rotate",
    "key show",
    "lock",
    "log",
    "man",
    "migrate",
    "open",
    "pause",
    "policy",
    "policy check",
    "policy diff",
    "policy explain",
    "policy fmt",
    "policy test",
    "policy who",
    "promote",
    "rollback",
    "serve",
    "ssh-check",
    "status",
    "token",
    "token add",
    "token list",
    "token revoke",
    "unlock",
    "user",
    "user add",
    "user disable",
    "user enable",
    "user link",
    "user list",
    "user logout",
    "user passwd",
    "user reset-second-factor",
    "user unlink",
    "who",
];

#[test]
fn every_command_tells_what_it_is_for() {
    let mut paths: Vec<Vec<String>> = vec![Vec::new()];
    let mut seen = Vec::new();
    while let Some(path) = paths.pop() {
        let told = run(program().args(&path).arg("--help"));
        let usage = format!("Usage: deployer {}", path.join(" "));
        told.well(usage.trim_end());
        for name in listed(&told.out) {
            paths.push([path.as_slice(), &[name]].concat());
        }
        seen.push(path.join(" "));
    }
    seen.sort();
    assert_eq!(seen, COMMANDS);
}

#[test]
fn a_wrong_command_line_and_a_wrong_configuration_end_with_2() {
    run(program().arg("--version")).well("deployer ");
    run(&mut program()).with(2, "", "Usage: deployer <COMMAND>");
    run(program().arg("sreve")).with(2, "", "unrecognized subcommand 'sreve'");
    run(program().args(["user", "add", "x", "--generate", "--password-stdin"])).with(
        2,
        "",
        "cannot be used with",
    );
    run(program().args(["serve", "--config", "/no/d.toml"])).with(
        2,
        "",
        "/no/d.toml: There is no such file.",
    );

    let here = Installation::with("bnd = 'x'");
    let told = here.run("user list");
    told.with(2, "", "deployer.toml:4: http.bnd is not a setting");
    let here = Installation::new();
    let mut command = here.command("user list");
    let told = run(command
        .env("DEPLOYER__HTTP__BIND", OsStr::from_bytes(b"127.0.0.1:80\xff"))
        .env("NOT_OURS", OsStr::from_bytes(b"\xff")));
    told.with(
        2,
        "",
        "environment variable DEPLOYER__HTTP__BIND: is not UTF-8 text",
    );
    let mut command = here.command("user list");
    run(command.env("NOT_OURS", OsStr::from_bytes(b"\xff"))).well("");
}
