//! Cancelling, running out of time, losing the connection: what runs over there ends.

use std::time::{Duration, Instant};

use deployer::ssh::{Command, Connections, Error, Options, Run, Session, Stdin};
use tokio_util::sync::CancellationToken;

use super::{ENOUGH, Seen, printed, sh, until};
use crate::support::sshd::Sshd;

/// A script with a child and a grandchild, all deaf to `TERM`; their numbers go to `$1`.
const DEAF_FAMILY: &str = r#"trap '' TERM
sh -c 'trap "" TERM; sleep 301 & echo $! >>"$1"; echo $$ >>"$1"; wait' sh "$1" &
echo $$ >>"$1"; echo started; while :; do sleep 1; done"#;

async fn family(session: &Session, file: &std::path::Path) -> Vec<String> {
    let file = file.to_str().unwrap();
    until("three numbers are written", async || {
        std::fs::read_to_string(file).is_ok_and(|numbers| numbers.lines().count() == 3)
    })
    .await;
    let numbers: Vec<_> = std::fs::read_to_string(file)
        .unwrap()
        .lines()
        .map(str::to_owned)
        .collect();
    for number in &numbers {
        assert_eq!(
            printed(session, "kill -0 $1 && echo alive", &[number]).await,
            "alive"
        );
    }
    numbers
}

pub fn is_gone(number: &str) -> bool {
    // A process nobody waited for yet is over all the same.
    let stat = std::fs::read_to_string(format!("/proc/{number}/stat"));
    stat.is_err()
        || stat.is_ok_and(|stat| {
            stat.rsplit_once(") ")
                .is_some_and(|(_, rest)| rest.starts_with('Z'))
        })
}

#[tokio::test]
async fn cancelling_ends_the_whole_group_even_if_it_ignores_sigterm() {
    let sshd = Sshd::start().await;
    let session = sshd.pool().session(&sshd.endpoint()).await.unwrap();
    let file = sshd.dir().join("numbers");
    let cancel = CancellationToken::new();
    let running = tokio::spawn({
        let (session, cancel, file) = (session.clone(), cancel.clone(), file.clone());
        async move {
            let how = Run {
                cancel,
                ..Run::default()
            };
            let command = Command::script(DEAF_FAMILY).arg(file);
            session.capture(&command, how, ENOUGH).await
        }
    });
    let numbers = family(&session, &file).await;
    cancel.cancel();
    let error = running.await.unwrap().unwrap_err();
    assert!(matches!(error, Error::Cancelled { .. }), "{error}");
    until("all are gone", async || {
        numbers.iter().all(|number| is_gone(number))
    })
    .await;
}

#[tokio::test]
async fn a_lost_connection_ends_the_group_too() {
    let sshd = Sshd::start().await;
    let pool = sshd.pool();
    let session = pool.session(&sshd.endpoint()).await.unwrap();
    let file = sshd.dir().join("numbers");
    let running = tokio::spawn({
        let (session, file) = (session.clone(), file.clone());
        async move {
            session
                .capture(&Command::script(DEAF_FAMILY).arg(file), Run::default(), ENOUGH)
                .await
        }
    });
    let numbers = family(&session, &file).await;
    sshd.kill_connections();
    let error = running.await.unwrap().unwrap_err();
    assert!(matches!(error, Error::ConnectionLost { .. }), "{error}");
    until("all are gone", async || {
        numbers.iter().all(|number| is_gone(number))
    })
    .await;
}

#[tokio::test]
async fn a_dropped_run_ends_the_group_and_gives_its_room_back() {
    let sshd = Sshd::start().await;
    let pool = sshd.pool();
    let session = pool.session(&sshd.endpoint()).await.unwrap();
    for round in 0..12 {
        let file = sshd.dir().join(format!("number{round}"));
        let command = Command::script("echo $$ >$1; sleep 302").arg(&file);
        let dropped = session.capture(&command, Run::default(), ENOUGH);
        let number = tokio::select! {
            _ = dropped => unreachable!("it sleeps"),
            () = until("it runs", async || std::fs::read_to_string(&file).is_ok_and(|n| n.ends_with('\n'))) => {
                std::fs::read_to_string(&file).unwrap().trim().to_owned()
            }
        };
        until("it is gone", async || is_gone(&number)).await;
    }
    assert_eq!(printed(&session, "echo still here", &[]).await, "still here");
    assert_eq!(sshd.connections(), 1);
}

#[tokio::test]
async fn a_limit_stops_the_command_and_its_last_words_still_arrive() {
    let sshd = Sshd::start().await;
    let session = sshd.pool().session(&sshd.endpoint()).await.unwrap();
    let command = Command::script("trap 'echo cleaning up; exit 1' TERM; echo hello; sleep 303 & wait");
    let mut seen = Seen::default();
    let limit = Duration::from_millis(800);
    let start = Instant::now();
    let how = Run {
        timeout: Some(limit),
        ..Run::default()
    };
    let error = session.run(&command, how, &mut seen).await.unwrap_err();
    assert!(
        matches!(error, Error::TimedOut { limit: said, .. } if said == limit),
        "{error}"
    );
    assert_eq!(seen.out, "hello\ncleaning up\n");
    assert!(
        start.elapsed() < Duration::from_secs(4),
        "nobody had to be killed: {:?}",
        start.elapsed()
    );
}

#[tokio::test]
async fn cancelling_a_fed_command_ends_its_input() {
    let sshd = Sshd::start().await;
    let session = sshd.pool().session(&sshd.endpoint()).await.unwrap();
    let cancel = CancellationToken::new();
    let file = sshd.dir().join("number");
    let how = Run {
        cancel: cancel.clone(),
        stdin: Stdin::Reader(Box::new(tokio::io::repeat(b'x'))),
        ..Run::default()
    };
    let command = Command::script("echo $$ >$1; exec cat >/dev/null").arg(&file);
    let (ended, ()) = tokio::join!(session.capture(&command, how, ENOUGH), async {
        until("it runs", async || {
            std::fs::read_to_string(&file).is_ok_and(|n| n.ends_with('\n'))
        })
        .await;
        cancel.cancel();
    });
    assert!(matches!(ended, Err(Error::Cancelled { .. })), "{ended:?}");
    let number = std::fs::read_to_string(&file).unwrap().trim().to_owned();
    until("it is gone", async || is_gone(&number)).await;
}

#[tokio::test]
async fn input_that_cannot_be_read_is_an_error_of_its_own() {
    let sshd = Sshd::start().await;
    let session = sshd.pool().session(&sshd.endpoint()).await.unwrap();
    let broken = tokio_test_reader();
    let how = Run {
        stdin: Stdin::Reader(Box::new(broken)),
        ..Run::default()
    };
    let error = session
        .capture(&Command::new("cat"), how, ENOUGH)
        .await
        .unwrap_err();
    assert!(matches!(error, Error::Input { .. }), "{error}");
}

/// A file that says it can be read and cannot: a directory.
fn tokio_test_reader() -> tokio::fs::File {
    tokio::fs::File::from_std(std::fs::File::open("/").unwrap())
}

#[tokio::test]
async fn a_deployment_cancelled_before_it_starts_never_starts() {
    let sshd = Sshd::start().await;
    let session = sshd.pool().session(&sshd.endpoint()).await.unwrap();
    let cancel = CancellationToken::new();
    cancel.cancel();
    let file = sshd.dir().join("touched");
    let how = Run {
        cancel,
        ..Run::default()
    };
    let error = session
        .capture(&Command::new("touch").arg(&file), how, ENOUGH)
        .await
        .unwrap_err();
    assert!(matches!(error, Error::Cancelled { .. }), "{error}");
    assert_eq!(printed(&session, "echo after", &[]).await, "after");
    assert!(!file.exists());
}

#[tokio::test]
async fn the_channel_limit_of_a_server_is_waited_for_once() {
    let sshd = Sshd::start().await;
    let pool = Connections::new(Options {
        open_timeout: Duration::from_millis(400),
        ..sshd.options()
    });
    let session = pool.session(&sshd.endpoint()).await.unwrap();
    assert_eq!(printed(&session, "echo here", &[]).await, "here");
    sshd.hang();
    let began = Instant::now();
    let error = sh(&session, "true", &[]).await.unwrap_err();
    assert!(matches!(error, Error::ChannelTimeout { .. }), "{error}");
    assert!(
        began.elapsed() < Duration::from_millis(1200),
        "{:?}",
        began.elapsed()
    );
}
