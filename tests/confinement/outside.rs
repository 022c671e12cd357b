//! A network of their own for confined programs.
//!
//! The host is played by a network namespace with nothing in it but what is made here: an interface whose
//! other end is in a second namespace, which plays the outside. Nothing leaves either of them.
#![allow(clippy::disallowed_methods, reason = "the tests make namespaces by programs")]

use std::io::Write as _;
use std::net::TcpListener;
use std::process::{Child, Command as Program, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use deployer::confinement::{Confinement, ConfinementOptions, Error, ProgramNetwork, WorkingTree};
use deployer::process::{self, Command, Exit, Run};
use nix::sched::{CloneFlags, unshare};
use tempfile::TempDir;

use super::{Heard, TRY, is_held, until};
use crate::support::sshd::is_root;

/// The host, its gateway, and a host outside; in IPv6 as well. Of networks for documentation.
const HOST: [&str; 2] = ["198.51.100.2", "2001:db8::2"];
const GATEWAY: [&str; 2] = ["198.51.100.1", "2001:db8::1"];
const OUTSIDE: &str = "198.51.100.9";

fn done(words: &str) {
    let mut words = words.split(' ');
    let program = words.next().unwrap();
    let out = Program::new(program).args(words).output().unwrap();
    assert!(
        out.status.success(),
        "{program}: {}",
        String::from_utf8_lossy(&out.stderr)
    );
}

/// The namespace that plays the outside: what listens there ends with it.
struct Outside(Child);

impl Outside {
    /// One with a listener on port 7000 that the gateway leads to; the present namespace becomes the host.
    fn start() -> Self {
        let listener = "use IO::Socket::INET; $s = IO::Socket::INET->new(Listen => 9, LocalPort => 7000, ReuseAddr => 1) or die; \
                        $| = 1; print qq(ready\n); while ($c = $s->accept) { close $c }";
        let mut child = Program::new("unshare")
            .args(["--net", "perl", "-e", listener])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut ready = [0; 6];
        let mut out = child.stdout.take().unwrap();
        std::io::Read::read_exact(&mut out, &mut ready).unwrap();
        let inside = format!("nsenter --net --target {}", child.id());
        done("ip link set lo up");
        done("ip link add host0 type veth peer name out0");
        done(&format!("ip link set out0 netns {}", child.id()));
        done(&format!("ip address add {}/24 dev host0", HOST[0]));
        done(&format!("ip address add {}/64 dev host0 nodad", HOST[1]));
        done("ip link set host0 up");
        done(&format!("{inside} ip address add {OUTSIDE}/24 dev out0"));
        done(&format!("{inside} ip link set out0 up"));
        done(&format!("ip route add default via {}", GATEWAY[0]));
        done(&format!("ip -6 route add default via {}", GATEWAY[1]));
        Self(child)
    }
}

impl Drop for Outside {
    fn drop(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

/// Runs `test` where the network is a host's of its own.
fn on_a_host_of_its_own<F: Future<Output = ()>>(test: impl FnOnce() -> F + Send + 'static) {
    let thread = std::thread::spawn(move || {
        unshare(CloneFlags::CLONE_NEWNET).unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        runtime.unwrap().block_on(test());
    });
    if let Err(panic) = thread.join() {
        std::panic::resume_unwind(panic);
    }
}

/// Programs with such a network, which may write to `dir`.
fn confined(dir: &TempDir, network: ProgramNetwork) -> Confinement {
    Confinement::new(ConfinementOptions {
        network,
        writable: vec![dir.path().to_owned()],
        scratch: dir.path().join("scratch"),
        ..ConfinementOptions::default()
    })
}

async fn run(confinement: &Confinement, lines: &str, how: Run) -> (Result<Exit, Error>, String) {
    let command = Command::new("/bin/sh").arg("-c").arg(lines);
    let mut said = Heard::default();
    let exit = confinement.run(command, WorkingTree::None, how, &mut said).await;
    (exit, said.0)
}

/// A listener on the host that counts who comes.
fn listener(address: &str) -> (u16, Arc<AtomicUsize>) {
    let listener = TcpListener::bind((address, 0)).unwrap();
    let (port, count) = (
        listener.local_addr().unwrap().port(),
        Arc::new(AtomicUsize::new(0)),
    );
    let counting = Arc::clone(&count);
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            counting.fetch_add(1, Ordering::SeqCst);
            _ = stream.write_all(b"you got in\n");
        }
    });
    (port, count)
}

/// Tries to reach `port` of each address, by these names.
fn tries(targets: &[(&str, &str, u16)]) -> String {
    let mut lines = TRY.to_owned();
    for (what, address, port) in targets {
        lines.push_str(&format!(
            "try '{what}' perl -MIO::Socket::IP -e 'IO::Socket::IP->new(PeerHost => q({address}), PeerPort => {port}, Timeout => 2) or exit 1'\n"
        ));
    }
    lines
}

#[test]
fn a_network_of_its_own_leads_outside_and_not_to_this_host() {
    if !is_root() {
        return;
    }
    on_a_host_of_its_own(|| async {
        let _outside = Outside::start();
        let ((four, came_four), (six, came_six)) = (listener("127.0.0.1"), listener("::1"));
        let (all, came_all) = listener("::");
        let targets = [
            ("the loopback", "127.0.0.1", four),
            ("the loopback by its name", "localhost", four),
            ("the loopback of IPv6", "::1", six),
            ("the gateway", GATEWAY[0], four),
            ("the gateway of IPv6", GATEWAY[1], six),
            ("a service of the host, by the loopback", "127.0.0.1", all),
            ("a service of the host, by its address", HOST[0], all),
            ("a service of the host, by its address of IPv6", HOST[1], all),
            ("a service of the host, by the gateway", GATEWAY[0], all),
            ("the outside", OUTSIDE, 7000),
        ];
        let lines = format!(
            "{}try 'a route' grep -q '^[^ ]*\t00000000\t[0-9A-F]*[1-9A-F]' /proc/net/route\n\
             echo to its standard error >&2\nexit 7",
            tries(&targets)
        );
        let dir = tempfile::tempdir().unwrap();
        // Each try can succeed.
        let (exit, said) = run(
            &confined(&dir, ProgramNetwork::Host),
            &tries(&targets[..3]),
            Run::default(),
        )
        .await;
        assert!(exit.unwrap().success(), "{said}");
        assert_eq!(said.matches("REACHED").count(), 3, "{said}");
        let came = || [&came_four, &came_six, &came_all].map(|came| came.swap(0, Ordering::SeqCst));
        assert_eq!(came(), [2, 1, 0]);

        let confinement = confined(&dir, ProgramNetwork::Outside);
        let (exit, said) = run(&confinement, &lines, Run::default()).await;

        assert_eq!(exit.unwrap(), Exit::Code(7), "{said}");
        let reached: Vec<&str> = said.lines().filter(|line| line.contains("REACHED")).collect();
        assert_eq!(reached, ["REACHED the outside", "REACHED a route"], "{said}");
        assert_eq!(said.matches("kept out: ").count(), targets.len() - 1, "{said}");
        assert_eq!(came(), [0, 0, 0]);
        // What makes the network says nothing of its own.
        assert_eq!(said.lines().count(), targets.len() + 2, "{said}");
        assert!(said.contains("to its standard error\n"), "{said}");
        let protection = confinement.protection().await;
        assert!(protection.is_confined && protection.sentence.contains("a network of their own"));
    });
}

#[test]
fn in_a_network_of_its_own_a_program_may_tidy_up_and_leaves_nothing_behind() {
    if !is_root() {
        return;
    }
    on_a_host_of_its_own(|| async {
        let _outside = Outside::start();
        let dir = tempfile::tempdir().unwrap();
        let confinement = confined(&dir, ProgramNetwork::Outside);
        let lock = dir.path().join("lock");
        let lines = format!(
            "trap 'echo tidied up; exit 1' TERM\n\
             setsid flock {0} sh -c 'trap \"\" TERM; touch {0}-held; sleep 1000' &\n\
             until [ -e {0}-held ]; do sleep 0.05; done\n\
             while :; do sleep 0.1; done",
            lock.display()
        );
        let (ended, said) = run(&confinement, &lines, Run::within(Duration::from_secs(3))).await;
        let late = matches!(&ended, Err(Error::Process(process::Error::TimedOut { .. })));
        assert!(late, "{ended:?} {said}");
        assert!(said.contains("tidied up"), "{said}");
        assert!(!is_held(&lock), "something of the program still runs");

        // Nobody waits for it any more.
        std::fs::remove_file(dir.path().join("lock-held")).unwrap();
        let abandoned = run(&confinement, &lines, Run::default());
        let held = until("it runs", || dir.path().join("lock-held").exists());
        tokio::select! {
            _ = abandoned => panic!("it ended"),
            () = held => {}
        }
        until("it has ended", || !is_held(&lock)).await;
    });
}

#[test]
fn where_no_such_network_is_to_be_had_nothing_runs() {
    if !is_root() {
        return;
    }
    // A host without a route to anywhere.
    on_a_host_of_its_own(|| async {
        let dir = tempfile::tempdir().unwrap();
        let made = dir.path().join("made");
        let confinement = confined(&dir, ProgramNetwork::Outside);
        let (refused, _) = run(&confinement, &format!("touch {}", made.display()), Run::default()).await;
        let why = refused.unwrap_err().to_string();
        assert!(
            why.contains("cannot give them a network of their own: pasta says “"),
            "{why}"
        );
        assert!(!made.exists());
        let protection = confinement.protection().await;
        assert!(!protection.is_confined);
        assert_eq!(protection.sentence, why);
    });
}
