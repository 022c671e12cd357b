//! Sync against a real sshd, real files and the real tools.

mod between;
mod drift;
mod fleet;
mod foreign;
mod held;
mod in_place;
mod login_shells;
mod many_releases;
mod missing;
mod modes;
mod ownership;
mod random;
mod releases;
mod survival;
mod trouble;
mod turned;

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use deployer::domain::{DeploymentId, EnvironmentOptions, Instant, SyncMethod};
use deployer::ssh::{Connections, Session};
use deployer::sync::{
    Activated, Delivered, Delivery, DeliveryProgress, Error, Inspection, KnownTrees, Layout, Limits,
    Manifest, Rules, Scan, Stamp, TreeSource, Trust, activate, go_back, inspect,
};
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;

use crate::support::sshd::Sshd;

/// A project with a tree here and a target on a server.
struct Site {
    sshd: Sshd,
    _pool: Connections,
    session: Session,
    here: TempDir,
    layout: Layout,
    known: Vec<Arc<Manifest>>,
    consumed: Vec<&'static str>,
    deployments: i64,
    trust: Trust,
    /// Bytes that stay free on this host.
    keep_free: u64,
    limits: Limits,
    on_progress: OnProgress,
    /// The root directory of the server, as the test sees it.
    root: PathBuf,
}

type OnProgress = Box<dyn Fn(DeliveryProgress) + Send + Sync>;

impl Site {
    async fn new(method: SyncMethod, excluded: &[&str], shared: &[&str]) -> Self {
        let sshd = Sshd::start().await;
        let target = sshd.dir().join("srv/shop");
        Self::at(sshd, &target, method, excluded, shared).await
    }

    async fn at(sshd: Sshd, target: &Path, method: SyncMethod, excluded: &[&str], shared: &[&str]) -> Self {
        let pool = sshd.pool();
        let session = pool.session(&sshd.endpoint()).await.unwrap();
        let texts = |list: &[&str]| list.iter().map(|s| (*s).to_owned()).collect();
        let options = EnvironmentOptions {
            excluded: texts(excluded),
            shared: texts(shared),
            ..Default::default()
        };
        let layout = Layout {
            project: "shop".parse().unwrap(),
            environment: "prod".parse().unwrap(),
            target: target.to_str().unwrap().parse().unwrap(),
            method,
            rules: Rules::new(&options, method).unwrap(),
        };
        let here = TempDir::new().unwrap();
        fs::create_dir(here.path().join("tree")).unwrap();
        Self {
            sshd,
            _pool: pool,
            session,
            here,
            layout,
            known: Vec::new(),
            consumed: Vec::new(),
            deployments: 0,
            trust: Trust::Times,
            keep_free: 0,
            limits: Limits::default(),
            on_progress: Box::new(|_| {}),
            root: "/".into(),
        }
    }

    async fn in_place() -> Self {
        Self::new(SyncMethod::InPlace, &[], &[]).await
    }

    async fn symlink() -> Self {
        Self::new(SyncMethod::Symlink, &[], &[]).await
    }

    fn tree(&self) -> PathBuf {
        self.here.path().join("tree")
    }

    fn target(&self) -> PathBuf {
        self.seen(self.layout.target.as_str())
    }

    /// Where the test sees a file of the server.
    fn seen(&self, path: impl AsRef<Path>) -> PathBuf {
        self.root.join(path.as_ref().strip_prefix("/").unwrap())
    }

    /// What is in service there.
    fn served(&self) -> PathBuf {
        let target = self.target();
        fs::read_link(&target).map_or(target, |release| self.seen(release))
    }

    /// Writes a file of the tree that is deployed.
    fn write(&self, path: &str, content: &str) {
        put(&self.tree(), path, content);
    }

    fn remove(&self, path: &str) {
        let path = self.tree().join(path);
        if path.is_dir() && !path.is_symlink() {
            fs::remove_dir_all(path).unwrap();
        } else {
            fs::remove_file(path).unwrap();
        }
    }

    fn link(&self, path: &str, to: &str) {
        symlink(to, self.tree().join(path)).unwrap();
    }

    fn stamp(&self) -> Stamp {
        Stamp {
            deployment: DeploymentId(self.deployments),
            branch: "feature/x".parse().unwrap(),
            commit: format!("{:08x}{:032x}", 0xab, self.deployments).parse().unwrap(),
            at: "2026-11-22T10:00:00Z".parse().unwrap(),
        }
    }

    async fn inspect(&self) -> Inspection {
        inspect(&self.session, &self.layout, &Limits::default())
            .await
            .unwrap()
    }

    /// The tree here, of any size.
    fn what_to_scan(&self) -> Scan {
        let first: Instant = "2026-11-01T10:00:00Z".parse().unwrap();
        Scan {
            root: self.tree(),
            rules: self.layout.rules.clone(),
            commit_time: first + chrono::TimeDelta::days(self.deployments),
            limit: u64::MAX,
            cancel: CancellationToken::new(),
        }
    }

    async fn try_scan(&self) -> Result<Manifest, Error> {
        let known = KnownTrees::new(self.known.iter().rev().cloned());
        Manifest::scan(self.what_to_scan(), known).await
    }

    async fn scan(&self) -> Arc<Manifest> {
        Arc::new(self.try_scan().await.unwrap())
    }

    /// Brings the tree to the server; with the symlink method beside what is in service.
    async fn deliver(&mut self) -> Result<Delivered, Error> {
        let inspection = self.inspect().await;
        self.deliver_after(&inspection).await
    }

    /// [`Self::deliver`] with what was seen some time ago.
    async fn deliver_after(&mut self, inspection: &Inspection) -> Result<Delivered, Error> {
        self.deployments += 1;
        let manifest = self.scan().await;
        let known = KnownTrees::new(self.known.iter().rev().cloned());
        let source = TreeSource::open(self.tree(), Arc::clone(&manifest), known)
            .consumed(self.consumed.iter().copied())
            .keeping_free(self.keep_free);
        let delivery = Delivery {
            session: &self.session,
            layout: &self.layout,
            inspection,
            stamp: &self.stamp(),
            trust: self.trust,
            limits: &self.limits,
            progress: &*self.on_progress,
        };
        let delivered = source.deliver(&delivery).await?;
        self.known.push(manifest);
        Ok(delivered)
    }

    /// [`Self::put_in_service`], which has to succeed and to be true.
    async fn deploy(&mut self) -> Delivered {
        let delivered = self.put_in_service().await.unwrap();
        self.assert_same();
        delivered
    }

    /// [`Self::deliver`], in service afterwards.
    async fn put_in_service(&mut self) -> Result<Delivered, Error> {
        let delivered = self.deliver().await?;
        if self.layout.method == SyncMethod::Symlink {
            self.switch(&delivered.directory).await?;
        }
        Ok(delivered)
    }

    /// Puts a release in service, as the last deployment.
    async fn switch(&self, release: &str) -> Result<Activated, Error> {
        let id = DeploymentId(self.deployments);
        activate(&self.session, &self.layout, release, id, &self.limits).await
    }

    /// Goes back to a release.
    async fn roll_back(&mut self, release: &str) -> Result<Activated, Error> {
        self.deployments += 1;
        let id = DeploymentId(self.deployments);
        go_back(&self.session, &self.layout, release, id, &self.limits).await
    }

    /// [`Self::deploy`] without a look at the contents.
    async fn deploy_quietly(&mut self) -> Delivered {
        self.deliver().await.unwrap()
    }

    /// Cancels the next delivery so many milliseconds after its progress `is_there`.
    fn cancel_after(&mut self, wait: u64, is_there: fn(DeliveryProgress) -> bool) {
        let cancel = self.limits.cancel.clone();
        self.on_progress = Box::new(move |progress| {
            if is_there(progress) {
                let cancel = cancel.clone();
                tokio::spawn(async move {
                    tokio::time::sleep(Duration::from_millis(wait)).await;
                    cancel.cancel();
                });
            }
        });
    }

    /// After a cancel: nothing is cancelled any more.
    fn heal(&mut self) {
        self.limits = Limits::default();
        self.on_progress = Box::new(|_| {});
    }

    /// What is in service is the tree, by names, kinds, bits and contents.
    fn assert_same(&self) {
        pretty_eq(&shape(&self.served()), &shape(&self.tree()));
    }

    fn marker(&self) -> String {
        fs::read_to_string(self.served().join(".git_release")).unwrap_or_default()
    }
}

fn put(top: &Path, path: &str, content: &str) {
    let path = top.join(path);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, content).unwrap();
}

fn pretty_eq(left: &[String], right: &[String]) {
    assert_eq!(left.join("\n"), right.join("\n"));
}

/// Everything in a directory, one readable line each; our own files and kept ones aside.
fn shape(top: &Path) -> Vec<String> {
    fn walk(top: &Path, below: &Path, lines: &mut Vec<String>) {
        for entry in fs::read_dir(top.join(below)).unwrap() {
            let entry = entry.unwrap();
            let path = below.join(entry.file_name());
            let kind = entry.file_type().unwrap();
            let mode = entry.metadata().unwrap().permissions().mode() & 0o777;
            if [".git_release", ".deployer_release", "kept"]
                .contains(&entry.file_name().to_string_lossy().as_ref())
            {
            } else if kind.is_symlink() {
                lines.push(format!("{path:?} -> {:?}", fs::read_link(entry.path()).unwrap()));
            } else if kind.is_dir() {
                lines.push(format!("{path:?}/"));
                walk(top, &path, lines);
            } else {
                lines.push(format!("{path:?} {mode:o} {:?}", fs::read(entry.path()).unwrap()));
            }
        }
    }
    let mut lines = Vec::new();
    walk(top, Path::new(""), &mut lines);
    lines.sort();
    lines
}
