//! Real processes: `sh`, its children and its grandchildren.

use std::path::Path;
use std::time::Instant;

use super::*;

/// Keeps everything, and may be slow about it.
#[derive(Default)]
struct Kept {
    out: Vec<u8>,
    err: Vec<u8>,
    pause: Duration,
}

impl Output for Kept {
    async fn stdout(&mut self, data: Bytes) {
        sleep(self.pause).await;
        self.out.extend_from_slice(&data);
    }

    async fn stderr(&mut self, data: Bytes) {
        sleep(self.pause).await;
        self.err.extend_from_slice(&data);
    }
}

impl Kept {
    fn text(&self) -> String {
        String::from_utf8_lossy(&self.out).into_owned()
    }
}

fn sh(script: &str) -> Command {
    Command::new("/bin/sh").arg("-c").arg(script)
}

async fn ran(command: &Command, how: Run) -> (Result<Exit, Error>, Kept) {
    let mut kept = Kept::default();
    let result = run(command, how, &mut kept).await;
    (result, kept)
}

/// Whether the process that wrote its number into `file` still runs (a zombie does not).
fn runs(file: &Path) -> bool {
    let pid = std::fs::read_to_string(file).unwrap();
    std::fs::read_to_string(format!("/proc/{}/stat", pid.trim())).is_ok_and(|stat| {
        !stat
            .rsplit(')')
            .next()
            .unwrap()
            .trim_start()
            .starts_with(['Z', 'X'])
    })
}

/// The kernel takes a moment between a signal and the end.
async fn ends(file: &Path) -> bool {
    for _ in 0..100 {
        if !runs(file) {
            return true;
        }
        sleep(Duration::from_millis(20)).await;
    }
    false
}

#[tokio::test]
async fn both_streams_and_the_exit_code_arrive() {
    let (exit, kept) = ran(&sh("echo out; echo err >&2; exit 3"), Run::default()).await;
    assert_eq!(exit.unwrap(), Exit::Code(3));
    assert_eq!(
        (kept.text().as_str(), kept.err.as_slice()),
        ("out\n", b"err\n".as_slice())
    );
}

#[tokio::test]
async fn a_signal_is_reported_by_its_name() {
    let (exit, _) = ran(&sh("kill -USR1 $$"), Run::default()).await;
    let exit = exit.unwrap();
    assert_eq!(exit, Exit::Signal("USR1".into()));
    assert_eq!(
        (exit.code(), exit.success(), exit.to_string().as_str()),
        (None, false, "signal USR1")
    );
}

#[tokio::test]
async fn only_named_variables_pass_and_given_ones_win() {
    let command = Command::new("env")
        .env("HOME", "/nowhere")
        .env("DEPLOYER_COMMIT", "a b $(id)");
    let (_, kept) = ran(&command, Run::default()).await;
    let text = kept.text();
    let names: Vec<&str> = text.lines().filter_map(|line| line.split('=').next()).collect();
    assert!(
        text.contains("HOME=/nowhere\n") && text.contains("DEPLOYER_COMMIT=a b $(id)\n"),
        "{text}"
    );
    // Every test of cargo sees this one.
    assert!(std::env::var_os("CARGO_MANIFEST_DIR").is_some() && !names.contains(&"CARGO_MANIFEST_DIR"));
    assert!(
        names
            .iter()
            .all(|name| KEPT_VARIABLES.contains(name) || *name == "DEPLOYER_COMMIT"),
        "{text}"
    );
}

#[tokio::test]
async fn arguments_and_directory_are_taken_as_they_are() {
    let dir = tempfile::tempdir().unwrap();
    let command = sh("pwd; printf '%s|' \"$@\"; cat")
        .args(["name", "$(id)", "a'b", ""])
        .dir(dir.path());
    let (exit, kept) = ran(&command, Run::default()).await;
    assert!(exit.unwrap().success());
    assert_eq!(kept.text(), format!("{}\n$(id)|a'b||", dir.path().display()));
}

#[tokio::test]
async fn a_time_limit_ends_grandchildren_that_ignore_the_polite_signal() {
    let dir = tempfile::tempdir().unwrap();
    let script = "trap '' TERM; (trap '' TERM; sh -c 'trap \"\" TERM; echo $$ >grandchild; while :; do sleep 1; done') & wait; sleep 60";
    let how = Run {
        grace: Duration::from_millis(300),
        ..Run::within(Duration::from_millis(500))
    };
    let begun = Instant::now();
    let (result, _) = ran(&sh(script).dir(dir.path()), how).await;
    let error = result.unwrap_err();
    assert!(matches!(error, Error::TimedOut { .. }), "{error:?}");
    assert_eq!(
        error.to_string(),
        "“/bin/sh” was ended because it took longer than 0.5 s."
    );
    assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
    assert!(ends(&dir.path().join("grandchild")).await);
}

#[tokio::test]
async fn a_cancel_leaves_time_to_clean_up_and_keeps_what_was_printed() {
    let how = Run {
        grace: Duration::from_secs(20),
        ..Run::default()
    };
    let cancel = how.cancel.clone();
    tokio::spawn(async move {
        sleep(Duration::from_millis(400)).await;
        cancel.cancel();
    });
    let begun = Instant::now();
    let (result, kept) = ran(
        &sh("trap 'echo cleaned; exit 1' TERM; echo begun; sleep 60 & wait"),
        how,
    )
    .await;
    assert!(matches!(result, Err(Error::Cancelled { .. })), "{result:?}");
    assert_eq!(kept.text(), "begun\ncleaned\n");
    assert!(
        begun.elapsed() < Duration::from_secs(10),
        "the grace was waited out"
    );
}

#[tokio::test]
async fn what_a_script_leaves_in_its_group_ends_with_it() {
    let dir = tempfile::tempdir().unwrap();
    let script = "sh -c 'echo $$ >left; exec sleep 60' & while [ ! -s left ]; do :; done; echo done";
    let begun = Instant::now();
    let (exit, kept) = ran(&sh(script).dir(dir.path()), Run::default()).await;
    assert!(exit.unwrap().success());
    assert_eq!(kept.text(), "done\n");
    assert!(begun.elapsed() < ORPHAN_WAIT + Duration::from_secs(5));
    assert!(ends(&dir.path().join("left")).await);
}

#[tokio::test]
async fn a_pipe_held_by_a_process_that_left_the_group_is_not_waited_for() {
    let dir = tempfile::tempdir().unwrap();
    let script = "setsid sh -c 'echo $$ >left; exec yes' & while [ ! -s left ]; do :; done; echo done >&2";
    let (exit, kept) = ran(&sh(script).dir(dir.path()), Run::default()).await;
    assert!(exit.unwrap().success());
    assert_eq!(kept.err, b"done\n");
    // Its reader is gone, so `yes` ends by itself.
    assert!(ends(&dir.path().join("left")).await);
}

#[tokio::test]
async fn a_slow_reader_slows_the_process_and_loses_nothing() {
    let mut slow = Kept {
        pause: Duration::from_millis(60),
        ..Kept::default()
    };
    let begun = Instant::now();
    let command = sh("head -c 3000000 /dev/zero");
    let exit = run(&command, Run::default(), &mut slow).await;
    assert!(exit.unwrap().success());
    assert_eq!(slow.out.len(), 3_000_000);
    assert!(
        begun.elapsed() > ORPHAN_WAIT,
        "this must outlast the wait for orphans to prove anything"
    );
}

#[tokio::test]
async fn a_reader_that_is_stuck_does_not_stop_a_cancel() {
    let mut stuck = Kept {
        pause: Duration::from_secs(3600),
        ..Kept::default()
    };
    let how = Run {
        grace: Duration::from_millis(200),
        ..Run::within(Duration::from_millis(300))
    };
    let result = timeout(LAST_WRITE * 3, run(&sh("yes"), how, &mut stuck)).await;
    assert!(matches!(result, Ok(Err(Error::TimedOut { .. }))), "{result:?}");
}

#[tokio::test]
async fn dropping_the_run_ends_the_group() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("child");
    let command = sh("sh -c 'echo $$ >child; sleep 60' & wait").dir(dir.path());
    let task = tokio::spawn(async move { ran(&command, Run::default()).await.0 });
    while !std::fs::read_to_string(&file).is_ok_and(|text| text.ends_with('\n')) {
        sleep(Duration::from_millis(10)).await;
    }
    assert!(runs(&file));
    task.abort();
    assert!(ends(&file).await);
}

#[tokio::test]
async fn what_cannot_start_says_why() {
    let dir = tempfile::tempdir().unwrap();
    let plain = dir.path().join("plain");
    std::fs::write(&plain, "").unwrap();
    for (command, words) in [
        (Command::new("/no/such"), "there is no such program"),
        (Command::new(&plain), "it may not be executed"),
        (
            sh("true").dir("/no/such"),
            "its directory “/no/such” does not exist",
        ),
    ] {
        let error = ran(&command, Run::default()).await.0.unwrap_err();
        assert!(error.to_string().contains(words), "{error}");
    }
}
