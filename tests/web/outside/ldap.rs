//! The shipped example of a plugin that asks an LDAP directory, at a real one.
#![allow(
    clippy::disallowed_methods,
    reason = "the directory outlives the call that starts it; it is ended with its test"
)]

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use deployer::domain::PluginPlace;
use deployer::store::{identities, users};

use super::super::support::browser;
use super::{Stage, stage};
use crate::support::haproxy::free_ports;

/// How long the directory may take to listen on a busy machine.
const START_LIMIT: Duration = Duration::from_secs(20);

/// What it is configured by; its own directory comes in place of `DIR`.
const SETTINGS: &str = "include /etc/ldap/schema/core.schema
include /etc/ldap/schema/cosine.schema
include /etc/ldap/schema/inetorgperson.schema
modulepath /usr/lib/ldap
moduleload back_mdb
moduleload memberof
database mdb
suffix \"dc=example,dc=org\"
directory DIR
overlay memberof
access to attrs=userPassword by anonymous auth by * none
access to * by users read
";

/// Lena is in the group `ops`, and in one that is not believed.
const PEOPLE: &str = "dn: dc=example,dc=org
objectClass: dcObject
objectClass: organization
o: Example
dc: example

dn: ou=people,dc=example,dc=org
objectClass: organizationalUnit
ou: people

dn: uid=lena,ou=people,dc=example,dc=org
objectClass: inetOrgPerson
uid: lena
cn: Lena L.
sn: L.
mail: lena@example.org
userPassword: open sesame
memberOf: cn=ops,ou=groups,dc=example,dc=org
memberOf: cn=staff,ou=groups,dc=example,dc=org
";

/// A directory that listens on the loopback; ended when dropped.
struct Directory {
    port: u16,
    slapd: Child,
    _dir: tempfile::TempDir,
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = self.slapd.kill();
        let _ = self.slapd.wait();
    }
}

impl Directory {
    async fn start() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let (settings, people) = (dir.path().join("slapd.conf"), dir.path().join("people.ldif"));
        let own = dir.path().display().to_string();
        std::fs::write(&settings, SETTINGS.replace("DIR", &own)).unwrap();
        std::fs::write(&people, PEOPLE).unwrap();
        let mut fill = Command::new("slapadd");
        let filled = fill.arg("-f").arg(&settings).arg("-l").arg(&people).output();
        let filled = filled.expect("slapd is installed");
        let said = String::from_utf8_lossy(&filled.stderr);
        assert!(filled.status.success(), "slapadd: {said}");
        let port = free_ports(1)[0];
        let slapd = Command::new("slapd")
            .args(["-d", "0", "-h", &format!("ldap://127.0.0.1:{port}"), "-f"])
            .arg(&settings)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("slapd is installed");
        let begun = Instant::now();
        while std::net::TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(begun.elapsed() < START_LIMIT, "slapd does not listen");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Self {
            port,
            slapd,
            _dir: dir,
        }
    }
}

/// The shipped example, asking the directory on `port`, by the Python that has Debian's packages.
fn example(dir: &Path, port: u16) -> PathBuf {
    let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/examples/login_ldap.py");
    let text = std::fs::read_to_string(shipped).unwrap();
    let asking = text
        .replace("#!/usr/bin/env python3", "#!/usr/bin/python3")
        .replace("ldaps://ldap.example.org", &format!("ldap://127.0.0.1:{port}"));
    assert!(asking.matches("127.0.0.1").count() == 1 && asking.starts_with("#!/usr/bin/python3"));
    let path = dir.join("login_ldap.py");
    std::fs::write(&path, asking).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    path
}

async fn with_directory(directory: &Directory) -> Stage {
    let port = directory.port;
    stage(|config, dir| {
        config.login_plugin.place = Some(PluginPlace::Program(example(dir, port)));
        config.login_plugin.groups = vec!["ops".to_owned()];
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn the_example_for_ldap_lets_in_whom_the_directory_knows() {
    let directory = Directory::start().await;
    let mut stage = with_directory(&directory).await;
    for (name, password) in [
        ("lena", "guess"),
        ("nobody", "open sesame"),
        ("lena,ou=people", "open sesame"),
        ("*", "open sesame"),
    ] {
        let answer = stage.site.log_in(name, password).await;
        assert_eq!(answer.status(), 422, "{name}");
        let page = answer.text().await.unwrap();
        assert!(page.contains("Wrong name or password."), "{name}: {page}");
    }
    // The directory does not care for case; policy does, so the name is the directory's.
    assert_eq!(stage.site.log_in("LENA", "open sesame").await.status(), 303);
    assert_eq!(
        stage.site.get("/admin/users").await.status(),
        200,
        "her group counts"
    );
    let user = users::by_name(&stage.site.store, "lena").await.unwrap();
    assert_eq!(
        (user.name.as_str(), user.title(), user.email.as_str()),
        ("lena", "Lena L.", "lena@example.org")
    );
    let known = identities::of_user(&stage.site.store, user.id).await.unwrap();
    assert_eq!(known[0].groups, ["ops"]);
    assert_eq!(
        known[0].subject.len(),
        36,
        "what stays the same when she is renamed"
    );

    stage.site.browser = browser();
    assert_eq!(stage.site.log_in("lena", "open sesame").await.status(), 303);
    assert_eq!(users::list(&stage.site.store).await.unwrap().len(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_gets_in_by_the_example_for_ldap_while_the_directory_is_away() {
    let directory = Directory::start().await;
    let stage = with_directory(&directory).await;
    drop(directory);
    let answer = stage.site.log_in("lena", "open sesame").await;
    assert_eq!(answer.status(), 503);
    let page = answer.text().await.unwrap();
    assert!(page.contains("Logins cannot be checked at the moment."), "{page}");
}
