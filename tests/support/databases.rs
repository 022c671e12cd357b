//! A database of its own for each test, on each of the databases the deployer runs on.
//!
//! The servers of PostgreSQL and MariaDB are started once for all tests, by `tests/databases`, which
//! `tests/run` and nextest call; their addresses come in environment variables.

use std::sync::atomic::{AtomicU32, Ordering};

use deployer::access::Access;
use deployer::clock::Clock;
use deployer::domain::{Event, EventKind};
use deployer::store::{Change, SealingKey, Store, StoreOptions};
use sea_orm::{ConnectionTrait, DatabaseConnection, Statement};
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, JoinSet};

/// What the deployer can keep its data in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Database {
    #[default]
    Sqlite,
    Postgres,
    MariaDb,
}

/// Makes three tests of each function: `NAME::sqlite`, `NAME::postgres` and `NAME::mariadb`.
#[allow(unused_macros, reason = "measurements need the databases alone")]
macro_rules! on_every_database {
    ($($test:ident),+ $(,)?) => {
        $(mod $test {
            use crate::support::databases::Database;

            #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
            async fn sqlite() {
                super::$test(Database::Sqlite).await;
            }

            #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
            async fn postgres() {
                super::$test(Database::Postgres).await;
            }

            #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
            async fn mariadb() {
                super::$test(Database::MariaDb).await;
            }
        })+
    };
}
#[allow(unused_imports, reason = "measurements need the databases alone")]
pub(crate) use on_every_database;

/// The number of PostgreSQL's lock on making the template.
const TEMPLATE_LOCK: i64 = 20_261_128;
/// PostgreSQL's database with the whole schema, which every test's own is a copy of.
const TEMPLATE: &str = "deployer_template";

/// A database that vanishes with the test.
pub struct TestDatabase {
    /// What kind it is.
    pub kind: Database,
    /// The address it is opened by.
    pub url: String,
    /// Where there is room for files, and SQLite's own is.
    pub directory: tempfile::TempDir,
    name: String,
}

impl Database {
    /// Whether it is a server, with several writers at once and a clock of its own.
    pub fn is_server(self) -> bool {
        self != Self::Sqlite
    }

    /// The address of the server that all tests share.
    fn server(self) -> String {
        let variable = match self {
            Self::Sqlite => unreachable!("SQLite has no server"),
            Self::Postgres => "DEPLOYER_TEST_POSTGRES",
            Self::MariaDb => "DEPLOYER_TEST_MARIADB",
        };
        std::env::var(variable).unwrap_or_else(|_| {
            panic!("{variable} is not set: run the tests by tests/run, which starts the servers")
        })
    }

    /// Where the server listens on the loopback.
    pub fn port(self) -> u16 {
        self.server().rsplit(':').next().unwrap().parse().unwrap()
    }

    /// A connection for making and dropping databases.
    async fn administrator(self) -> DatabaseConnection {
        let own = match self {
            Self::MariaDb => "mysql",
            _ => "postgres",
        };
        connect(&format!("{}/{own}", self.server())).await
    }
}

impl TestDatabase {
    /// One without any table.
    pub async fn empty(kind: Database) -> Self {
        let database = Self::named(kind);
        match kind {
            Database::Sqlite => {}
            Database::Postgres | Database::MariaDb => {
                let sql = format!("CREATE DATABASE {}", database.name);
                run(&kind.administrator().await, &sql).await;
            }
        }
        database
    }

    /// One that has the whole schema, or gets it faster than an empty one when it is migrated.
    pub async fn prepared(kind: Database) -> Self {
        if kind != Database::Postgres {
            return Self::empty(kind).await;
        }
        let database = Self::named(kind);
        let administrator = kind.administrator().await;
        make_template(&administrator).await;
        let sql = format!("CREATE DATABASE {} TEMPLATE {TEMPLATE}", database.name);
        run(&administrator, &sql).await;
        database
    }

    fn named(kind: Database) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!(
            "test_{}_{count}_{:08x}",
            std::process::id(),
            rand::random::<u32>()
        );
        let directory = tempfile::tempdir().unwrap();
        let url = match kind {
            Database::Sqlite => format!("sqlite://{}", directory.path().join("test.db").display()),
            Database::Postgres | Database::MariaDb => format!("{}/{name}", kind.server()),
        };
        Self {
            kind,
            url,
            directory,
            name,
        }
    }

    /// Opens it as an instance of the deployer does, without migrating it.
    pub async fn open(&self) -> Store {
        let store = Store::open(&self.url, StoreOptions::default()).await.unwrap();
        store.set_sealing_keys(vec![sealing_key()]);
        store
    }

    /// One number, past the store's own functions.
    pub async fn number(&self, sql: &str) -> i64 {
        let raw = connect(&self.url).await;
        let statement = Statement::from_string(raw.get_database_backend(), sql);
        let row = raw.query_one_raw(statement).await.unwrap().unwrap();
        let number = row.try_get_by_index(0).unwrap();
        raw.close().await.unwrap();
        number
    }

    /// Runs a statement past the store's own functions, as somebody with the database could.
    pub async fn tamper(&self, sql: &str) {
        let raw = connect(&self.url).await;
        run(&raw, sql).await;
        raw.close().await.unwrap();
    }
}

/// The key of all installations in tests, as configurations have it.
pub const SEALING_KEY: &str = "5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e";

/// The same for a store.
pub fn sealing_key() -> SealingKey {
    SealingKey::parse(SEALING_KEY).unwrap()
}

impl Drop for TestDatabase {
    fn drop(&mut self) {
        let (kind, name) = (self.kind, self.name.clone());
        if !kind.is_server() {
            return;
        }
        // A test's own runtime cannot wait in here. What cannot be dropped goes with the server.
        let dropping = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.unwrap().block_on(async {
                let administrator = kind.administrator().await;
                let sql = match kind {
                    Database::Postgres => format!("DROP DATABASE {name} WITH (FORCE)"),
                    _ => format!("SET STATEMENT lock_wait_timeout = 1 FOR DROP DATABASE {name}"),
                };
                let _ = administrator.execute_unprepared(&sql).await;
            });
        });
        let _ = dropping.join();
    }
}

async fn connect(url: &str) -> DatabaseConnection {
    let mut options = sea_orm::ConnectOptions::new(url.to_owned());
    options.max_connections(1).sqlx_logging(false);
    sea_orm::Database::connect(options).await.unwrap()
}

async fn run(on: &DatabaseConnection, sql: &str) {
    on.execute_unprepared(sql).await.unwrap();
}

/// Makes the template unless another test has. The connection is the only one of its pool, so that the
/// lock is given back by the one that took it.
async fn make_template(administrator: &DatabaseConnection) {
    run(
        administrator,
        &format!("SELECT pg_advisory_lock({TEMPLATE_LOCK})"),
    )
    .await;
    let there = format!("SELECT count(*) FROM pg_database WHERE datname = '{TEMPLATE}'");
    let statement = Statement::from_string(administrator.get_database_backend(), there);
    let row = administrator.query_one_raw(statement).await.unwrap().unwrap();
    if row.try_get_by_index::<i64>(0).unwrap() == 0 {
        run(administrator, &format!("CREATE DATABASE {TEMPLATE}_new")).await;
        let url = format!("{}/{TEMPLATE}_new", Database::Postgres.server());
        let store = Store::open(&url, StoreOptions::default()).await.unwrap();
        store.migrate().await.unwrap();
        store.close().await.unwrap();
        let rename = format!("ALTER DATABASE {TEMPLATE}_new RENAME TO {TEMPLATE}");
        run(administrator, &rename).await;
    }
    run(
        administrator,
        &format!("SELECT pg_advisory_unlock({TEMPLATE_LOCK})"),
    )
    .await;
}

/// A wire to a server that can be cut and mended.
pub struct Wire {
    /// Where its near end is on the loopback.
    pub port: u16,
    far: u16,
    carrying: Option<JoinHandle<()>>,
}

impl Wire {
    /// A wire to a port of the loopback.
    pub async fn to(far: u16) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        Self {
            port,
            far,
            carrying: Some(tokio::spawn(carry(listener, far))),
        }
    }

    /// Ends all connections and takes no more.
    pub async fn cut(&mut self) {
        if let Some(carrying) = self.carrying.take() {
            carrying.abort();
            let _ = carrying.await;
        }
    }

    /// Takes connections again.
    pub async fn mend(&mut self) {
        let listener = TcpListener::bind(("127.0.0.1", self.port)).await.unwrap();
        self.carrying = Some(tokio::spawn(carry(listener, self.far)));
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        if let Some(carrying) = &self.carrying {
            carrying.abort();
        }
    }
}

async fn carry(listener: TcpListener, far: u16) {
    let mut connections = JoinSet::new();
    while let Ok((mut near, _)) = listener.accept().await {
        connections.spawn(async move {
            if let Ok(mut far) = TcpStream::connect(("127.0.0.1", far)).await {
                let _ = copy_bidirectional(&mut near, &mut far).await;
            }
        });
    }
}

/// A change that the host's command line makes.
pub async fn change(store: &Store) -> Change {
    let operator = Access::local_operator("test", Clock::System.now());
    store.change(&operator, Clock::System.now()).await.unwrap()
}

/// Makes a change durable, as history that was brought in.
pub async fn bring_in(change: Change) {
    let event = Event::new(EventKind::HistoryBroughtIn, serde_json::json!({}));
    change.commit(event).await.unwrap();
}
