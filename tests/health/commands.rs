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
        for (line, how) in [
            ("exit 3", "exit code 3"),
            ("kill -9 $$", "signal KILL"),
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
        let pids = server.sshd.dir().join(from.as_str());
        // Its child ignores it too, and both say who they are.
        let line = format!(
            "trap '' TERM; sh -c 'echo $$; while :; do sleep 1; done' >> {0} & echo $$ >> {0}; while :; do sleep 1; done",
            pids.display()
        );
        let mut hanging = check(command(&line), from, 1);
        hanging.limit = 1;
        let begun = Instant::now();
        let sentence = server.complaint(&hanging).await;
        let why = "The command was not done within 1 s and was ended.";
        assert_eq!(sentence, format!("Not healthy after 1 attempt. {why}"));
        assert!(begun.elapsed() < Duration::from_secs(20), "{:?}", begun.elapsed());
        let pids = std::fs::read_to_string(&pids).expect("they began");
        assert_eq!(pids.lines().count(), 2, "{pids}");
        for pid in pids.lines() {
            gone(pid).await;
        }
    }
}

/// Waits until a process has ended.
async fn gone(pid: &str) {
    let begun = Instant::now();
    while is_alive(pid) {
        assert!(begun.elapsed() < SOON, "process {pid} is still there");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// Whether it runs; one that only waits to be reaped does not.
fn is_alive(pid: &str) -> bool {
    let stat = std::fs::read_to_string(Path::new("/proc").join(pid).join("stat")).unwrap_or_default();
    stat.rsplit_once(") ")
        .is_some_and(|(_, rest)| !rest.starts_with(['Z', 'X']))
}
