//! Commands, here and on the server.

use std::path::Path;
use std::time::Instant;

use super::*;

const EVERYWHERE: [AskedFrom; 2] = [AskedFrom::Deployer, AskedFrom::Server];

#[tokio::test]
async fn a_command_is_healthy_when_it_exits_with_zero() {
    let server = Server::start().await;
    for from in EVERYWHERE {
        let (outcome, _) = server.ask(&check(command("true"), from, 1)).await;
        assert_eq!(outcome.expect("healthy"), "The command ended with exit code 0.");
        // Here the first process of the namespace reports it, as a shell does.
        let killed = match from {
            AskedFrom::Deployer => "exit code 137",
            AskedFrom::Server => "signal KILL",
        };
        for (line, how) in [
            ("exit 3", "exit code 3"),
            ("kill -9 $$", killed),
            ("no-such-program", "exit code 127"),
        ] {
            let sentence = server.complaint(&check(command(line), from, 2)).await;
            assert_eq!(
                sentence,
                format!("Not healthy after 2 attempts. The command ended with {how}.")
            );
        }
    }
}

#[tokio::test]
async fn a_command_gets_its_variables_and_directory_and_its_output_is_kept() {
    let server = Server::start().await;
    for from in EVERYWHERE {
        let line = "echo $DEPLOYER_SERVER \"$COLOUR\"; pwd >&2";
        let (outcome, seen) = server.ask(&check(command(line), from, 1)).await;
        outcome.expect("healthy");
        let dir = server.sshd.dir().display().to_string();
        let mut lines: Vec<&str> = seen.printed.lines().collect();
        // Two streams, in whatever order they come.
        lines.sort_unstable_by_key(|line| line.starts_with('/'));
        assert_eq!(lines, ["web1 it's red", dir.as_str()]);
    }
}

#[tokio::test]
async fn a_command_that_ignores_the_polite_signal_is_ended_with_its_children() {
    let server = Server::start().await;
    for from in EVERYWHERE {
        let held = server.cache.path().join(from.as_str()).with_extension("lock");
        // Its child ignores it too, and both hold a lock.
        let line = format!(
            "trap '' TERM; flock -s {0} sh -c 'while :; do sleep 1; done' & exec 8<>{0}; flock -s 8; \
             touch {0}-begun; while :; do sleep 1; done",
            held.display()
        );
        let mut hanging = check(command(&line), from, 1);
        hanging.limit = 2;
        let begun = Instant::now();
        let sentence = server.complaint(&hanging).await;
        let why = "The command was not done within 2 s and was ended.";
        assert_eq!(sentence, format!("Not healthy after 1 attempt. {why}"));
        assert!(begun.elapsed() < Duration::from_secs(20), "{:?}", begun.elapsed());
        assert!(held.with_extension("lock-begun").exists(), "they never began");
        freed(&held).await;
    }
}

/// Waits until nobody holds the lock on a file any more.
async fn freed(path: &Path) {
    let file = std::fs::File::open(path).expect("they began");
    let begun = Instant::now();
    while file.try_lock().is_err() {
        assert!(begun.elapsed() < SOON, "somebody still holds {}", path.display());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}
