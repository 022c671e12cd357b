//! A deployer to try out that needs nothing but this program.
//!
//! [`Demo::start`] makes sample Git repositories (`repositories`, `history`), ten servers (an SSH
//! server in this process, `ssh_server`), projects, environments and people (`fleet`, `people`,
//! `policy`), and some weeks of deployments (`past`, `seed`) with their files on the servers
//! (`targets`). All of it is data, in `src/demo/data`. The demo opens the same [`App`] and pages as
//! `serve`: pressing Deploy runs the engine, the SSH client, the sync and the scripts of production.
//!
//! It listens on a loopback address only. Anybody who logs in as its sysadmin can run programs as
//! the person who started it.

mod data;
pub mod fleet;
pub mod history;
mod home;
mod moments;
mod past;
mod people;
mod policy;
pub mod repositories;
mod scripts;
mod seed;
pub mod ssh_server;
mod targets;

use std::io::{self, Write};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use futures_util::future::try_join_all;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::access::{Access, Permit, Problem};
use crate::app::{App, accounts, audit, lifetime, sealing, start};
use crate::clock::Clock;
use crate::config::Config;
use crate::domain::{Error, Instant, Project, Result};
use crate::store::{ServeLock, Store, StoreOptions, projects};
use crate::web;
use home::{Home, unusable};
use people::Credentials;
use repositories::Sample;
use ssh_server::{DemoServer, Listening, Servers};

/// Who pinned the host keys and made the accounts.
const AUTHOR: &str = "demo";

/// How a demo is started.
#[derive(Debug, Clone)]
pub struct Options {
    /// Where it lives; kept and used again. `None`: a temporary directory that goes with it.
    pub dir: Option<PathBuf>,
    /// Where its pages are; a loopback address. Port 0 is any free one.
    pub bind: SocketAddr,
}

/// A demo that runs.
pub struct Demo {
    /// Where its pages are.
    pub url: String,
    /// Who can log in.
    pub people: Vec<Credentials>,
    /// The application behind the pages.
    pub app: App,
    /// Its database.
    pub store: Store,
    ground: Arc<Ground>,
    serving: JoinHandle<io::Result<()>>,
    servers: Servers,
    _watching: start::Background,
    _lock: ServeLock,
}

/// What a demo needs from its first moment to its last, even when its start fails halfway.
struct Ground {
    home: Home,
    /// Stops everything in the demo.
    stop: CancellationToken,
    /// Tasks that write into the directory and may run on after nobody waits for them.
    tasks: TaskTracker,
}

impl Ground {
    fn open(dir: Option<&Path>) -> Result<Arc<Self>> {
        Ok(Arc::new(Self {
            home: Home::open(dir)?,
            stop: CancellationToken::new(),
            tasks: TaskTracker::new(),
        }))
    }

    /// Stops what still runs, and removes what is temporary.
    async fn clear(&self) -> Result<()> {
        self.stop.cancel();
        self.tasks.close();
        self.tasks.wait().await;
        self.home.close().await
    }
}

/// Starts a demo, prints how to log in, and stops it when `shutdown` is cancelled, even in the middle
/// of the start.
///
/// # Errors
/// As [`Demo::start`]; a temporary directory that cannot be removed.
pub async fn run(options: Options, shutdown: CancellationToken) -> Result<()> {
    let kept = options.dir.clone();
    let listener = listen(options.bind).await?;
    let ground = Ground::open(options.dir.as_deref())?;
    let begun = tokio::select! {
        biased;
        () = shutdown.cancelled() => Ok(None),
        begun = Demo::begin(listener, &ground) => begun.map(Some),
    };
    let Ok(Some(mut demo)) = begun else {
        let cleared = ground.clear().await;
        return begun.map(drop).and(cleared);
    };
    let mut text = people::table(&demo.url, &demo.people);
    text.push_str(&match kept {
        Some(dir) => format!("\n  Kept in {}. Ctrl-C stops it.\n", dir.display()),
        None => "\n  Ctrl-C stops it and removes everything.\n".to_owned(),
    });
    // Somebody may have closed our output; the demo goes on all the same.
    _ = writeln!(io::stdout(), "{text}");
    tokio::select! {
        () = shutdown.cancelled() => {}
        ended = &mut demo.serving => {
            tracing::error!(?ended, "the pages are not served any more");
        }
    }
    demo.stop().await
}

impl Demo {
    /// Makes everything and opens the pages.
    ///
    /// # Errors
    /// An address that is taken, or that other machines can reach; a directory that holds something
    /// else, is used by another demo, or cannot be written to.
    pub async fn start(options: Options) -> Result<Self> {
        let listener = listen(options.bind).await?;
        let ground = Ground::open(options.dir.as_deref())?;
        let begun = Self::begin(listener, &ground).await;
        if begun.is_err() {
            // Why it did not start matters more than what could not be removed.
            _ = ground.clear().await;
        }
        begun
    }

    async fn begin(listener: TcpListener, ground: &Arc<Ground>) -> Result<Self> {
        let bound = listener.local_addr().map_err(Error::internal)?;
        let home = &ground.home;
        let failed = |cause| unusable(home.path(), cause);
        let clock = Clock::System;
        let people = people::passwords(home.path()).map_err(failed)?;
        policy::write(&home.join("policies")).map_err(failed)?;
        let servers = start_servers(home, &ground.stop).await?;

        let samples = make_repositories(ground, clock.now());
        let config = scripts::confined_if_possible(config(home, bound)).await;
        let (samples, (app, store, lock)) = tokio::try_join!(samples, open(config, clock))?;
        match samples {
            Some(samples) => set_up((&app, &store), ground, &servers.listening, samples, &people).await?,
            None => seed::update_servers(&store, &operator(app.now()), &servers.listening).await?,
        }
        fetch_all((&app, &store), ground).await?;
        home.mark_ready()?;
        lifetime::started(&app).await?;
        app.start().await?;
        let watching = start::watch(&app);
        let site = Arc::new(web::Site::new(app.clone()));
        let stopped = ground.stop.clone().cancelled_owned();
        let serving = tokio::spawn(web::serve(site, listener, stopped));
        Ok(Self {
            url: format!("http://{bound}"),
            people,
            app,
            store,
            ground: Arc::clone(ground),
            serving,
            servers,
            _watching: watching,
            _lock: lock,
        })
    }

    /// Where it lives.
    pub fn dir(&self) -> &Path {
        self.ground.home.path()
    }

    /// Ends what runs, here and on the servers, and removes what is temporary.
    ///
    /// # Errors
    /// A temporary directory that cannot be removed.
    pub async fn stop(self) -> Result<()> {
        self.app.stop_engine().await;
        if let Err(error) = lifetime::stopped(&self.app).await {
            tracing::warn!(
                error = &error as &dyn std::error::Error,
                "the stop could not be recorded"
            );
        }
        self.ground.stop.cancel();
        if !self.serving.is_finished() {
            _ = self.serving.await;
        }
        let closed = self.app.close().await;
        self.servers.stopped().await;
        self.ground.clear().await?;
        closed
    }
}

async fn listen(bind: SocketAddr) -> Result<TcpListener> {
    if !bind.ip().is_loopback() {
        return Err(Error::invalid(format!(
            "The demo listens on this machine alone, not on {bind}: its sysadmin can run programs as you. Use 127.0.0.1, and a tunnel (ssh -L) to look at it from elsewhere."
        )));
    }
    TcpListener::bind(bind).await.map_err(|cause| {
        let why = match cause.kind() {
            io::ErrorKind::AddrInUse => "is taken by another program",
            io::ErrorKind::PermissionDenied => "may not be used by you",
            _ => "cannot be used",
        };
        let other = if bind.port() == 8081 { 8082 } else { 8081 };
        let sentence = format!(
            "{bind} {why}. Name another address: deployer demo --bind {}:{other}",
            bind.ip()
        );
        Error::unavailable(sentence).because(cause)
    })
}

/// The configuration that `serve` would read from a file.
fn config(home: &Home, bound: SocketAddr) -> Config {
    let mut config = Config {
        data_dir: home.path().to_owned(),
        ..Config::default()
    };
    config.http.bind = bound;
    config.ssh.key_files = vec![home.join("id_ed25519")];
    config.access.policies = Some(home.join("policies"));
    config.git.local_directories = vec![home.path().to_owned()];
    config
}

/// The application, over a database whose schema is up to date and that nobody else serves.
async fn open(config: Config, clock: Clock) -> Result<(App, Store, ServeLock)> {
    let store = Store::open(config.store_url().expose(), StoreOptions::default()).await?;
    let lock = store.serve_lock()?;
    store.migrate().await?;
    sealing::prepare(&config, &store, clock.now()).await?;
    audit::keys::prepare(&config, &store, clock.now()).await?;
    let access = match &config.access.policies {
        Some(dir) => Access::load(dir).map_err(|problems| broken_policy(dir, &problems))?,
        None => Access::builtin(),
    };
    let app = start::assemble(config, store.clone(), access, clock);
    Ok((app, store, lock))
}

fn broken_policy(dir: &Path, problems: &[Problem]) -> Error {
    let all: Vec<String> = problems.iter().map(Problem::to_string).collect();
    let sentence = format!(
        "The policy in {} cannot be used:\n{}",
        dir.display(),
        all.join("\n")
    );
    Error::invalid(sentence)
}

async fn start_servers(home: &Home, stop: &CancellationToken) -> Result<Servers> {
    let failed = |cause| unusable(home.path(), cause);
    let key_file = home.join("id_ed25519");
    // The servers' keys are new at every start, and so is ours.
    match std::fs::remove_file(&key_file) {
        Err(cause) if cause.kind() != io::ErrorKind::NotFound => return Err(failed(cause)),
        _ => {}
    }
    let key = ssh_server::new_client_key(&key_file).map_err(failed)?;
    let mut wanted = Vec::new();
    for name in fleet::servers() {
        let home = targets::home(&home.join("servers"), name);
        std::fs::create_dir_all(&home).map_err(failed)?;
        wanted.push(DemoServer {
            name: name.to_owned(),
            home,
            port: None,
        });
    }
    let started = ssh_server::start(wanted, &key, stop.clone()).await;
    started.map_err(|cause| Error::unavailable("The demo's SSH servers could not be started.").because(cause))
}

/// Makes the sample repositories, each on a thread of its own; `None` when they are there.
async fn make_repositories(ground: &Ground, now: Instant) -> Result<Option<Vec<Sample>>> {
    if ground.home.is_ready() {
        return Ok(None);
    }
    let repositories = ground.home.join("repositories");
    let makers = fleet::FLEET.projects.iter().map(|project| {
        let path = repositories.join(format!("{}.git", project.name));
        ground
            .tasks
            .spawn_blocking(move || repositories::make(project, &path, now))
    });
    let made = try_join_all(makers).await.map_err(Error::internal)?;
    let samples: std::result::Result<Vec<_>, _> = made.into_iter().collect();
    samples.map(Some).map_err(|cause| {
        Error::unavailable("The demo's Git repositories could not be written.").because(cause)
    })
}

/// The first start: people, projects, history, and the releases on the servers.
async fn set_up(
    (app, store): (&App, &Store),
    ground: &Ground,
    listening: &[Listening],
    samples: Vec<Sample>,
    people: &[Credentials],
) -> Result<()> {
    let servers = ground.home.join("servers");
    let past = past::live_through(&samples, app.now());
    let operator = operator(app.now());
    let fill = seed::fill((store, &operator), listening, &samples, &past, &servers);
    let (laid, ()) = tokio::try_join!(fill, add_people(store, people, app.now()))?;
    let stop = ground.stop.clone();
    let lay = move || targets::lay(&servers, &samples, &laid, &stop);
    let laid = ground.tasks.spawn_blocking(lay).await;
    laid.map_err(Error::internal)?
        .map_err(|cause| unusable(ground.home.path(), cause))
}

/// The permit under which the demo sets itself up.
fn operator(now: Instant) -> Permit {
    Access::local_operator(AUTHOR, now)
}

async fn add_people(store: &Store, people: &[Credentials], now: Instant) -> Result<()> {
    let permit = operator(now);
    let added = people.iter().map(|Credentials { person, password }| {
        let new = person.name.parse().map(|name| accounts::NewUser {
            name,
            display_name: person.title.clone(),
            email: format!("{}@example.com", person.name),
            password: Some(password.clone()),
            keeping: accounts::Keeping::ForGood,
        });
        let permit = &permit;
        async move { accounts::add(store, permit, new.map_err(Error::invalid)?).await }
    });
    try_join_all(added).await.map(drop)
}

/// Brings every mirror up to date, so that the pages have commits to show. A project the visitor has
/// added may point anywhere: it is fetched in the background, so that nobody has to wait for it.
async fn fetch_all((app, store): (&App, &Store), ground: &Ground) -> Result<()> {
    let repositories = url::Url::from_directory_path(ground.home.join("repositories"));
    let is_sample = |project: &Project| {
        let here = repositories.as_ref();
        here.is_ok_and(|url| project.git_url.starts_with(url.as_str()))
    };
    let (samples, added): (Vec<_>, Vec<_>) = projects::list(store).await?.into_iter().partition(is_sample);
    let fetched = |project| fetch(app.clone(), project, ground.stop.clone());
    for project in added {
        ground.tasks.spawn(fetched(project));
    }
    futures_util::future::join_all(samples.into_iter().map(fetched)).await;
    Ok(())
}

/// A failure here must not stop the demo.
async fn fetch(app: App, project: Project, stop: CancellationToken) {
    let fetched = match app.mirror(&project) {
        Ok(mirror) => mirror.fetch(&stop).await.map(drop).map_err(|e| e.to_string()),
        Err(error) => Err(error.to_string()),
    };
    if let Err(why) = fetched {
        tracing::warn!(project = project.name.as_str(), why, "could not be fetched");
    }
}
