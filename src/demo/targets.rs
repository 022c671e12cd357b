//! Writes the first files onto the demo's servers: those of the commits that the history says were
//! deployed there, with their markers.
//!
//! A commit's tree is read once and written to every server that has it.

use std::collections::{HashMap, hash_map};
use std::fs::File;
use std::io::{self, Write};
use std::os::unix::fs::{OpenOptionsExt, symlink};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use git2::{FileMode, ObjectType, Oid, Repository, TreeWalkMode, TreeWalkResult};

use tokio_util::sync::CancellationToken;

use super::fleet::{SampleEnvironment, method};
use super::repositories::Sample;
use crate::domain::release::MARKER;
use crate::domain::{CommitId, DeploymentId, Instant, Release, SyncMethod};

/// Scripts that a deployment removes from a server at its end.
const GONE: [&str; 3] = ["predeploy.sh", "deploy.sh", "tests/run_local_tests.sh"];

/// The last release of one environment on a server.
#[derive(Debug, Clone)]
pub struct Laid {
    pub server: &'static str,
    /// The environment.
    pub place: &'static SampleEnvironment,
    pub commit: CommitId,
    /// By which deployment.
    pub deployment: DeploymentId,
    /// When.
    pub at: Instant,
}

/// The home directory of `server` below `servers`, which holds those of all servers.
pub fn home(servers: &Path, server: &str) -> PathBuf {
    servers.join(server)
}

/// The target directory of an environment on a server, as the store has it.
pub fn target(servers: &Path, server: &str, place: &SampleEnvironment) -> PathBuf {
    let below = place.path.trim_start_matches("~/");
    home(servers, server).join(below)
}

/// Puts everything in `laid` below `servers`, unless `stop` is cancelled on the way.
///
/// # Errors
/// When the disk or a repository fails; when it was stopped.
pub fn lay(servers: &Path, samples: &[Sample], laid: &[Laid], stop: &CancellationToken) -> io::Result<()> {
    let mut trees: HashMap<(&str, &CommitId), Vec<Entry>> = HashMap::new();
    for one in laid {
        if stop.is_cancelled() {
            return Err(io::ErrorKind::Interrupted.into());
        }
        let key = (one.place.project.as_str(), &one.commit);
        let tree = match trees.entry(key) {
            hash_map::Entry::Occupied(known) => known.into_mut(),
            hash_map::Entry::Vacant(place) => {
                let sample = samples
                    .iter()
                    .find(|sample| sample.project.name == one.place.project);
                let sample = sample.ok_or(io::ErrorKind::NotFound)?;
                place.insert(read(&sample.path, &one.commit).map_err(io::Error::other)?)
            }
        };
        put(servers, one, tree)?;
    }
    Ok(())
}

struct Entry {
    path: String,
    executable: bool,
    bytes: Vec<u8>,
}

fn read(repository: &Path, commit: &CommitId) -> Result<Vec<Entry>, git2::Error> {
    let repository = Repository::open_bare(repository)?;
    let tree = repository.find_commit(Oid::from_str(commit.as_str())?)?.tree()?;
    let mut entries = Vec::new();
    let mut failed = None;
    tree.walk(TreeWalkMode::PreOrder, |dir, entry| {
        if entry.kind() != Some(ObjectType::Blob) {
            return TreeWalkResult::Ok;
        }
        match (repository.find_blob(entry.id()), entry.name()) {
            (Ok(blob), Ok(name)) => entries.push(Entry {
                path: format!("{dir}{name}"),
                executable: entry.filemode() == i32::from(FileMode::BlobExecutable),
                bytes: blob.content().to_vec(),
            }),
            (Err(error), _) | (_, Err(error)) => {
                failed = Some(error);
                return TreeWalkResult::Abort;
            }
        }
        TreeWalkResult::Ok
    })?;
    entries.retain(|entry| !GONE.contains(&entry.path.as_str()));
    failed.map_or(Ok(entries), Err)
}

fn put(servers: &Path, laid: &Laid, tree: &[Entry]) -> io::Result<()> {
    let target = target(servers, laid.server, laid.place);
    let above = target.parent().ok_or(io::ErrorKind::InvalidInput)?;
    let dir = match method(&laid.place.project) {
        SyncMethod::InPlace => target.clone(),
        SyncMethod::Symlink => above
            .join(format!("{}_releases", laid.place.project))
            .join(release_name(laid)),
    };
    std::fs::create_dir_all(&dir)?;
    let at = u64::try_from(laid.at.timestamp()).unwrap_or_default();
    let changed = SystemTime::UNIX_EPOCH + Duration::from_secs(at);
    for entry in tree {
        let path = dir.join(&entry.path);
        let file = match create(&path, entry.executable) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                std::fs::create_dir_all(path.parent().unwrap_or(&dir))?;
                create(&path, entry.executable)?
            }
            created => created?,
        };
        (&file).write_all(&entry.bytes)?;
        file.set_modified(changed)?;
    }
    let marker = Release {
        branch: laid.place.branch.clone(),
        commit: laid.commit.to_string(),
        at: laid.at,
        path: dir.display().to_string(),
        in_progress: false,
    };
    std::fs::write(dir.join(MARKER), marker.to_marker())?;
    if dir != target {
        symlink(&dir, &target)?;
    }
    Ok(())
}

fn create(path: &Path, executable: bool) -> io::Result<File> {
    let mode = if executable { 0o755 } else { 0o644 };
    File::options().write(true).create_new(true).mode(mode).open(path)
}

/// As the deployer names releases: day, branch, commit, deployment.
fn release_name(laid: &Laid) -> String {
    let branch = laid.place.branch.replace('/', "-");
    let (day, commit) = (laid.at.format("%Y%m%d"), laid.commit.short());
    format!("{day}_{branch}_{commit}_{}", laid.deployment)
}
