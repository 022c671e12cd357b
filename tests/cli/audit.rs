//! The audit log on the command line, as `docs/audit.md` shows it: heads, proofs, a cut, the key.

use std::os::unix::fs::PermissionsExt;

use nix::sys::signal::Signal;

use super::{Installation, Ran, program, run};

/// Starts it, sees it answer, and ends it; what it said.
async fn served(here: &Installation) -> Ran {
    let mut serving = here.serve();
    serving.answers().await;
    serving.end(Signal::SIGTERM)
}

async fn tamper(here: &Installation, sql: &str) {
    use sea_orm::{ConnectionTrait, Database};
    let url = format!("sqlite://{}", here.database().display());
    let raw = Database::connect(url).await.unwrap();
    raw.execute_unprepared(sql).await.unwrap();
    raw.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn heads_are_handed_out_and_prove_the_log_later() {
    let here = Installation::new();
    here.run("audit head").badly("There is no database yet.");
    let first = served(&here).await;
    first.with(0, "", "Heads of the audit log are signed from now on.");
    let key = here.data().join("audit.key");
    let mode = std::fs::metadata(&key).unwrap().permissions().mode();
    assert_eq!(mode & 0o7777, 0o600);
    let own = std::fs::read_to_string(here.data().join("audit.heads")).unwrap();
    assert!(own.starts_with("deployer-audit-head.1."), "{own}");
    here.run_with("user add alice --password-stdin", "correct horse battery\n")
        .well("");
    let head = here.run("audit head");
    head.well("deployer-audit-head.1.");
    let head = head.out.trim().to_owned();
    let mail = here.dir.path().join("mail.txt");
    std::fs::write(&mail, format!("Subject: head\n\n{head}\n")).unwrap();
    for given in [head.as_str(), mail.to_str().unwrap()] {
        let proof = here.run(&format!("audit verify --head {given}"));
        proof.well("The audit log is intact.");
    }
    here.run("audit verify --head nonsense")
        .badly("is neither a head nor a file");
    std::fs::write(&mail, "nothing").unwrap();
    let none = here.run(&format!("audit verify --head {}", mail.display()));
    none.badly("There is no head in this text.");
    let (begin, rest) = head.split_at(70);
    std::fs::write(&mail, format!("{begin}\n{rest}")).unwrap();
    let broken = here.run(&format!("audit verify --head {}", mail.display()));
    broken.badly("is not whole");

    tamper(
        &here,
        "UPDATE audit_events SET actor = 'x' WHERE action = 'user.added'",
    )
    .await;
    here.run("audit verify")
        .with(1, "was changed after it was recorded.", "");
    let json = here.run("audit verify --json");
    let found: serde_json::Value = serde_json::from_str(&json.out).unwrap();
    assert_eq!((json.code, found["whole"].as_bool()), (Some(1), Some(false)));
    assert!(found["first_wrong"].is_i64(), "{found}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_oldest_events_are_cut_and_the_archive_proves_them() {
    let here = Installation::new();
    served(&here).await;
    let archive = here.dir.path().join("2026.jsonl");
    let cut = |before: &str| {
        here.run(&format!(
            "audit cut --before {before} --archive {}",
            archive.display()
        ))
    };
    cut("yesterday").with(2, "", "write a day as 2026-01-01");
    cut("2020-01-01").badly("No event is older than 2020-01-01 00:00 UTC.");
    cut("2999-01-01").well("Keep it: the log is proven without it");
    here.run("audit verify").well("were cut lawfully on");
    let with = here.run(&format!("audit verify --archive {}", archive.display()));
    with.well("The audit log is intact.");
    let text = std::fs::read_to_string(&archive).unwrap();
    std::fs::write(
        &archive,
        text.replacen("\"address\":\"engine\"", "\"address\":\"cli\"", 1),
    )
    .unwrap();
    let with = here.run(&format!("audit verify --archive {}", archive.display()));
    with.with(1, "was changed after it was recorded.", "");
    cut("2999-01-01").badly("an archive is never overwritten");
    served(&here).await.with(0, "", "");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_start_with_another_audit_key_is_refused_until_it_is_accepted() {
    let here = Installation::new();
    served(&here).await;
    let key = here.data().join("audit.key");
    let shown = here.run("audit key show");
    shown.well("Heads are signed with it.");
    let public = shown.out.lines().next().unwrap().to_owned();
    std::fs::remove_file(&key).unwrap();
    here.run("serve").badly("deployer audit key accept");
    here.run("audit head").badly("There is no audit key");
    // Elsewhere, the public half is enough.
    let elsewhere = here.run(&format!("audit verify --key {public}"));
    elsewhere.well("The audit log is intact.");
    here.run("audit verify --key x")
        .with(2, "", "is not a public audit key");
    run(program().args(["audit", "key", "new"]).arg(&key)).well("The key ");
    here.run("audit key show")
        .with(1, "Heads are signed with another key", "");
    here.run("serve").badly("holds the key");
    here.run("audit key accept").well("from now on.");
    here.run("audit key accept").badly("used already");
    served(&here).await.with(0, "", "");
    here.run("audit verify").well("The audit log is intact.");
}

/// Every command that `docs/audit.md` shows, in its order.
#[tokio::test(flavor = "multi_thread")]
async fn the_commands_of_the_page_for_auditors_work() {
    let here = Installation::new();
    served(&here).await;
    let page = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/audit.md");
    let page = std::fs::read_to_string(page).unwrap();
    let blocks = page.split("```sh\n").skip(1);
    let commands: Vec<&str> = blocks
        .flat_map(|block| block.split("```").next().unwrap().lines())
        .collect();
    assert!(commands.len() >= 6, "{commands:?}");
    let binary = std::path::Path::new(env!("CARGO_BIN_EXE_deployer"))
        .parent()
        .unwrap();
    let path = format!("{}:{}", binary.display(), std::env::var("PATH").unwrap());
    for command in commands {
        let mut shell = std::process::Command::new("sh");
        shell
            .args(["-ec", command])
            .current_dir(here.dir.path())
            .env("PATH", &path)
            .env("DEPLOYER__DATA_DIR", here.data());
        let ran = run(&mut shell);
        assert_eq!(ran.code, Some(0), "{command}: {ran:?}");
    }
}
