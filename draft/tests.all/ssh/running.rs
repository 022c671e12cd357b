//! What a command prints, reads and returns.

use std::time::{Duration, Instant};

use bytes::Bytes;
use deployer::ssh::{Command, Error, Exit, Output, Run, Stdin};

use super::{ENOUGH, Seen, printed, sh};
use crate::support::sshd::Sshd;

#[tokio::test]
async fn standard_output_error_and_exit_status_are_separate() {
    let sshd = Sshd::start().await;
    let session = sshd.pool().session(&sshd.endpoint()).await.unwrap();
    let done = sh(&session, "echo to out; echo to err >&2; exit 7", &[])
        .await
        .unwrap();
    assert_eq!(done.stdout, b"to out\n");
    assert_eq!(done.stderr, b"to err\n");
    assert_eq!(done.exit, Exit::Code(7));
}

#[tokio::test]
async fn a_signal_is_reported_by_name() {
    let sshd = Sshd::start().await;
    let session = sshd.pool().session(&sshd.endpoint()).await.unwrap();
    let done = sh(&session, "kill -KILL $$", &[]).await.unwrap();
    assert_eq!(done.exit, Exit::Signal("KILL".to_owned()));
}

#[tokio::test]
async fn a_missing_program_exits_127() {
    let sshd = Sshd::start().await;
    let session = sshd.pool().session(&sshd.endpoint()).await.unwrap();
    let missing = Command::new("no-such-program-here");
    let done = session.capture(&missing, Run::default(), ENOUGH).await.unwrap();
    assert_eq!(done.exit, Exit::Code(127));
}

#[tokio::test]
async fn environment_and_arguments_arrive_as_they_are() {
    let sshd = Sshd::start().await;
    let session = sshd.pool().session(&sshd.endpoint()).await.unwrap();
    let odd = "a 'b' \"c\" $(id) `id` \\ \n *";
    let dir = sshd.dir().join("it's a dir");
    std::fs::create_dir(&dir).unwrap();
    let command = Command::script(r#"cd -- "$1" && pwd; printf '%s|%s' "$ODD" "$2""#)
        .arg(&dir)
        .arg(odd)
        .env("ODD", odd);
    let done = session.capture(&command, Run::default(), ENOUGH).await.unwrap();
    assert_eq!(
        String::from_utf8(done.stdout).unwrap(),
        format!("{}\n{odd}|{odd}", dir.display())
    );
}

#[tokio::test]
async fn a_command_reads_end_of_file_unless_it_is_given_something() {
    let sshd = Sshd::start().await;
    let session = sshd.pool().session(&sshd.endpoint()).await.unwrap();
    assert_eq!(printed(&session, "cat; echo over", &[]).await, "over");

    let bytes = vec![7_u8; 3_000_000];
    for stdin in [
        Stdin::Bytes(Bytes::from(bytes.clone())),
        Stdin::Reader(Box::new(std::io::Cursor::new(bytes.clone()))),
    ] {
        let how = Run {
            stdin,
            ..Run::default()
        };
        let done = session
            .capture(&Command::new("wc").arg("-c"), how, ENOUGH)
            .await
            .unwrap();
        assert_eq!(done.stdout.trim_ascii(), b"3000000");
    }
}

#[tokio::test]
async fn a_command_may_end_without_reading_all_its_input() {
    let sshd = Sshd::start().await;
    let session = sshd.pool().session(&sshd.endpoint()).await.unwrap();
    let how = Run {
        stdin: Stdin::Reader(Box::new(tokio::io::repeat(0))),
        ..Run::default()
    };
    let done = session
        .capture(&Command::new("false"), how, ENOUGH)
        .await
        .unwrap();
    assert_eq!(done.exit, Exit::Code(1));
}

#[tokio::test]
async fn a_hundred_megabytes_stream_without_being_buffered() {
    struct Count {
        bytes: usize,
        most_memory: usize,
    }
    impl Output for Count {
        async fn stdout(&mut self, data: Bytes) {
            self.bytes += data.len();
            if self.bytes % 5_000_000 < data.len() {
                // Slower than the network: what piles up would pile up here.
                tokio::time::sleep(Duration::from_millis(20)).await;
                self.most_memory = self.most_memory.max(resident());
            }
        }
        async fn stderr(&mut self, _: Bytes) {}
    }
    let sshd = Sshd::start().await;
    let session = sshd.pool().session(&sshd.endpoint()).await.unwrap();
    let before = resident();
    let mut count = Count {
        bytes: 0,
        most_memory: 0,
    };
    let command = Command::new("head").args(["-c", "100000000", "/dev/zero"]);
    let exit = session.run(&command, Run::default(), &mut count).await.unwrap();
    assert!(exit.success());
    assert_eq!(count.bytes, 100_000_000);
    let grown = count.most_memory.saturating_sub(before);
    assert!(grown < 40_000_000, "memory grew by {grown} bytes");
}

/// Resident memory of this process, in bytes.
fn resident() -> usize {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap();
    statm.split_whitespace().nth(1).unwrap().parse::<usize>().unwrap() * 4096
}

#[tokio::test]
async fn capturing_too_much_stops_the_command() {
    let sshd = Sshd::start().await;
    let session = sshd.pool().session(&sshd.endpoint()).await.unwrap();
    let error = session
        .capture(&Command::new("yes"), Run::default(), 10_000)
        .await
        .unwrap_err();
    assert!(
        matches!(error, Error::TooMuchOutput { limit: 10_000, .. }),
        "{error}"
    );
}

#[tokio::test]
async fn a_daemon_that_keeps_the_output_open_does_not_block_the_step() {
    let sshd = Sshd::start().await;
    let session = sshd.pool().session(&sshd.endpoint()).await.unwrap();
    let mut seen = Seen::default();
    let start = Instant::now();
    let command = Command::script("sleep 300 & echo $!; exit 3");
    let exit = session.run(&command, Run::default(), &mut seen).await.unwrap();
    assert_eq!(exit, Exit::Code(3));
    assert!(start.elapsed() < Duration::from_secs(15), "{:?}", start.elapsed());
    // It is the script's will that it lives on.
    let daemon = seen.out.trim();
    assert_eq!(
        printed(&session, "kill -0 $1 && kill $1 && echo alive", &[daemon]).await,
        "alive"
    );
}

#[tokio::test]
async fn twenty_commands_at_once_share_one_connection() {
    let sshd = Sshd::start().await;
    let pool = sshd.pool();
    let session = pool.session(&sshd.endpoint()).await.unwrap();
    let start = Instant::now();
    let commands = (0..20).map(|n| {
        let session = session.clone();
        async move { printed(&session, "sleep 0.5; echo $1", &[&n.to_string()]).await }
    });
    let answers = futures_util::future::join_all(commands).await;
    assert_eq!(answers, (0..20).map(|n| n.to_string()).collect::<Vec<_>>());
    assert!(
        start.elapsed() >= Duration::from_millis(1500),
        "eight at a time make three rounds"
    );
    assert_eq!(sshd.connections(), 1);
    assert_eq!(pool.connections(), 1);
}

#[tokio::test]
async fn a_hundred_short_commands_leave_nothing_behind() {
    let sshd = Sshd::start().await;
    let session = sshd.pool().session(&sshd.endpoint()).await.unwrap();
    for _ in 0..100 {
        assert!(sh(&session, "exit 0", &[]).await.unwrap().exit.success());
    }
    super::until("only the connection is left", async || {
        sshd.processes() == sshd.connections()
    })
    .await;
}
