//! `deployer ssh-check`: reaches a server, shows its host key, and logs in.

use super::{ConfigArgs, Failure, data, say};
use crate::app::start;
use crate::clock::Clock;
use crate::domain::{self, HostKey};
use crate::ssh::{self, Command, Endpoint, Pool, Run};

/// How much of what the server prints is kept: a login banner is all there should be.
const MOST_OUTPUT: usize = 64 * 1024;

/// Connect to a server as the deployer would: show its host key, then log in and run a command.
///
/// The key is believed for this one try only. To trust it, open the server's page and compare the
/// fingerprint with the one “ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub” prints there.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Host name or address.
    host: String,
    /// The port of its sshd.
    #[arg(long, default_value_t = 22, value_parser = clap::value_parser!(u16).range(1..))]
    port: u16,
    /// Whom to log in as [default: you].
    #[arg(long)]
    user: Option<String>,
    #[command(flatten)]
    config: ConfigArgs,
}

pub(super) async fn run(args: &Args) -> Result<(), Failure> {
    let options = start::ssh_options(&args.config.load()?);
    let key = ssh::fetch_host_key(&args.host, args.port, options.connect_timeout)
        .await
        .map_err(domain::Error::from)?;
    say(format_args!("Host key: {} {}", key.algorithm, key.fingerprint));
    let asking = data::operator();
    let user = args.user.clone().unwrap_or_else(|| asking.actor().name.clone());
    let endpoint = Endpoint {
        name: args.host.clone(),
        host: args.host.clone(),
        port: args.port,
        user,
        host_key: Some(HostKey {
            openssh: key.openssh,
            fingerprint: key.fingerprint,
            pinned_at: Clock::System.now(),
            pinned_by: asking.actor().name.clone(),
        }),
    };
    let limit = options.connect_timeout;
    let pool = Pool::new(options);
    let told = logged_in(&pool, &endpoint, limit).await;
    pool.shutdown().await;
    say(told?);
    Ok(())
}

async fn logged_in(pool: &Pool, endpoint: &Endpoint, limit: std::time::Duration) -> domain::Result<String> {
    let session = pool.session(endpoint).await?;
    let how = Run {
        timeout: Some(limit),
        ..Run::default()
    };
    let captured = session
        .capture(&Command::new("uname").arg("-a"), how, MOST_OUTPUT)
        .await?;
    let system = String::from_utf8_lossy(&captured.stdout);
    Ok(format!("Logged in as “{}”: {}", endpoint.user, system.trim()))
}
