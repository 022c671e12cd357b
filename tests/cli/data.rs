//! Commands that work on the database, by themselves and beside a server that has it.

use std::time::Duration;

use deployer::store::{Store, StoreOptions};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::{Installation, names, run};
use crate::support::databases::{Database, TestDatabase, on_every_database};

#[test]
fn users_are_added_listed_disabled_and_given_passwords() {
    let here = Installation::new();
    here.run("user list").well("");
    here.run_with(
        "user add alice --email alice@example.org --password-stdin",
        "correct horse\n",
    )
    .well("User “alice” was added.");
    here.run_with("user add Alice --password-stdin", "correct horse\n")
        .badly("There is already a user “Alice”.");
    here.run_with("user add bob --password-stdin", "short\n")
        .badly("at least 10 characters");
    here.run("user add bob")
        .badly("There is no terminal to ask for a password.");
    here.run("user add b*b --generate").badly("deployer: ");
    for name in ["default", "guest", "Guest"] {
        here.run(&format!("user add {name} --generate"))
            .badly("means visitors without login; choose another name.");
    }
    for name in [
        "auto", "AUTO", "Aud1t", "users", "Policy", "servers", "engine", "deploy",
    ] {
        here.run(&format!("user add {name} --generate"))
            .badly("choose another name.");
    }
    here.run("user passwd bob --generate")
        .badly("There is no user “bob”.");
    let given = here.run("user passwd alice --generate");
    given.well("User “alice” has a new password.\nPassword: ");
    here.run("user disable alice").well("User “alice” is disabled.");
    here.run("user list")
        .well("alice\tdisabled\tnever\t\talice@example.org\n");
    here.run("user enable alice").well("User “alice” is enabled.");
    here.run("user list").well("alice\tactive\t");
    here.run("user disable bob").badly("There is no user “bob”.");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_password_from_the_command_line_is_changed_at_the_first_login() {
    let here = Installation::new();
    here.run("user add alice --generate")
        .well("User “alice” was added.");
    here.run("user add robot --generate --keep")
        .well("User “robot” was added.");
    let must_change = async |name: &str| {
        let url = format!("sqlite://{}", here.database().display());
        let store = Store::open(&url, StoreOptions::default()).await.unwrap();
        let user = deployer::store::users::by_name(&store, name).await.unwrap();
        store.close().await.unwrap();
        user.must_change_password()
    };
    assert!(must_change("alice").await);
    assert!(!must_change("robot").await);
    here.run("user passwd alice --generate --keep").well("Password: ");
    here.run("user passwd robot --generate").well("Password: ");
    assert!(!must_change("alice").await);
    assert!(must_change("robot").await);
}

#[test]
fn the_command_line_refuses_the_same_user_names_as_the_form() {
    let here = Installation::new();
    let mut command = here.command("user add bob --generate");
    let told = run(command.args(["--display-name", "Bob\tthe builder", "--email", "nowhere"]));
    told.badly("on one line. “nowhere” is not an e-mail address.");
    let mut command = here.command("user add bob --generate");
    run(command.args(["--display-name", " Bob ", "--email", " bob@example.org "]))
        .well("User “bob” was added.");
    here.run("user list")
        .well("bob\tactive\tnever\tBob\tbob@example.org\n");
}

/// Whatever lies beside the database, a check leaves it and the database as they are.
#[track_caller]
fn unchanged_by_a_check(here: &Installation) {
    let (files, made) = (names(&here.data()), std::fs::read(here.database()).unwrap());
    here.run("migrate --check").well("The schema is up to date.");
    assert_eq!(names(&here.data()), files);
    assert!(
        std::fs::read(here.database()).unwrap() == made,
        "the file was changed"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_check_of_the_schema_changes_nothing() {
    let here = Installation::new();
    let told = here.run("migrate --check");
    told.with(1, "There is no database yet.", "");
    assert_eq!(names(here.dir.path()), ["deployer.toml"]);

    std::fs::create_dir(here.data()).unwrap();
    std::fs::write(here.database(), "").unwrap();
    let told = here.run("migrate --check");
    told.with(1, "Changes to be made: ", "");
    assert_eq!(names(&here.data()), ["deployer.sqlite"]);
    assert_eq!(std::fs::metadata(here.database()).unwrap().len(), 0);

    here.run("migrate").well("Changes made: ");
    unchanged_by_a_check(&here);
    here.run("migrate").well("The schema is up to date.");
    let log = here.data().join("deployer.sqlite-wal");
    let url = format!("sqlite://{}", here.database().display());
    let store = Store::open(&url, StoreOptions::default()).await.unwrap();
    store.record().await.unwrap().commit().await.unwrap();
    assert!(log.exists(), "nobody keeps a log");
    unchanged_by_a_check(&here);
    store.close().await.unwrap();
    assert!(!log.exists(), "the log was not folded in");
    unchanged_by_a_check(&here);
}

#[test]
fn a_database_server_that_refuses_is_told_as_one() {
    let here = Installation::new();
    let port = crate::support::haproxy::free_ports(1)[0];
    std::thread::scope(|scope| {
        for kind in ["postgres", "mysql"] {
            let here = &here;
            scope.spawn(move || {
                let url = format!("{kind}://me:secret@127.0.0.1:{port}/deployer");
                let ran = run(here.command("migrate").env("DEPLOYER__STORE__URL", url));
                ran.badly("The database does not answer.");
                ran.badly("refused");
                assert!(!ran.err.contains("secret"), "{}", ran.err);
            });
        }
    });
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unusable_key_is_reported_at_the_start() {
    let here = Installation::with("[ssh]\nkey_files = [\"/etc/passwd\"]");
    let mut serving = here.serve();
    serving.answers().await;
    let ended = serving.end(Signal::SIGTERM);
    let told = "ssh.key_files: The private key /etc/passwd cannot be used: it is no private key";
    ended.with(0, "listening on", told);
}

on_every_database!(the_program_serves);

async fn the_program_serves(on: Database) {
    let database = TestDatabase::empty(on).await;
    let here = Installation::with(&format!("[store]\nurl = \"{}\"", database.url));
    // The second start finds what the first has kept.
    for _ in 0..2 {
        let mut serving = here.serve();
        serving.answers().await;
        serving.end(Signal::SIGTERM).with(0, "listening on", "stopping");
        here.run("migrate --check").well("The schema is up to date.");
    }
    here.run("user add alice --generate")
        .well("User “alice” was added.");
}

#[tokio::test(flavor = "multi_thread")]
async fn one_instance_serves_a_database_and_commands_work_beside_it() {
    let here = Installation::new();
    let mut first = here.serve();
    first.answers().await;

    let other = format!("127.0.0.1:{}", crate::support::haproxy::free_ports(1)[0]);
    let second = run(here.command("serve").env("DEPLOYER__HTTP__BIND", other));
    second.badly(&format!(
        "is already being served by process {}.",
        first.child.id()
    ));
    here.run("user add alice --generate")
        .well("User “alice” was added.");
    here.run("user list").well("alice\tactive\t");
    here.run("migrate --check").well("The schema is up to date.");
    here.run("migrate").well("The schema is up to date.");
    first.answers().await;

    let ended = first.end(Signal::SIGTERM);
    ended.with(
        0,
        &format!("listening on http://127.0.0.1:{}", here.port),
        "stopping",
    );
    let mut again = here.serve();
    again.answers().await;
    again.end(Signal::SIGINT).with(0, "listening on", "stopping");
    let left = names(&here.data());
    assert!(!left.iter().any(|name| name.ends_with("-wal")), "{left:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_opens_as_many_files_as_the_system_allows() {
    let here = Installation::new();
    let mut limited = std::process::Command::new("prlimit");
    let serve = here.command("serve");
    limited
        .arg("--nofile=256:700")
        .arg(serve.get_program())
        .args(serve.get_args());
    for (name, value) in serve.get_envs() {
        limited.env(name, value.unwrap_or_default());
    }
    let mut serving = super::Running::start(&mut limited, here.port);
    serving.answers().await;
    let limits = std::fs::read_to_string(format!("/proc/{}/limits", serving.child.id())).unwrap();
    let files = limits
        .lines()
        .find(|line| line.starts_with("Max open files"))
        .unwrap();
    let numbers: Vec<&str> = files.split_whitespace().skip(3).take(2).collect();
    assert_eq!(numbers, ["700", "700"]);
    // 384 of them are kept for deployments; these would take all the others.
    let mut silent = Vec::new();
    for _ in 0..900 {
        silent.push(std::net::TcpStream::connect(("127.0.0.1", here.port)).unwrap());
    }
    serving.answers().await;
    let open = std::fs::read_dir(format!("/proc/{}/fd", serving.child.id())).unwrap();
    let open = open.count();
    assert!(open < 400, "{open} files are open");
    serving
        .end(Signal::SIGTERM)
        .with(0, "listening on", "fewer connections");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_can_open_no_more_files_closes_who_says_nothing() {
    let here = Installation::with("quiet_timeout = \"10m\"");
    let mut serving = here.serve();
    serving.answers().await;
    let process = serving.child.id().to_string();
    let open = || std::fs::read_dir(format!("/proc/{process}/fd")).unwrap().count();
    let few = format!("--nofile={}:", open() + 6);
    let limited = std::process::Command::new("prlimit")
        .args(["--pid", &process, &few])
        .status();
    assert!(limited.unwrap().success());
    let silent: Vec<_> = (0..30)
        .map(|_| std::net::TcpStream::connect(("127.0.0.1", here.port)).unwrap())
        .collect();
    let answered = tokio::time::timeout(Duration::from_secs(60), serving.answers()).await;
    answered.expect("nobody makes room");
    drop(silent);
    serving
        .end(Signal::SIGTERM)
        .with(0, "", "a connection could not be accepted");
}

#[test]
fn data_is_closed_to_other_accounts_whatever_the_umask() {
    use std::os::unix::fs::PermissionsExt;
    let here = Installation::new();
    let mode = |path: &std::path::Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    let set = |path: &std::path::Path, mode| {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    };
    let wide = |words: &str| {
        let command = here.command(words);
        let mut shell = std::process::Command::new("sh");
        shell
            .args(["-c", "umask 000; exec \"$0\" \"$@\""])
            .arg(command.get_program());
        shell.args(command.get_args());
        for (name, value) in command.get_envs() {
            match value {
                Some(value) => shell.env(name, value),
                None => shell.env_remove(name),
            };
        }
        run(&mut shell)
    };
    wide("user add alice --generate").well("User “alice” was added.");
    assert_eq!((mode(&here.data()), mode(&here.database())), (0o700, 0o600));

    // What an earlier version left open is closed.
    set(&here.data(), 0o755);
    set(&here.database(), 0o644);
    wide("user passwd alice --generate").well("User “alice” has a new password.");
    assert_eq!((mode(&here.data()), mode(&here.database())), (0o700, 0o600));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hangup_reads_the_policy_again_and_a_broken_one_changes_nothing() {
    let here = Installation::new();
    let policies = here.dir.path().join("policies");
    std::fs::create_dir(&policies).unwrap();
    for (name, text) in deployer::access::SHIPPED {
        std::fs::write(policies.join(name), text).unwrap();
    }
    // Those of before would refuse what is added below.
    std::fs::write(policies.join("tests.toml"), "").unwrap();
    let mut serve = here.command("serve");
    let mut serving = super::Running::start(serve.env("DEPLOYER__ACCESS__POLICIES", &policies), here.port);
    serving.answers().await;
    let url = format!("http://127.0.0.1:{}/audit", here.port);
    let sees = async || {
        let browser = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none());
        let answer = browser.build().unwrap().get(&url).send().await.unwrap();
        answer.status() == 200
    };
    let add = |line: &str| {
        let file = policies.join("policy.csv");
        let text = std::fs::read_to_string(&file).unwrap();
        std::fs::write(file, format!("{text}{line}\n")).unwrap();
    };
    let hang_up = || kill(Pid::from_raw(serving.child.id().cast_signed()), Signal::SIGHUP).unwrap();
    assert!(!sees().await);

    add("p, default, *, *, audit, always, allow");
    hang_up();
    let begun = std::time::Instant::now();
    while !sees().await {
        assert!(begun.elapsed() < super::PATIENCE, "the policy was not read again");
        tokio::time::sleep(super::LOOK_AGAIN).await;
    }
    add("p, default, *");
    hang_up();
    let file = here.database();
    let url = format!("sqlite://{}", file.display());
    let store = deployer::store::Store::open(&url, Default::default())
        .await
        .unwrap();
    let filter = deployer::store::AuditFilter {
        actions: vec!["policy.rejected".into()],
        ..Default::default()
    };
    loop {
        let page = deployer::store::audit::list(&store, &filter, deployer::store::Page::Newest, 10);
        if let [rejected] = &page.await.unwrap().items[..] {
            let detail = rejected.event.detail.to_string();
            assert!(detail.contains("policy.csv:"), "{detail}");
            break;
        }
        assert!(begun.elapsed() < super::PATIENCE, "the reload was not recorded");
        tokio::time::sleep(super::LOOK_AGAIN).await;
    }
    assert!(
        sees().await,
        "a broken policy took away what the one of before allows"
    );
    serving
        .end(Signal::SIGTERM)
        .with(0, "listening on", "stays in force");
}
