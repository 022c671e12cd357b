//! The commands that look whether something is as it should be.

use std::path::Path;

use deployer::domain::{Hop, HostKey, Server, ServerId};
use deployer::store::{Store, StoreOptions, servers};

use super::{Installation, program, run};
use crate::git::support::Origin;
use crate::support::haproxy::free_ports;
use crate::support::sshd::{Sshd, keygen, pinned};

#[test]
fn policy_files_are_checked_line_by_line() {
    let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("policies");
    let good = run(program().args(["policy", "check"]).arg(&shipped));
    good.well("policies: good; ");
    let dir = tempfile::tempdir().unwrap();
    for entry in std::fs::read_dir(&shipped).unwrap() {
        let entry = entry.unwrap();
        if entry.file_type().unwrap().is_file() {
            std::fs::copy(entry.path(), dir.path().join(entry.file_name())).unwrap();
        }
    }
    let file = dir.path().join("policy.csv");
    let mut text = std::fs::read_to_string(&file).unwrap();
    let line = text.lines().count() + 1;
    text.push_str("p, alice, shop, prod, deploy, whenever\n");
    std::fs::write(&file, text).unwrap();
    let bad = run(program().args(["policy", "check"]).arg(dir.path()));
    bad.with(1, &format!("policy.csv:{line}: "), "");
    bad.with(1, "it has errors and would not take effect.", "");

    let here = Installation::new();
    run(program().args(["policy", "check", "/nowhere"])).badly("There is no directory /nowhere.");
    here.run("policy check")
        .badly("No policy directory is configured");
    let here = Installation::with(&format!("[access]\npolicies = '{}'", dir.path().display()));
    here.run("policy check").with(1, "policy.csv:", "");
    here.run("serve")
        .with(1, "", "cannot be used; correct it and start again.");
}

#[test]
fn a_repository_is_asked_for_its_branches() {
    let mut origin = Origin::new();
    let url = origin.url();
    Installation::new()
        .run(&format!("git-check {url}"))
        .badly("below none of its git.local_directories");
    let named = origin.dir.path().display();
    let here = Installation::with(&format!("[git]\nlocal_directories = ['{named}']"));
    here.run(&format!("git-check {url}"))
        .badly("has no branch: push one first.");
    origin.write("index.html", "hello");
    let commit = origin.commit("Begin");
    here.run(&format!("git-check {url}"))
        .well(&format!("{commit}\tmain\n"));
    let missing = here.run(&format!("git-check {url}-gone"));
    missing.badly("deployer: ");
    assert_eq!(missing.out, "");
    here.run("git-check ext::sh").badly("deployer: ");
}

/// The deployer knows a server there, and trusts this key of it.
async fn trust(here: &Installation, port: u16, key: &HostKey) {
    let url = format!("sqlite://{}", here.database().display());
    let store = Store::open(&url, StoreOptions::default()).await.unwrap();
    let tx = crate::support::store::change(&store).await;
    let known = servers::list(&tx).await.unwrap();
    let id = match known.first() {
        Some(server) => server.id,
        None => {
            let server = Server {
                id: ServerId(0),
                name: "web1".parse().unwrap(),
                address: "127.0.0.1".into(),
                port,
                active: true,
                host_key: None,
                key: None,
                legacy: false,
                via: Vec::new(),
            };
            servers::insert(&tx, &server).await.unwrap().id
        }
    };
    servers::pin_host_key(&tx, id, key).await.unwrap();
    crate::support::store::bring_in(tx).await;
    store.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_must_show_the_trusted_key() {
    let sshd = Sshd::start().await;
    let key_files = format!("[ssh]\nkey_files = ['{}']", sshd.client_key.display());
    let here = Installation::with(&key_files);
    let words = format!("ssh-check 127.0.0.1 --port {} --user {}", sshd.port, sshd.user);
    let unknown = here.run(&words);
    unknown.well(&sshd.host_key.fingerprint);
    unknown.well("No key is trusted for this address and port yet");
    unknown.well(&format!("Logged in as “{}”: Linux", sshd.user));
    assert!(!here.data().exists(), "a check made the data directory");

    here.run("migrate").well("Changes made: ");
    trust(&here, sshd.port, &sshd.host_key).await;
    let known = here.run(&words);
    known.well("trusted for server “web1”");
    known.well("Logged in as");

    let other = keygen(here.dir.path(), "other", "ed25519");
    let other = pinned(&other.with_extension("pub"));
    trust(&here, sshd.port, &other).await;
    let changed = here.run(&words);
    changed.badly("STOP: server “web1” shows another host key than the one that was trusted.");
    assert!(!changed.out.contains("Logged in"), "{changed:?}");
    assert!(changed.err.contains(&sshd.host_key.fingerprint), "{changed:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn another_port_of_a_server_is_tried_when_it_is_asked_for() {
    let sshd = Sshd::start().await;
    let key_files = format!("[ssh]\nkey_files = ['{}']", sshd.client_key.display());
    let here = Installation::with(&key_files);
    here.run("migrate").well("Changes made: ");
    trust(&here, sshd.port, &sshd.host_key).await;
    let words = format!("ssh-check web1 --user {}", sshd.user);
    here.run(&words).well("Logged in as");
    let nobody = free_ports(1)[0];
    let refused = here.run(&format!("{words} --port {nobody}"));
    refused.with(1, "", &format!("127.0.0.1:{nobody}"));
    assert!(!refused.out.contains("Logged in"), "{refused:?}");
}

#[test]
fn a_key_that_no_setting_leads_to_is_told_with_the_setting() {
    let here = Installation::new();
    for (command, section) in [
        ("ssh-check 127.0.0.1 --key certkey", "ssh"),
        ("git-check git@127.0.0.1:shop.git --key certkey", "git"),
    ] {
        here.run(command).badly(&format!(
            "There is no private key “certkey” among {section}.key_files, and {section}.key_directory is not set"
        ));
        let dir = here.dir.path().display();
        let set = Installation::with(&format!("[{section}]\nkey_directory = '{dir}'"));
        set.run(command).badly(&format!(
            "“certkey” in {dir}, which is {section}.key_directory, nor"
        ));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_that_cannot_run_commands_is_a_failure() {
    let sshd = Sshd::builder()
        .line("ForceCommand echo This account is not available.; exit 7")
        .start()
        .await;
    let here = Installation::with(&format!("[ssh]\nkey_files = ['{}']", sshd.client_key.display()));
    let told = here.run(&format!(
        "ssh-check 127.0.0.1 --port {} --user {}",
        sshd.port, sshd.user
    ));
    told.badly("did not run the command (This account is not available.). Check that the deploy user's");
    let other = Sshd::builder()
        .line("Match User nobody")
        .line("AuthorizedKeysFile none")
        .start()
        .await;
    let nobody = here.run(&format!(
        "ssh-check 127.0.0.1 --port {} --user nobody",
        other.port
    ));
    nobody.badly("refused every key for user “nobody”");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_check_goes_the_way_and_offers_the_key_that_deployments_do() {
    let keys = tempfile::tempdir().unwrap();
    let key = keygen(keys.path(), "shared", "ed25519");
    let here = Installation::with(&format!("[ssh]\nkey_directory = '{}'", keys.path().display()));
    let (hop, target) = (
        Sshd::builder().accept(&key).start().await,
        Sshd::builder().accept(&key).start().await,
    );
    here.run("migrate").well("Changes made: ");
    let url = format!("sqlite://{}", here.database().display());
    let store = Store::open(&url, StoreOptions::default()).await.unwrap();
    let tx = crate::support::store::change(&store).await;
    let named = |name: &str, sshd: &Sshd, via: Vec<Hop>| Server {
        port: sshd.port,
        key: Some("shared".parse().unwrap()),
        via,
        ..crate::support::store::server(name)
    };
    let bastion = servers::insert(&tx, &named("bastion", &hop, Vec::new()))
        .await
        .unwrap();
    let via = Hop {
        server: bastion.id,
        user: hop.user.clone(),
    };
    let web = servers::insert(&tx, &named("web1", &target, vec![via]))
        .await
        .unwrap();
    servers::pin_host_key(&tx, bastion.id, &hop.host_key)
        .await
        .unwrap();
    servers::pin_host_key(&tx, web.id, &target.host_key)
        .await
        .unwrap();
    crate::support::store::bring_in(tx).await;
    store.close().await.unwrap();

    let told = here.run(&format!("ssh-check web1 --user {}", target.user));
    told.well("trusted for server “web1”");
    told.well("The programs that deploying needs are there.");
    assert!(hop.log().contains("Accepted publickey"), "{}", hop.log());
    // A host that is no server here, through one that is.
    let stranger = Sshd::builder().accept(&key).start().await;
    let words = format!(
        "ssh-check 127.0.0.1 --port {} --user {} --key shared --via {}@bastion",
        stranger.port, stranger.user, hop.user
    );
    let told = here.run(&words);
    told.well(&stranger.host_key.fingerprint);
    told.well("Logged in as");
    here.run(&words.replace("@bastion", "@nowhere"))
        .badly("is no jump host");
    here.run(&words.replace("--key shared", "--key gone"))
        .badly("There is no private key “gone” in ");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_check_names_the_programs_that_deploying_needs() {
    let dir = tempfile::tempdir().unwrap();
    std::os::unix::fs::symlink("/usr/bin/busybox", dir.path().join("find")).unwrap();
    let path = format!("{}:/usr/bin:/bin", dir.path().display());
    let forced = format!("ForceCommand PATH={path} exec /bin/sh -c \"$SSH_ORIGINAL_COMMAND\"");
    let sshd = Sshd::builder().line(&forced).start().await;
    let here = Installation::with(&format!("[ssh]\nkey_files = ['{}']", sshd.client_key.display()));
    let told = here.run(&format!(
        "ssh-check 127.0.0.1 --port {} --user {}",
        sshd.port, sshd.user
    ));
    told.badly(
        "Deploying needs find -printf, find -regextype, find -readable, which this user does not have",
    );
}
