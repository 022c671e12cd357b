//! Repositories that need more than their own objects: what the tests of Git LFS and of submodules
//! share.

use std::path::Path;
use std::process::Command;

use deployer::domain::{CommitId, Extras, ProjectId};
use deployer::git::{Contents, GitOptions, Mirror, Mirrors, Result, check_url};
use tokio_util::sync::CancellationToken;

use super::support::{Origin, anywhere, fetch};

/// Everything is fetched.
pub const ALL: Extras = Extras {
    lfs: true,
    submodules: true,
};

/// A project whose mirrors lie in a directory of their own.
pub struct Fetching {
    pub mirrors: Mirrors,
    pub mirror: Mirror,
    calm: CancellationToken,
}

impl Fetching {
    /// Of the repository at `url`, with mirrors beside `origin`; its own mirror is fetched.
    pub async fn of(origin: &Origin, url: &str, options: GitOptions) -> Self {
        let options = GitOptions {
            local_directories: anywhere().local_directories,
            ..options
        };
        let mirrors = Mirrors::new(origin.dir.path().join("mirrors"), options);
        let mirror = mirrors.mirror(ProjectId(7), &check_url(url).unwrap());
        fetch(&mirror).await.unwrap();
        Self {
            mirrors,
            mirror,
            calm: CancellationToken::new(),
        }
    }

    pub async fn gather(&self, commit: &str) -> Result<Contents> {
        let commit: CommitId = commit.parse().unwrap();
        self.mirrors
            .gather(ProjectId(7), &self.mirror, &commit, ALL, &self.calm)
            .await
    }

    /// Why the contents of `commit` are not to be had.
    pub async fn refusal(&self, commit: &str) -> String {
        match self.gather(commit).await {
            Ok(_) => panic!("it was gathered"),
            Err(error) => error.to_string(),
        }
    }

    /// Brings `commit` here and writes it into `into`; how many objects of Git LFS came for it.
    pub async fn export(&self, commit: &str, into: &Path) -> usize {
        let contents = self.gather(commit).await.unwrap();
        let objects = contents.fetched.objects;
        contents.keep().await.unwrap();
        contents.export(into, &self.calm).await.unwrap();
        objects
    }
}

/// Path, kind, mode and content of everything below `dir`, without Git's own files and without times.
pub fn tree(dir: &Path) -> String {
    let script = "cd \"$1\" && find . -name .git -prune -o -printf '%P %y %m %l\\n' | LC_ALL=C sort; \
                  find . -name .git -prune -o -type f -print0 | LC_ALL=C sort -z | xargs -0 sha256sum";
    let out = Command::new("sh")
        .args(["-c", script, "sh"])
        .arg(dir)
        .output()
        .unwrap();
    assert!(out.status.success());
    String::from_utf8_lossy(&out.stdout).into_owned()
}
