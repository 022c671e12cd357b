//! What scripts of a repository reach on the deployer's host: a hostile one tries everything in a real
//! deployment, an honest one finds what it needs.

mod configured;
mod hostile;
mod outside;
mod own_files;
mod umask;
mod variables;

use std::fs::File;
use std::path::Path;
use std::time::{Duration, Instant};

use bytes::Bytes;
use deployer::confinement::{Confinement, ConfinementOptions, ProgramNetwork, WorkingTree};
use deployer::domain::health::{AskedFrom, CommandProbe, Probe};
use deployer::domain::{DeploymentState, EnvironmentOptions, HealthCheck};

use deployer::process::{Command, Output, Run};

use crate::support::world::World;

/// What is in the environment of a process of this host, and in files that are nobody's business.
const MARKER: &str = "a-secret-that-no-script-may-see";

/// Says for each try whether it reached something.
const TRY: &str = r#"try() { what=$1; shift; if "$@" >/dev/null 2>&1 </dev/null; then echo "REACHED $what"; else echo "kept out: $what"; fi; }
"#;

/// Deploys `lines` as `predeploy.sh`; what was printed.
async fn deployed(world: &mut World, lines: &str) -> String {
    world.repository.write("index.html", "hello\n");
    world.script("predeploy.sh", lines);
    let commit = world.commit("Script").await;
    let deployment = world.deploy(&commit).await;
    let log = world.log(deployment.id).await;
    assert_eq!(
        deployment.state,
        DeploymentState::Succeeded,
        "{log}{}",
        deployment.outcome
    );
    log
}

/// A strict installation, whose scripts may write to one directory of the host.
async fn strict(cache: &Path) -> World {
    let options = ConfinementOptions {
        writable: vec![cache.to_owned()],
        ..ConfinementOptions::default()
    };
    World::project().confinement(options).start().await
}

/// Whether somebody holds the lock on `path`.
fn is_held(path: &Path) -> bool {
    File::open(path).unwrap().try_lock().is_err()
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_of_a_script_outlives_its_step() {
    let cache = tempfile::tempdir().unwrap();
    let mut world = strict(cache.path()).await;
    let lock = cache.path().join("lock");
    // It leaves the session and its parent, and closes all that we could wait for.
    let lines = format!(
        "setsid flock {0} sh -c 'trap \"\" TERM HUP; touch {0}-held; sleep 1000' </dev/null >/dev/null 2>&1 &\n\
         until [ -e {0}-held ]; do sleep 0.05; done; echo it runs",
        lock.display()
    );
    let log = deployed(&mut world, &lines).await;
    assert!(log.contains("it runs"), "{log}");
    assert!(!is_held(&lock), "something of the script still runs");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_script_that_takes_too_long_may_tidy_up_and_leaves_nothing_behind() {
    let cache = tempfile::tempdir().unwrap();
    let options = EnvironmentOptions {
        local_timeout: 2,
        ..EnvironmentOptions::default()
    };
    let confinement = ConfinementOptions {
        writable: vec![cache.path().to_owned()],
        ..ConfinementOptions::default()
    };
    let setup = World::project().options(options).confinement(confinement);
    let mut world = setup.start().await;
    let lock = cache.path().join("lock");
    world.script(
        "predeploy.sh",
        &format!(
            "trap 'echo tidied up; exit 1' TERM\n\
             setsid flock {0} sh -c 'trap \"\" TERM; touch {0}-held; sleep 1000' &\n\
             until [ -e {0}-held ]; do sleep 0.05; done\n\
             while :; do sleep 0.1; done",
            lock.display()
        ),
    );
    let commit = world.commit("Slow").await;
    let deployment = world.deploy(&commit).await;
    let log = world.log(deployment.id).await;
    assert_eq!(deployment.state, DeploymentState::Failed, "{log}");
    assert!(log.contains("because it took longer than 2 s"), "{log}");
    assert!(log.contains("tidied up"), "{log}");
    assert!(!is_held(&lock), "something of the script still runs");
}

/// Nobody reads what it prints.
struct Unread;

impl Output for Unread {
    async fn stdout(&mut self, _: Bytes) {}
    async fn stderr(&mut self, _: Bytes) {}
}

/// Waits for what comes soon.
async fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !is_so() {
        assert!(begun.elapsed() < Duration::from_secs(60), "never: {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_program_that_nobody_waits_for_any_more_ends_with_all_it_started() {
    let cache = tempfile::tempdir().unwrap();
    let (lock, held) = (cache.path().join("lock"), cache.path().join("held"));
    let confinement = Confinement::new(ConfinementOptions {
        writable: vec![cache.path().to_owned()],
        scratch: cache.path().join("scratch"),
        ..ConfinementOptions::default()
    });
    let lines = format!(
        "setsid flock {} sh -c 'trap \"\" TERM; touch {}; sleep 1000' & wait",
        lock.display(),
        held.display()
    );
    let command = Command::new("/bin/sh").arg("-c").arg(lines);
    let running = tokio::spawn(async move {
        let mut unread = Unread;
        let run = confinement.run(command, WorkingTree::None, Run::default(), &mut unread);
        run.await.map(drop)
    });
    until("it runs", || held.exists()).await;
    assert!(is_held(&lock));
    running.abort();
    until("it has ended", || !is_held(&lock)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_honest_script_finds_what_it_needs() {
    let cache = tempfile::tempdir().unwrap();
    let mut world = strict(cache.path()).await;
    let lines = format!(
        "set -eu\n\
         test \"$HOME\" != \"$PWD\" && test -z \"$(ls -A \"$HOME\")\"\n\
         mkdir -p \"$HOME/go/mod\" && touch \"$HOME/go/mod/x\" && chmod -R a-w \"$HOME/go\"\n\
         touch \"$(mktemp)\" /var/tmp/x /dev/shm/x; test \"$(id -u)\" != 0\n\
         getent hosts localhost; getent passwd \"$(id -u)\"\n\
         touch x; chmod 755 x; install -m 700 x y; mkdir -m 750 z; cp -p x z; tar cf - z | tar xpf - -C \"$HOME\"\n\
         test -x y; rm -r x y z\n\
         echo 1 | cat > /dev/null; head -c 8 /dev/urandom | wc -c; cat /proc/self/comm; date; nproc\n\
         git init -q . && git -c user.name=x -c user.email=x@x commit -q --allow-empty -m x && rm -rf .git\n\
         bash -c 'diff <(echo 1) <(echo 1); ulimit -u'\n\
         echo kept > {}/kept; echo all is there",
        cache.path().display()
    );
    let log = deployed(&mut world, &lines).await;
    assert!(log.contains("all is there"), "{log}");
    assert!(log.contains(": 4096"), "{log}");
    let left = || {
        let trees = std::fs::read_dir(world.dir.path().join("work/trees")).unwrap();
        let names = trees.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        names.filter(|name| name.starts_with("scratch")).count()
    };
    until("no temporary directory stays", || left() == 0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_script_that_leaves_a_link_in_its_place_deletes_nothing_outside() {
    let mut world = World::simple().await;
    let outside = world.dir.path().join("outside");
    std::fs::create_dir_all(&outside).unwrap();
    std::fs::write(outside.join("run_local_tests.sh"), "precious").unwrap();
    let lines = format!("rm -rf tests && ln -s {} tests", outside.display());
    world.script("tests/run_local_tests.sh", &lines);
    let commit = world.commit("Link").await;
    let deployment = world.deploy(&commit).await;
    let log = world.log(deployment.id).await;
    assert_eq!(deployment.state, DeploymentState::Failed, "{log}");
    assert!(
        log.contains("is a symbolic link that leads out of the tree"),
        "{log}"
    );
    assert!(outside.join("run_local_tests.sh").exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_network_is_as_configured() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    for (network, expected) in [
        (ProgramNetwork::Host, "REACHED the loopback"),
        (ProgramNetwork::None, "kept out: the loopback"),
    ] {
        let options = ConfinementOptions {
            network,
            ..ConfinementOptions::default()
        };
        let mut world = World::project().confinement(options).start().await;
        let reach = format!(
            "{TRY}try 'the loopback' perl -MIO::Socket::INET -e 'IO::Socket::INET->new(q(127.0.0.1:{port})) or exit 1'"
        );
        let log = deployed(&mut world, &reach).await;
        assert!(log.contains(expected), "{log}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_hidden_stays_so_below_what_may_be_read() {
    let shared = tempfile::tempdir().unwrap();
    let (keys, public) = (shared.path().join("keys"), shared.path().join("public"));
    for dir in [&keys, &public] {
        std::fs::create_dir(dir).unwrap();
        std::fs::write(dir.join("file"), MARKER).unwrap();
    }
    let token = shared.path().join("token");
    std::fs::write(&token, MARKER).unwrap();
    // The same directory under another name.
    let link = tempfile::tempdir().unwrap().keep().join("link");
    std::os::unix::fs::symlink(shared.path(), &link).unwrap();
    let options = ConfinementOptions {
        readable: vec![shared.path().to_owned(), link.clone()],
        hidden: vec![keys.clone(), token.clone()],
        ..ConfinementOptions::default()
    };
    let mut world = World::project().confinement(options).start().await;
    let mut lines = TRY.to_owned();
    for (what, path) in [
        ("public", public.join("file")),
        ("keys", keys.join("file")),
        ("token", token.clone()),
        ("keys by the link", link.join("keys/file")),
        ("token by the link", link.join("token")),
    ] {
        lines.push_str(&format!("try '{what}' grep -q {MARKER} {}\n", path.display()));
    }
    lines.push_str(&format!("try 'writing' touch {}/x\n", public.display()));
    let log = deployed(&mut world, &lines).await;
    let reached: Vec<&str> = log.lines().filter(|line| line.contains("REACHED")).collect();
    assert_eq!(reached.len(), 1, "{reached:#?}");
    assert!(reached[0].ends_with("REACHED public"), "{reached:#?}");
    std::fs::remove_dir_all(link.parent().unwrap()).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn unconfined_scripts_run_only_where_it_is_configured_and_the_log_says_so() {
    let options = ConfinementOptions {
        is_off: true,
        ..ConfinementOptions::default()
    };
    let mut world = World::project().confinement(options).start().await;
    let secret = world.dir.path().join("deployer.db");
    let lines = format!("{TRY}try 'the database' cat {}", secret.display());
    let log = deployed(&mut world, &lines).await;
    assert!(log.contains("REACHED the database"), "{log}");
    assert!(
        log.contains("It runs unconfined, as scripts.confinement says."),
        "{log}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_of_a_health_check_is_confined_as_well() {
    for (line, state) in [
        (
            "test -e index.html && ! touch made && touch /tmp/made",
            DeploymentState::Succeeded,
        ),
        ("ls /root || ls /etc/shadow", DeploymentState::Failed),
    ] {
        let options = EnvironmentOptions {
            health: Some(HealthCheck {
                probe: Probe::Command(CommandProbe {
                    line: line.to_owned(),
                }),
                from: AskedFrom::Deployer,
                attempts: 1,
                ..HealthCheck::default()
            }),
            ..EnvironmentOptions::default()
        };
        let setup = World::project().options(options);
        let mut world = setup.confinement(ConfinementOptions::default()).start().await;
        world.repository.write("index.html", "hello\n");
        let commit = world.commit("Health").await;
        let deployment = world.deploy(&commit).await;
        let log = world.log(deployment.id).await;
        assert_eq!(deployment.state, state, "{line}: {log}");
    }
}

#[tokio::test]
async fn a_program_outside_of_what_scripts_see_is_told_before_it_is_missed() {
    let opt = tempfile::tempdir().unwrap();
    let program = opt.path().join("tool");
    std::fs::write(&program, "").unwrap();
    let blind = Confinement::new(ConfinementOptions::default());
    let seeing = Confinement::new(ConfinementOptions {
        readable: vec![opt.path().to_owned()],
        ..ConfinementOptions::default()
    });
    assert!(!blind.shows(&program));
    assert!(seeing.shows(&program));
    assert!(blind.shows(Path::new("/bin/sh")) && blind.shows(Path::new("/usr/bin/env")));
    assert!(!blind.shows(Path::new("/etc/shadow")));
    let leads_out = opt.path().join("link");
    std::os::unix::fs::symlink("/etc/shadow", &leads_out).unwrap();
    assert!(!seeing.shows(&leads_out));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_script_starts_so_many_processes_and_no_more() {
    let dir = tempfile::tempdir().unwrap();
    let confinement = Confinement::new(ConfinementOptions {
        processes: 40,
        scratch: dir.path().join("scratch"),
        ..ConfinementOptions::default()
    });
    let lines = "my $count = 0;\
                 for (1..100) { my $child = fork; last unless defined $child; if (!$child) { sleep 60; exit } $count++ }\
                 print qq(started $count\\n); kill 9, -1;";
    for _ in 0..2 {
        let command = Command::new("/usr/bin/perl").arg("-e").arg(lines);
        let mut said = Heard::default();
        let ran = confinement
            .run(command, WorkingTree::None, Run::default(), &mut said)
            .await;
        ran.unwrap();
        let count: usize = said.0.trim().trim_start_matches("started ").parse().unwrap();
        assert!((20..40).contains(&count), "{count} were started");
    }
    let lacks = confinement.protection().await.lacks;
    assert!(
        !lacks.iter().any(|lack| lack.contains("How many processes")),
        "{lacks:?}"
    );
}

/// All that a program prints, standard error included.
#[derive(Default)]
struct Heard(String);

impl Output for Heard {
    async fn stdout(&mut self, data: Bytes) {
        self.0.push_str(&String::from_utf8_lossy(&data));
    }

    async fn stderr(&mut self, data: Bytes) {
        self.stdout(data).await;
    }
}
