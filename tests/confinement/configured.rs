//! What of the configuration scripts never see, and what they get by it.

use std::path::PathBuf;

use deployer::app::start::confinement_options;
use deployer::config::{Config, ScriptNetwork, Secret};
use deployer::confinement::ProgramNetwork;

#[test]
fn all_that_the_configuration_keeps_to_itself_is_hidden_from_scripts() {
    let at = |name: &str| PathBuf::from(format!("/elsewhere/{name}"));
    let mut config = Config {
        data_dir: at("data"),
        ..Config::default()
    };
    config.store.url = Some(Secret::new("sqlite:///elsewhere/database"));
    config.file = Some(at("deployer.toml"));
    config.secrets.key_file = Some(at("sealing"));
    config.access.policies = Some(at("policies"));
    config.git.mirror_dir = Some(at("mirrors"));
    config.engine.work_dir = Some(at("work"));
    config.git.key_files = vec![at("git-1"), at("git-2")];
    config.git.key_directory = Some(at("git-keys"));
    config.ssh.key_files = vec![at("ssh-1"), at("ssh-2")];
    config.ssh.key_directory = Some(at("ssh-keys"));
    config.git.https_credentials = Some(at("git-credentials"));
    config.balancer.credentials = Some(at("balancer-credentials"));
    config.scripts.readable = vec![at("read")];
    config.scripts.writable = vec![at("written")];
    let options = confinement_options(&config);
    for name in [
        "data",
        "database",
        "database-wal",
        "database-shm",
        "deployer.toml",
        "sealing",
        "policies",
        "mirrors",
        "work",
        "git-1",
        "git-2",
        "git-keys",
        "ssh-1",
        "ssh-2",
        "ssh-keys",
        "git-credentials",
        "balancer-credentials",
    ] {
        assert!(options.hidden.contains(&at(name)), "{name}: {options:?}");
    }
    assert!(options.hidden.contains(&PathBuf::from("/etc/deployer")));
    assert_eq!(
        (options.readable, options.writable),
        (vec![at("read")], vec![at("written")])
    );
    assert!(!options.is_off);
    for (set, given) in [
        (ScriptNetwork::Host, ProgramNetwork::Host),
        (ScriptNetwork::Outside, ProgramNetwork::Outside),
        (ScriptNetwork::None, ProgramNetwork::None),
    ] {
        config.scripts.network = set;
        assert_eq!(confinement_options(&config).network, given);
    }
}
