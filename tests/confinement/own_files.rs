//! The deployer's own files stay hidden wherever they lie.

use std::os::unix::fs::symlink;
use std::path::Path;

use bytes::Bytes;
use deployer::app::start::confinement_options;
use deployer::config::Config;
use deployer::confinement::{Confinement, ConfinementOptions, WorkingTree};
use deployer::process::{Command, Output, Run};

use super::MARKER;

/// What a program printed.
#[derive(Default)]
struct Printed(Vec<u8>);

impl Output for Printed {
    async fn stdout(&mut self, data: Bytes) {
        self.0.extend_from_slice(&data);
    }

    async fn stderr(&mut self, _: Bytes) {}
}

/// Whether a confined program reads the marker in `file`.
async fn is_read(confinement: &Confinement, file: &Path) -> bool {
    let mut printed = Printed::default();
    let command = Command::new("/bin/cat").arg(file);
    let run = confinement.run(command, WorkingTree::None, Run::default(), &mut printed);
    run.await.unwrap();
    String::from_utf8_lossy(&printed.0).contains(MARKER)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_files_that_we_were_configured_with_are_hidden_wherever_they_lie() {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name);
    for directory in ["opt", "opt/policies", "elsewhere", "scratch"] {
        std::fs::create_dir(at(directory)).unwrap();
    }
    for file in [
        "opt/public",
        "opt/credentials",
        "opt/policy.csv",
        "elsewhere/token",
    ] {
        std::fs::write(at(file), MARKER).unwrap();
    }
    // The policy itself lies elsewhere.
    symlink(at("opt/policy.csv"), at("opt/policies/policy.csv")).unwrap();
    let text = format!(
        "# {MARKER}\ndata_dir = '{data}'\n[git]\nhttps_credentials = '{opt}/credentials'\n\
         [access]\npolicies = '{opt}/policies'\n[scripts]\nreadable = ['{opt}']\n",
        data = at("data").display(),
        opt = at("opt").display()
    );
    std::fs::write(at("opt/real.toml"), text).unwrap();
    symlink(at("opt/real.toml"), at("opt/deployer.toml")).unwrap();
    let config = Config::load(Some(&at("opt/deployer.toml")), []).unwrap();
    let confinement = Confinement::new(ConfinementOptions {
        scratch: at("scratch"),
        ..confinement_options(&config)
    });
    assert!(is_read(&confinement, &at("opt/public")).await);
    for hidden in [
        "opt/deployer.toml",
        "opt/real.toml",
        "opt/credentials",
        "opt/policy.csv",
        "opt/policies/policy.csv",
        "elsewhere/token",
    ] {
        assert!(!is_read(&confinement, &at(hidden)).await, "{hidden}");
    }
}
