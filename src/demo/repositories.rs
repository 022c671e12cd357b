//! Makes the sample repositories with Git, from their histories: one bare repository each.
//!
//! Objects are first kept in memory (libgit2's mempack) and then written as a single pack:
//! hundreds of loose files would take longer to write here, and far longer to fetch from.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use git2::build::TreeUpdateBuilder;
use git2::{FileMode, Oid, Repository, RepositoryInitOptions, Signature, Time, Tree};

use super::data;
use super::fleet::SampleProject;
use super::history::{Chapters, Commit, GitEvent, MAIN};
use super::moments::{Chance, of_commits};
use super::people::PEOPLE;
use crate::domain::{CommitId, Instant};

/// Priority of the in-memory store: it is asked before the disk.
const MEMORY_FIRST: i32 = 1000;
/// A finished repository.
#[derive(Debug, Clone)]
pub struct Sample {
    pub project: &'static SampleProject,
    /// The bare repository.
    pub path: PathBuf,
    /// Each branch and the commits made on it or reached through it, oldest first, by first parent.
    pub branches: HashMap<String, Vec<SampleCommit>>,
}

/// A commit of a sample repository.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SampleCommit {
    pub id: CommitId,
    /// The first line of its message.
    pub title: String,
    /// When it was made, to the second.
    pub at: Instant,
}

impl Sample {
    /// The commits of `branch`, oldest first; none when there is no such branch.
    pub fn commits(&self, branch: &str) -> &[SampleCommit] {
        self.branches.get(branch).map_or(&[], Vec::as_slice)
    }
}

/// Makes the repository of `project` at `path` as if its last commit had been made just before
/// `now`.
///
/// # Errors
/// Of libgit2 (a full disk, a path that is taken), or a history that contradicts itself.
pub fn make(project: &'static SampleProject, path: &Path, now: Instant) -> Result<Sample, git2::Error> {
    let mut options = RepositoryInitOptions::new();
    options
        .bare(true)
        .mkpath(true)
        .no_reinit(true)
        .external_template(false)
        .initial_head(MAIN);
    let repository = Repository::init_opts(path, &options)?;
    let database = repository.odb()?;
    let _memory = database.add_new_mempack_backend(MEMORY_FIRST)?;

    let history = project.history();
    let is_commit = |event: &&GitEvent| !matches!(event, GitEvent::Branch(_));
    let commits = history.iter().filter(is_commit).count();
    let seed = project.name.bytes().map(u64::from).sum();
    let mut moments = of_commits(now, commits, &mut Chance::new(seed)).into_iter();
    let mut maker = Maker {
        repository: &repository,
        project,
        branches: HashMap::new(),
    };
    for event in &history {
        match event {
            GitEvent::Branch(branch) => maker.branch(&branch.branch, &branch.from)?,
            GitEvent::Commit(commit) => maker.commit(commit, next(&mut moments)?)?,
            GitEvent::Merge(merge) => {
                maker.merge(&merge.merge, &merge.into, &merge.author, next(&mut moments)?)?;
            }
        }
    }
    let branches = maker.branches;
    write_pack(&repository, &branches)?;
    Ok(Sample {
        project,
        path: path.to_owned(),
        branches,
    })
}

fn next(moments: &mut impl Iterator<Item = Instant>) -> Result<Instant, git2::Error> {
    moments
        .next()
        .ok_or_else(|| wrong("there are more commits than moments"))
}

/// Writes all objects of `branches` as one pack, then the branches themselves.
fn write_pack(
    repository: &Repository,
    branches: &HashMap<String, Vec<SampleCommit>>,
) -> Result<(), git2::Error> {
    let mut heads = Vec::with_capacity(branches.len());
    let mut walk = repository.revwalk()?;
    for (name, commits) in branches {
        let last = commits.last().ok_or_else(|| wrong("a branch without commits"))?;
        let head = oid(&last.id)?;
        walk.push(head)?;
        heads.push((name, head));
    }
    let mut pack = repository.packbuilder()?;
    pack.insert_walk(&mut walk)?;
    pack.write(&repository.path().join("objects/pack"), 0)?;
    for (name, head) in heads {
        repository.reference(&format!("refs/heads/{name}"), head, false, "demo")?;
    }
    Ok(())
}

/// A repository in the making.
struct Maker<'r> {
    repository: &'r Repository,
    project: &'static SampleProject,
    branches: HashMap<String, Vec<SampleCommit>>,
}

impl<'r> Maker<'r> {
    fn branch(&mut self, name: &str, from: &str) -> Result<(), git2::Error> {
        let commits = self
            .branches
            .get(from)
            .ok_or_else(|| wrong(format!("{name} begins at {from}, which is not there")))?;
        let commits = commits.clone();
        self.branches.insert(name.to_owned(), commits);
        Ok(())
    }

    fn commit(&mut self, commit: &Commit, at: Instant) -> Result<(), git2::Error> {
        let parent = self.head(&commit.on)?;
        let before = match &parent {
            Some(parent) => parent.tree()?,
            None => self.empty_tree()?,
        };
        let tree = self.edited(&before, commit)?;
        let parents: Vec<&git2::Commit<'_>> = parent.iter().collect();
        self.write(&commit.on, &commit.author, &commit.message, &tree, &parents, at)
    }

    fn merge(&mut self, branch: &str, into: &str, author: &str, at: Instant) -> Result<(), git2::Error> {
        let missing = |name: &str| wrong(format!("there is no branch {name} to merge"));
        let theirs = self.head(branch)?.ok_or_else(|| missing(branch))?;
        let ours = self.head(into)?.ok_or_else(|| missing(into))?;
        let mut index = self.repository.merge_commits(&ours, &theirs, None)?;
        if index.has_conflicts() {
            return Err(wrong(format!("{branch} cannot be merged into {into}")));
        }
        let tree = self.repository.find_tree(index.write_tree_to(self.repository)?)?;
        let message = format!("Merge branch '{branch}' into {into}");
        self.write(into, author, &message, &tree, &[&ours, &theirs], at)
    }

    /// The newest commit of a branch; `None` for the first branch of all.
    fn head(&self, branch: &str) -> Result<Option<git2::Commit<'r>>, git2::Error> {
        match self.branches.get(branch).and_then(|commits| commits.last()) {
            Some(commit) => Ok(Some(self.repository.find_commit(oid(&commit.id)?)?)),
            None if self.branches.is_empty() => Ok(None),
            None => Err(wrong(format!("{branch} was never begun"))),
        }
    }

    fn empty_tree(&self) -> Result<Tree<'r>, git2::Error> {
        let id = self.repository.treebuilder(None)?.write()?;
        self.repository.find_tree(id)
    }

    /// Writes a commit and puts it at the end of the branch `on`.
    fn write(
        &mut self,
        on: &str,
        author: &str,
        message: &str,
        tree: &Tree<'_>,
        parents: &[&git2::Commit<'_>],
        at: Instant,
    ) -> Result<(), git2::Error> {
        let name = PEOPLE
            .full_name(author)
            .ok_or_else(|| wrong(format!("nobody is called {author}")))?;
        let email = format!("{author}@example.com");
        let who = Signature::new(name, &email, &Time::new(at.timestamp(), 60))?;
        let text = format!("{}\n", message.trim_end());
        let id = self.repository.commit(None, &who, &who, &text, tree, parents)?;
        let written = SampleCommit {
            id: commit_id(id),
            title: message.lines().next().unwrap_or_default().to_owned(),
            at: Instant::from_timestamp(at.timestamp(), 0).unwrap_or(at),
        };
        self.branches.entry(on.to_owned()).or_default().push(written);
        Ok(())
    }

    fn edited(&self, before: &Tree<'_>, commit: &Commit) -> Result<Tree<'r>, git2::Error> {
        let mut update = TreeUpdateBuilder::new();
        for (path, text) in &commit.write {
            self.put(&mut update, path, text.as_bytes())?;
        }
        for (path, file) in &commit.copy {
            let content = data::bytes(&format!("{}/{file}", self.project.name));
            self.put(&mut update, path, &content)?;
        }
        for (path, (old, new)) in &commit.swap {
            let text = self.text(before, path)?;
            if !text.contains(old) {
                return Err(wrong(format!("{path} does not say “{old}”")));
            }
            self.put(&mut update, path, text.replacen(old, new, 1).as_bytes())?;
        }
        for (path, more) in &commit.append {
            let text = self.text(before, path)? + more.as_str();
            self.put(&mut update, path, text.as_bytes())?;
        }
        for (from, to) in &commit.rename {
            let entry = before.get_path(Path::new(from))?;
            update
                .remove(from.as_str())
                .upsert(to.as_str(), entry.id(), FileMode::Blob);
        }
        for path in &commit.remove {
            update.remove(path.as_str());
        }
        for (path, text) in commit.chapters.iter().flat_map(Chapters::files) {
            self.put(&mut update, &path, text.as_bytes())?;
        }
        let tree = update.create_updated(self.repository, before)?;
        self.repository.find_tree(tree)
    }

    /// Scripts can be executed; nothing else can.
    fn put(&self, update: &mut TreeUpdateBuilder, path: &str, bytes: &[u8]) -> Result<(), git2::Error> {
        let mode = if path.ends_with(".sh") {
            FileMode::BlobExecutable
        } else {
            FileMode::Blob
        };
        update.upsert(path, self.repository.blob(bytes)?, mode);
        Ok(())
    }

    fn text(&self, tree: &Tree<'_>, path: &str) -> Result<String, git2::Error> {
        let blob = self.repository.find_blob(tree.get_path(Path::new(path))?.id())?;
        let text = std::str::from_utf8(blob.content());
        Ok(text.map_err(|_| wrong(format!("{path} is not text")))?.to_owned())
    }
}

fn oid(id: &CommitId) -> Result<Oid, git2::Error> {
    Oid::from_str(id.as_str())
}

fn commit_id(id: Oid) -> CommitId {
    let hash = id.to_string();
    hash.parse()
        .expect("libgit2 writes hashes as 40 lower-case hexadecimal digits")
}

fn wrong(what: impl AsRef<str>) -> git2::Error {
    git2::Error::from_str(what.as_ref())
}

#[cfg(test)]
mod tests {
    use super::super::fleet::FLEET;
    use super::*;

    #[test]
    fn every_history_can_be_made() {
        let dir = tempfile::tempdir().unwrap();
        let now: Instant = "2026-11-22T12:00:00Z".parse().unwrap();
        for project in &FLEET.projects {
            let path = dir.path().join(&project.name);
            let sample = make(project, &path, now).expect(&project.name);
            let repository = Repository::open_bare(&path).unwrap();
            for (name, commits) in &sample.branches {
                let head = repository.find_reference(&format!("refs/heads/{name}")).unwrap();
                let last = &commits.last().unwrap().id;
                assert_eq!(head.target().unwrap().to_string(), last.as_str());
            }
            assert!(sample.commits(MAIN).len() > 5, "{}", project.name);
        }
    }
}
