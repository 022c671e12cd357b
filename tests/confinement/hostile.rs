//! One script that tries everything.
#![allow(
    clippy::disallowed_methods,
    reason = "a test may start what a script shall not reach"
)]

use std::io::Read as _;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixListener};
use std::process::{Child, Command, Stdio};

use deployer::process::KEPT_VARIABLES;

use super::{MARKER, TRY, deployed, strict};

/// A process of this host with a secret in its environment.
struct Bystander(Child);

impl Bystander {
    fn start() -> Self {
        let mut command = Command::new("sleep");
        command.arg("1000").env("SECRET", MARKER).stdin(Stdio::null());
        Self(command.spawn().unwrap())
    }
}

impl Drop for Bystander {
    fn drop(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

/// Memory that every process of this host may attach, until it is dropped.
struct SharedMemory(Child);

impl SharedMemory {
    fn make(key: u32) -> Self {
        let lines = format!(
            "my $id = shmget({key}, 64, 01666); exit 1 unless defined $id; syswrite STDOUT, qq(made\n); <STDIN>; shmctl($id, 0, 0)"
        );
        let mut command = Command::new("perl");
        command
            .args(["-e", &lines])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped());
        let mut maker = command.spawn().unwrap();
        let mut made = [0; 5];
        maker.stdout.as_mut().unwrap().read_exact(&mut made).unwrap();
        Self(maker)
    }
}

impl Drop for SharedMemory {
    fn drop(&mut self) {
        drop(self.0.stdin.take());
        self.0.wait().unwrap();
    }
}

/// What a hostile script tries, by name; `%…%` stands for what only the test knows.
const HOSTILE: &[(&str, &str)] = &[
    ("the deployer's key", "cat %dir%/deployer"),
    ("the database", "cat %dir%/deployer.db"),
    (
        "writing to the database",
        "sh -c 'test -s %dir%/deployer.db && echo x >> %dir%/deployer.db'",
    ),
    ("the mirrors", "ls %dir%/mirrors"),
    (
        "a policy",
        "sh -c 'test -s %dir%/policy.csv && echo x >> %dir%/policy.csv'",
    ),
    ("another deployment's tree", "cat %dir%/work/trees/other/secret"),
    ("listing other trees", "ls %dir%/work/trees/other"),
    ("the environment of the deployer", "cat /proc/%deployer%/environ"),
    (
        "the environment of another process",
        "cat /proc/%bystander%/environ",
    ),
    (
        "any environment with the secret",
        "grep -qs %marker% /proc/1/environ /proc/2/environ /proc/self/environ",
    ),
    (
        "the names of this host, were it to rename it",
        "test \"$(readlink /proc/self/ns/uts)\" = '%names%'",
    ),
    (
        "the session of the deployer",
        "sh -c 'test \"$(cut -d \" \" -f 6 /proc/self/stat)\" = 0'",
    ),
    ("seeing other processes", "grep -qsx sleep /proc/%bystander%/comm"),
    ("a signal to another process", "kill -0 %bystander%"),
    ("a signal to the deployer", "kill -0 %deployer%"),
    (
        "tracing another process",
        "perl -e 'exit(syscall(%ptrace%, 16, %bystander%, 0, 0) == 0 ? 0 : 1)'",
    ),
    ("memory of another process", "cat /proc/%bystander%/mem"),
    (
        "a socket by its path",
        "perl -MIO::Socket::UNIX -e 'IO::Socket::UNIX->new(Peer => q(%dir%/socket)) or exit 1'",
    ),
    (
        "shared memory",
        "perl -e 'exit(defined shmget(%memory%, 0, 0) ? 0 : 1)'",
    ),
    ("the socket of the SSH agent", "test -n \"$SSH_AUTH_SOCK\""),
    (
        "an abstract socket",
        "perl -MSocket -e 'socket(S, AF_UNIX, SOCK_STREAM, 0) or exit 1; connect(S, pack_sockaddr_un(qq(\\0%abstract%))) or exit 1'",
    ),
    ("password hashes", "cat /etc/shadow"),
    ("host keys", "sh -c 'cat /etc/ssh/ssh_host_*'"),
    ("the home of root", "ls /root"),
    ("homes", "ls /home"),
    ("running files", "ls /run"),
    ("writing to /usr", "touch /usr/deployer-was-here"),
    ("writing to /etc", "touch /etc/deployer-was-here"),
    ("writing to the root", "touch /deployer-was-here"),
    ("writing to /dev", "touch /dev/deployer-was-here"),
    (
        "kernel settings",
        "sh -c 'cat /proc/sys/vm/swappiness > /proc/sys/vm/swappiness'",
    ),
    ("making a device", "mknod device b 8 0"),
    (
        "disks",
        "sh -c 'ls /dev/sd* /dev/vd* /dev/nvme* /dev/mem /dev/kmsg'",
    ),
    ("making /usr writable", "mount -o remount,bind,rw /usr"),
    ("namespaces of its own", "unshare --user --map-root-user true"),
    (
        "mounts in a namespace of its own",
        "unshare --user --map-root-user --mount mount -t tmpfs none /usr",
    ),
    ("another identity", "perl -e '$> = 1; exit($> == 1 ? 0 : 1)'"),
    (
        "capabilities",
        "sh -c '! grep -q \"^CapEff:.*0000000000000000$\" /proc/self/status'",
    ),
    (
        "privileges by setuid programs",
        "grep -q '^NoNewPrivs:.*0' /proc/self/status",
    ),
    (
        "a program that runs with our rights",
        "sh -c 'touch %cache%/own; chmod 4755 %cache%/own'",
    ),
    (
        "one with our group's rights",
        "sh -c 'touch %cache%/own; chmod g+s %cache%/own'",
    ),
    (
        "one that is made so",
        "perl -MFcntl -e 'sysopen(F, q(%cache%/made-so), O_CREAT | O_WRONLY, 04755) or exit 1'",
    ),
    (
        "one without a name",
        "perl -MFcntl -e 'sysopen(F, q(%cache%), O_WRONLY | 020200000, 04755) or exit 1'",
    ),
    (
        "one made as a device would be",
        "perl -e 'exit(syscall(%mknodat%, -100, q(%cache%/node), 0104755, 0) == 0 ? 0 : 1)'",
    ),
    (
        "calls with permissions in memory",
        "perl -MErrno -e 'syscall(437, -100, q(x), 0, 0); exit($!{ENOSYS} ? 1 : 0)'",
    ),
    (
        "calls made by the kernel's own threads",
        "perl -MErrno -e 'syscall(425, 1, 0); exit($!{ENOSYS} ? 1 : 0)'",
    ),
];

#[tokio::test(flavor = "multi_thread")]
async fn a_hostile_script_reaches_nothing_of_this_host() {
    let cache = tempfile::tempdir().unwrap();
    let mut world = strict(cache.path()).await;
    let dir = world.dir.path().to_owned();
    let other = dir.join("work/trees/other");
    std::fs::create_dir_all(&other).unwrap();
    std::fs::write(other.join("secret"), MARKER).unwrap();
    std::fs::write(dir.join("policy.csv"), "p").unwrap();
    std::fs::create_dir_all(dir.join("mirrors")).unwrap();
    for must_be_there in ["deployer", "deployer.db", "mirrors"] {
        assert!(dir.join(must_be_there).exists(), "{must_be_there}");
    }
    let bystander = Bystander::start();
    let _by_path = UnixListener::bind(dir.join("socket")).unwrap();
    let memory = std::process::id();
    let _memory = SharedMemory::make(memory);
    // No test has an agent that a script could find.
    assert!(!KEPT_VARIABLES.contains(&"SSH_AUTH_SOCK"));
    let name = format!("deployer-test-{}", std::process::id());
    let address = SocketAddr::from_abstract_name(&name).unwrap();
    let _abstract = UnixListener::bind_addr(&address).unwrap();
    let names = std::fs::read_link("/proc/self/ns/uts").unwrap();
    let ptrace = if cfg!(target_arch = "x86_64") { 101 } else { 117 };
    let mknodat = if cfg!(target_arch = "x86_64") { 259 } else { 33 };
    let mut script = TRY.to_owned();
    for (what, command) in HOSTILE {
        let command = command
            .replace("%dir%", &dir.display().to_string())
            .replace("%deployer%", &std::process::id().to_string())
            .replace("%bystander%", &bystander.0.id().to_string())
            .replace("%marker%", MARKER)
            .replace("%ptrace%", &ptrace.to_string())
            .replace("%mknodat%", &mknodat.to_string())
            .replace("%cache%", &cache.path().display().to_string())
            .replace("%memory%", &memory.to_string())
            .replace("%names%", &names.display().to_string())
            .replace("%abstract%", &name);
        script.push_str(&format!("try '{}' {command}\n", what.replace('\'', "'\\''")));
    }
    // Beside the tree it finds the directories that lead there, and they are not those of the host.
    script.push_str("touch ../deployer-was-here\n");
    // Each try has to be able to succeed, or it shows nothing.
    script.push_str("try control-perl perl -e 'exit 0'\ntry control-tree touch made-here\n");
    script.push_str(
        "try control-mode perl -MFcntl -e 'sysopen(F, q(plain), O_CREAT | O_WRONLY, 0755) or exit 1'\n",
    );
    script.push_str(&format!(
        "try control-cache touch {}/made\n",
        cache.path().display()
    ));

    let log = deployed(&mut world, &script).await;

    let reached: Vec<&str> = log.lines().filter(|line| line.contains("REACHED")).collect();
    assert_eq!(reached.len(), 4, "{reached:#?}");
    assert!(
        reached.iter().all(|line| line.contains("control-")),
        "{reached:#?}"
    );
    assert_eq!(log.matches("kept out: ").count(), HOSTILE.len(), "{log}");
    assert!(world.home(1, "dev/shop/made-here").exists());
    assert!(cache.path().join("made").exists());
    assert_eq!(std::fs::read(dir.join("policy.csv")).unwrap(), b"p");
    assert!(!dir.join("work/trees/deployer-was-here").exists());
}
