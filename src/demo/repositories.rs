//! Tells the stories with Git: one bare repository each, made in memory and written as one pack.
//!
//! Objects are first kept in memory (libgit2's mempack) and then written as a single pack:
//! hundreds of loose files would take longer to write here, and far longer to fetch from.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use git2::build::TreeUpdateBuilder;
use git2::{FileMode, Oid, Repository, RepositoryInitOptions, Signature, Time, Tree};

use super::moments::{Chance, of_commits};
use super::stories::{Act, Author, Edit, Story};
use crate::domain::{CommitId, Instant};

/// Asked before the disk for every object.
const MEMORY_FIRST: i32 = 1000;
/// The branch every story begins with.
pub const MAIN: &str = "main";

/// A repository that has been made.
#[derive(Debug, Clone)]
pub struct Sample {
    /// The story's name.
    pub name: &'static str,
    /// The bare repository.
    pub path: PathBuf,
    /// Each branch and the commits made on it or reached through it, oldest first, by first parent.
    pub branches: HashMap<&'static str, Vec<SampleCommit>>,
}

/// A commit of a sample repository.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SampleCommit {
    /// Its hash.
    pub id: CommitId,
    /// The first line of its message.
    pub title: String,
    /// When it was made.
    pub at: Instant,
}

impl Sample {
    /// The commits of `branch`, oldest first; none when there is no such branch.
    pub fn commits(&self, branch: &str) -> &[SampleCommit] {
        self.branches.get(branch).map_or(&[], Vec::as_slice)
    }
}

/// Makes the repository of `story` at `path` as if its last commit had been made just before `now`.
///
/// # Errors
/// Of libgit2 (a full disk, a path that is taken), or a story that contradicts itself.
pub fn tell(story: &Story, path: &Path, now: Instant) -> Result<Sample, git2::Error> {
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

    let commits = story
        .acts
        .iter()
        .filter(|act| !matches!(act, Act::Branch { .. }))
        .count();
    let seed = story.name.bytes().map(u64::from).sum();
    let mut moments = of_commits(now, commits, &mut Chance::new(seed)).into_iter();
    let mut teller = Teller {
        repository: &repository,
        branches: HashMap::new(),
    };
    for act in story.acts {
        match *act {
            Act::Branch { name, from } => teller.branch(name, from)?,
            Act::Commit { on, by, says, edits } => {
                let at = next(&mut moments)?;
                teller.commit(on, by, says, edits, at)?;
            }
            Act::Merge { branch, into, by } => {
                let at = next(&mut moments)?;
                teller.merge(branch, into, by, at)?;
            }
        }
    }
    let branches = teller.branches;
    write_pack(&repository, &branches)?;
    Ok(Sample {
        name: story.name,
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
    branches: &HashMap<&'static str, Vec<SampleCommit>>,
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
struct Teller<'r> {
    repository: &'r Repository,
    branches: HashMap<&'static str, Vec<SampleCommit>>,
}

impl<'r> Teller<'r> {
    fn branch(&mut self, name: &'static str, from: &str) -> Result<(), git2::Error> {
        let commits = self
            .branches
            .get(from)
            .ok_or_else(|| wrong(format!("{name} begins at {from}, which is not there")))?;
        let commits = commits.clone();
        self.branches.insert(name, commits);
        Ok(())
    }

    fn commit(
        &mut self,
        on: &'static str,
        by: Author,
        says: &str,
        edits: &[Edit],
        at: Instant,
    ) -> Result<(), git2::Error> {
        let parent = self.head(on)?;
        let before = match &parent {
            Some(parent) => parent.tree()?,
            None => self.empty_tree()?,
        };
        let tree = self.edited(&before, edits)?;
        let parents: Vec<&git2::Commit<'_>> = parent.iter().collect();
        let id = self.write(by, says, &tree, &parents, at)?;
        self.branches.entry(on).or_default().push(id);
        Ok(())
    }

    fn merge(
        &mut self,
        branch: &'static str,
        into: &'static str,
        by: Author,
        at: Instant,
    ) -> Result<(), git2::Error> {
        let missing = |name: &str| wrong(format!("there is no branch {name} to merge"));
        let theirs = self.head(branch)?.ok_or_else(|| missing(branch))?;
        let ours = self.head(into)?.ok_or_else(|| missing(into))?;
        let mut index = self.repository.merge_commits(&ours, &theirs, None)?;
        if index.has_conflicts() {
            return Err(wrong(format!("{branch} cannot be merged into {into}")));
        }
        let tree = self.repository.find_tree(index.write_tree_to(self.repository)?)?;
        let says = format!("Merge branch '{branch}' into {into}");
        let id = self.write(by, &says, &tree, &[&ours, &theirs], at)?;
        self.branches.entry(into).or_default().push(id);
        Ok(())
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

    fn write(
        &self,
        by: Author,
        says: &str,
        tree: &Tree<'_>,
        parents: &[&git2::Commit<'_>],
        at: Instant,
    ) -> Result<SampleCommit, git2::Error> {
        let who = Signature::new(by.name, by.email, &Time::new(at.timestamp(), 60))?;
        let message = format!("{}\n", says.trim_end());
        let id = self
            .repository
            .commit(None, &who, &who, &message, tree, parents)?;
        Ok(SampleCommit {
            id: commit_id(id),
            title: says.lines().next().unwrap_or_default().to_owned(),
            at: Instant::from_timestamp(at.timestamp(), 0).unwrap_or(at),
        })
    }

    fn edited(&self, before: &Tree<'_>, edits: &[Edit]) -> Result<Tree<'r>, git2::Error> {
        let mut update = TreeUpdateBuilder::new();
        for edit in edits {
            match *edit {
                Edit::Put(path, text) => self.put(&mut update, path, text.as_bytes(), FileMode::Blob)?,
                Edit::Script(path, text) => {
                    self.put(&mut update, path, text.as_bytes(), FileMode::BlobExecutable)?;
                }
                Edit::Binary(path, bytes) => self.put(&mut update, path, &bytes(), FileMode::Blob)?,
                Edit::Swap(path, old, new) => {
                    let text = self.text(before, path)?;
                    if !text.contains(old) {
                        return Err(wrong(format!("{path} does not say “{old}”")));
                    }
                    let text = text.replacen(old, new, 1);
                    self.put(&mut update, path, text.as_bytes(), FileMode::Blob)?;
                }
                Edit::Append(path, more) => {
                    let text = self.text(before, path)? + more;
                    self.put(&mut update, path, text.as_bytes(), FileMode::Blob)?;
                }
                Edit::Move(from, to) => {
                    let entry = before.get_path(Path::new(from))?;
                    update.remove(from).upsert(to, entry.id(), FileMode::Blob);
                }
                Edit::Drop(path) => {
                    update.remove(path);
                }
                Edit::Many(files) => {
                    for (path, text) in files() {
                        self.put(&mut update, &path, text.as_bytes(), FileMode::Blob)?;
                    }
                }
            }
        }
        let tree = update.create_updated(self.repository, before)?;
        self.repository.find_tree(tree)
    }

    fn put(
        &self,
        update: &mut TreeUpdateBuilder,
        path: &str,
        bytes: &[u8],
        mode: FileMode,
    ) -> Result<(), git2::Error> {
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
    use super::super::stories::STORIES;
    use super::*;

    #[test]
    fn every_story_can_be_told() {
        let dir = tempfile::tempdir().unwrap();
        let now: Instant = "2026-11-22T12:00:00Z".parse().unwrap();
        for story in &STORIES {
            let path = dir.path().join(story.name);
            let sample = tell(story, &path, now).expect(story.name);
            let repository = Repository::open_bare(&path).unwrap();
            for (name, commits) in &sample.branches {
                let head = repository.find_reference(&format!("refs/heads/{name}")).unwrap();
                let last = &commits.last().unwrap().id;
                assert_eq!(head.target().unwrap().to_string(), last.as_str());
            }
            assert!(sample.commits(MAIN).len() > 5, "{}", story.name);
        }
    }
}
