//! `deployer serve`: the server itself, from its configuration to its end.

use std::sync::Arc;

use nix::sys::resource::{Resource, getrlimit, setrlimit};
use tokio::net::TcpListener;

use super::config_args::ConfigArgs;
use super::outcome::{CommandFailure, complain, say};
use super::{data, signals};
use crate::access::{Access, Problem};
use crate::app::{App, accounts, audit, lifetime, policy, sealing, start};
use crate::clock::Clock;
use crate::config::Config;
use crate::domain::{Error, Result};
use crate::handshake::keys;
use crate::store::Store;
use crate::{git, telemetry, web};

/// Serve the pages and carry out deployments until SIGTERM or Ctrl-C. Changed policy files take effect within
/// seconds; SIGHUP reads them at once.
///
/// Brings the database's schema up to date first, and closes deployments that an interrupted server
/// left running. When told to stop, it accepts no new requests and closes the running deployments.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    config: ConfigArgs,
    /// Refuse to start when the policy files have errors, instead of starting with the last good policy of this
    /// instance.
    #[arg(long)]
    strict: bool,
}

pub(super) async fn run(args: &Args) -> Result<(), CommandFailure> {
    let config = args.config.load()?;
    telemetry::start(&config.log);
    raise_file_limit();
    let loaded = load_policy(&config);
    let loaded = match loaded {
        Err(problems) if args.strict || !policy::has_last_good(&config) => {
            return Err(broken_policy(&config, problems));
        }
        loaded => loaded,
    };
    tell_of_keys(&config).await;
    tell_of_credentials(&config);
    let store = data::open(&config).await?;
    let lock = store.serve_lock()?;
    store.migrate().await?;
    sealing::prepare(&config, &store, Clock::System.now()).await?;
    audit::keys::prepare(&config, &store, Clock::System.now()).await?;
    for dir in [config.mirror_dir(), config.work_dir()] {
        data::make_private(&dir)?;
    }
    let listener = listen(&config).await?;
    let access = match loaded {
        Ok(access) => access,
        Err(problems) => last_good_policy(&config, &store, problems).await?,
    };
    let app = start::assemble(config, store, access, Clock::System);
    lifetime::started(&app).await?;
    start::tell_of_scripts(&app).await?;
    app.start().await?;
    let watching = start::watch(&app);
    let done = serve(&app, listener).await;
    tracing::info!("stopping");
    watching.end().await;
    app.stop_engine().await;
    if let Err(error) = lifetime::stopped(&app).await {
        tracing::warn!(
            error = &error as &dyn std::error::Error,
            "the stop could not be recorded"
        );
    }
    app.close().await?;
    drop(lock);
    done
}

/// Lets this process open as many files as the system allows: systems set the soft limit to 1024 for
/// programs that cannot handle more.
fn raise_file_limit() {
    let raised = getrlimit(Resource::RLIMIT_NOFILE)
        .and_then(|(_, hard)| setrlimit(Resource::RLIMIT_NOFILE, hard, hard));
    if let Err(error) = raised {
        tracing::warn!(%error, "the limit of open files could not be raised");
    }
}

/// Warns about keys that cannot be used. Others may work, so the start goes on.
async fn tell_of_keys(config: &Config) {
    let files = [
        ("ssh.key_files", &config.ssh.key_files),
        ("git.key_files", &config.git.key_files),
    ];
    let now = u64::try_from(Clock::System.now().timestamp()).unwrap_or(0);
    for (name, files) in files {
        for file in files {
            if let Err(error) = keys::check_key_file(file, now) {
                complain(format_args!(
                    "{name}: {error} It is skipped until it can be used."
                ));
            }
        }
    }
}

/// Warns about lines of the file of HTTPS logins that are passed over.
fn tell_of_credentials(config: &Config) {
    let Some(file) = &config.git.https_credentials else {
        return;
    };
    match git::unreadable_credentials(file) {
        Ok(lines) => {
            for line in lines {
                complain(format_args!(
                    "git.https_credentials: line {line} of {} is passed over, as it is not of the form {}.",
                    file.display(),
                    git::CREDENTIALS_FORM
                ));
            }
        }
        Err(error) => complain(format_args!(
            "git.https_credentials: {} cannot be read ({error}). Repositories that need a login cannot be fetched until it can.",
            file.display()
        )),
    }
}

fn load_policy(config: &Config) -> Result<Access, Vec<Problem>> {
    match &config.access.policies {
        Some(dir) => Access::load(dir),
        None => Ok(Access::builtin()),
    }
}

/// Says what is wrong with the policy, which cannot be used.
fn broken_policy(config: &Config, problems: Vec<Problem>) -> CommandFailure {
    for problem in problems {
        complain(problem);
    }
    let dir = config.access.policies.clone().unwrap_or_default();
    complain(format_args!(
        "The policy in {} cannot be used; correct it and start again.",
        dir.display()
    ));
    CommandFailure::Printed
}

/// The policy that was in force here last, in place of one with errors.
async fn last_good_policy(
    config: &Config,
    store: &Store,
    problems: Vec<Problem>,
) -> Result<Access, CommandFailure> {
    let (Some(dir), Some(kept)) = (
        &config.access.policies,
        policy::last_good(config, store, Clock::System.now()).await?,
    ) else {
        return Err(broken_policy(config, problems));
    };
    let digest = kept.digest();
    let access = Access::load_or_kept(dir, kept).map_err(|problems| broken_policy(config, problems))?;
    for problem in access.problems().iter().filter(|problem| problem.is_error()) {
        tracing::error!(%problem, "the policy has an error");
    }
    tracing::error!(
        policy = digest,
        "The policy in {} cannot be used. The last good one of this instance is in force until it is corrected.",
        dir.display()
    );
    Ok(access)
}

/// Reads the policy again at each SIGHUP.
async fn reload_at_each_hangup(app: App, mut hangup: tokio::signal::unix::Signal) {
    while hangup.recv().await.is_some() {
        match policy::reload(&app).await {
            Ok(problems) if problems.iter().any(Problem::is_error) => {}
            Ok(problems) => tracing::info!(warnings = problems.len(), "the policy was read again"),
            Err(error) => tracing::error!(
                error = &error as &dyn std::error::Error,
                "the reload of the policy could not be recorded"
            ),
        }
    }
}

async fn listen(config: &Config) -> Result<TcpListener> {
    let bind = config.http.bind;
    TcpListener::bind(bind).await.map_err(|cause| {
        let sentence =
            format!("The server cannot listen on {bind}: {cause}. Set http.bind to a free address and port.");
        Error::unavailable(sentence).because(cause)
    })
}

async fn serve(app: &App, listener: TcpListener) -> Result<(), CommandFailure> {
    let stop = signals::stop()?;
    let reloading = tokio::spawn(reload_at_each_hangup(app.clone(), signals::hangup()?));
    say(format_args!("listening on {}", app.config().public_url()));
    tracing::info!(bind = %app.config().http.bind, pid = std::process::id(), "listening");
    if let Some(first) = accounts::first_account(app).await? {
        tracing::warn!(
            "nobody can log in: there is no account; create one with “{}”",
            first.command()
        );
    }
    let served = web::serve(Arc::new(web::Site::new(app.clone())), listener, stop).await;
    reloading.abort();
    let failed = |cause| Error::unavailable("The server stopped unexpectedly.").because(cause);
    served.map_err(|cause| failed(cause).into())
}
