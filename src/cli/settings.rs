//! What each part wants to be told, out of the configuration.

use std::path::PathBuf;

use crate::config::Config;
use crate::git::GitOptions;
use crate::ssh;

/// How Git remotes are reached.
pub(super) fn git(config: &Config) -> GitOptions {
    let agent = config
        .git
        .use_agent
        .then(|| std::env::var_os("SSH_AUTH_SOCK").map(PathBuf::from))
        .flatten();
    GitOptions {
        fetch_timeout: config.git.fetch_timeout,
        key_files: config.git.key_files.clone(),
        agent,
        known_hosts: config.known_hosts(),
        https_credentials: config.git.https_credentials.clone(),
    }
}

/// How servers are reached.
pub(super) fn ssh(config: &Config) -> ssh::Options {
    ssh::Options {
        key_files: config.ssh.key_files.clone(),
        use_agent: config.ssh.use_agent,
        connect_timeout: config.ssh.connect_timeout,
        keepalive: config.ssh.keepalive,
        idle_timeout: config.ssh.idle_timeout,
        max_channels: config.ssh.max_channels as usize,
        max_new_connections: config.ssh.max_new_connections as usize,
    }
}
