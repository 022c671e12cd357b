//! What a commit needs beside its own objects: files in Git LFS, and submodules.

use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::os::unix::ffi::OsStringExt as _;
use std::path::PathBuf;
use std::rc::Rc;

use git2::{ObjectType, Oid, Repository, Tree, TreeEntry};
use tokio_util::sync::CancellationToken;

use super::attributes::{ALL_ATTRIBUTES_BYTES, ATTRIBUTES_BYTES, Attributes, FilterRules};
use super::budget::{Budget, find_tree, path_in};
use super::error::{Error, Result};
use super::lfs::pointer::{POINTER_BYTES, Pointer, PointerReading};
use super::mirror::{Mirror, commit_id, find_commit};
use super::settings::{SETTINGS_BYTES, settings};
use crate::domain::{CommitId, Extras};

/// Files in Git LFS of one commit: more than anybody keeps there.
const LFS_FILES: usize = 200_000;
/// Submodules of one commit, without theirs.
const SUBMODULES: usize = 200;

/// Git's mode of a plain file, whatever its permissions.
const PLAIN: i32 = 0o100_000;
const KIND: i32 = 0o170_000;

/// What a commit needs beside its own objects.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Survey {
    /// The files in Git LFS, by path.
    pub(super) lfs: BTreeMap<PathBuf, Pointer>,
    pub(super) submodules: Vec<Submodule>,
    /// The address that `.lfsconfig` names for Git LFS.
    pub(super) lfs_url: Option<String>,
}

/// A submodule as a commit has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Submodule {
    /// Where its files belong.
    pub(super) path: PathBuf,
    /// The commit that is pinned.
    pub(super) commit: CommitId,
    /// Its address, as `.gitmodules` has it: maybe relative, and not checked.
    pub(super) url: String,
}

impl Survey {
    /// How many bytes the files in Git LFS have together.
    pub(super) fn lfs_bytes(&self) -> u64 {
        self.lfs
            .values()
            .fold(0, |sum, pointer| sum.saturating_add(pointer.size))
    }
}

impl Mirror {
    /// Looks for what `commit` needs beside its own objects, for a page. Asks nobody.
    ///
    /// # Errors
    /// [`Error::Vanished`](super::Error::Vanished); [`Error::Submodule`](super::Error::Submodule)
    /// where none are fetched; [`Error::BadSettings`](super::Error::BadSettings) and
    /// [`Error::Refused`](super::Error::Refused) for what cannot be fetched;
    /// [`Error::TooMuchToCompare`](super::Error::TooMuchToCompare) for a tree that is too large to look
    /// through while somebody waits.
    pub(super) async fn look_for_extras(&self, commit: &CommitId, extras: Extras) -> Result<Survey> {
        let commit = commit.clone();
        self.read_within_budget(move |repository, budget| survey(repository, &commit, extras, budget))
            .await
    }

    /// As [`Self::look_for_extras`], for a deployment: in each tree that can be exported.
    pub(super) async fn survey(
        &self,
        commit: &CommitId,
        extras: Extras,
        cancel: &CancellationToken,
    ) -> Result<Survey> {
        let (commit, stop) = (commit.clone(), cancel.child_token());
        let _stop_when_dropped = stop.clone().drop_guard();
        self.read(move |repository, inner| {
            let budget = Budget::of(inner.options.entry_limit, inner.options.fetch_timeout, stop);
            survey(repository, &commit, extras, &budget)
        })
        .await
    }
}

/// Looks for what `commit` needs beside its own objects.
///
/// # Errors
/// As [`Mirror::look_for_extras`].
pub(super) fn survey(
    repository: &Repository,
    commit: &CommitId,
    extras: Extras,
    budget: &Budget,
) -> Result<Survey> {
    let root = find_commit(repository, commit)?.tree_id();
    let needs = Needs {
        repository,
        extras,
        budget,
        read: RefCell::default(),
    };
    if !needs.is_special(root)? {
        return Ok(Survey::default());
    }
    needs.walk(root)
}

struct Needs<'a> {
    repository: &'a Repository,
    extras: Extras,
    budget: &'a Budget,
    /// The files of attributes that were read, by their objects and whether they are at the top.
    read: RefCell<ReadAttributes>,
}

#[derive(Default)]
struct ReadAttributes {
    rules: HashMap<(Oid, bool), Option<Rc<FilterRules>>>,
    bytes: usize,
}

impl Needs<'_> {
    /// Whether the tree has a submodule, or a line about filters, anywhere. Looks at each different
    /// tree once, so that most commits cost little.
    fn is_special(&self, root: Oid) -> Result<bool> {
        let (mut seen, mut ahead) = (HashSet::from([root]), vec![root]);
        while let Some(tree) = ahead.pop() {
            let tree = find_tree(self.repository, tree)?;
            for entry in &tree {
                self.budget.spend_entry()?;
                match entry.kind() {
                    Some(ObjectType::Commit) => return Ok(true),
                    Some(ObjectType::Tree) if seen.insert(entry.id()) => ahead.push(entry.id()),
                    _ => {}
                }
            }
            if self.extras.lfs && self.attributes(&tree, false)?.is_some() {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn walk(&self, root: Oid) -> Result<Survey> {
        let mut found = Survey::default();
        let tree = find_tree(self.repository, root)?;
        let urls = self.submodule_urls(&tree)?;
        if self.extras.lfs {
            found.lfs_url = self.lfs_url(&tree)?;
        }
        let mut ahead = vec![(root, Vec::new(), Rc::new(Attributes::default()))];
        while let Some((tree, prefix, above)) = ahead.pop() {
            let tree = find_tree(self.repository, tree)?;
            let own = match self.extras.lfs {
                true => self.attributes(&tree, prefix.is_empty())?,
                false => None,
            };
            let attributes = match own {
                Some(rules) => Rc::new(Attributes::below(above, &prefix, rules)),
                None => above,
            };
            for entry in &tree {
                self.budget.spend_entry()?;
                let mut path = path_in(&prefix, entry.name_bytes())?;
                match entry.kind() {
                    Some(ObjectType::Tree) => {
                        path.push(b'/');
                        ahead.push((entry.id(), path, Rc::clone(&attributes)));
                    }
                    Some(ObjectType::Commit) => found.add_submodule(path, entry.id(), &urls, self.extras)?,
                    _ if entry.filemode() & KIND == PLAIN && attributes.is_lfs(&path, self.budget)? => {
                        self.add_file(&mut found, path, entry.id())?;
                    }
                    _ => {}
                }
            }
        }
        Ok(found)
    }

    /// The rules in the `.gitattributes` of a directory, where it says anything about filters. What several
    /// directories have alike is read once.
    fn attributes(&self, tree: &Tree<'_>, is_top: bool) -> Result<Option<Rc<FilterRules>>> {
        let name = b".gitattributes";
        let Some(entry) = plain_entry(tree, name) else {
            return Ok(None);
        };
        let mut read = self.read.borrow_mut();
        let key = (entry.id(), is_top);
        if let Some(known) = read.rules.get(&key) {
            return Ok(known.clone());
        }
        let content = self.small_file(tree, name, ATTRIBUTES_BYTES)?;
        let content = content.filter(|content| content.windows(6).any(|word| word == b"filter"));
        read.bytes += content.as_ref().map_or(0, Vec::len);
        if read.bytes > ALL_ATTRIBUTES_BYTES {
            return Err(Error::Refused {
                what: "The commit".into(),
                why: format!(
                    "has more than {ALL_ATTRIBUTES_BYTES} bytes in all its different .gitattributes, which is more than is read"
                ),
            });
        }
        let rules = content
            .map(|content| FilterRules::read(&content, is_top))
            .transpose()?;
        let rules = rules.map(Rc::new);
        read.rules.insert(key, rules.clone());
        Ok(rules)
    }

    /// The content of a plain file in a directory, which may have `limit` bytes: without what a larger one
    /// says, other files would be deployed than Git would check out.
    fn small_file(&self, tree: &Tree<'_>, name: &[u8], limit: usize) -> Result<Option<Vec<u8>>> {
        let Some(entry) = plain_entry(tree, name) else {
            return Ok(None);
        };
        let size = self.repository.odb()?.read_header(entry.id())?.0;
        if size > limit {
            return Err(Error::Refused {
                what: format!("“{}” of the commit", String::from_utf8_lossy(name)),
                why: format!("has {size} bytes, and {limit} are the most that is read. Shorten it"),
            });
        }
        let blob = self.repository.find_blob(entry.id())?;
        Ok(Some(blob.content().to_vec()))
    }

    /// The addresses of submodules by their paths.
    fn submodule_urls(&self, tree: &Tree<'_>) -> Result<BTreeMap<String, String>> {
        let content = self.small_file(tree, b".gitmodules", SETTINGS_BYTES)?;
        let mut named: BTreeMap<String, (Option<String>, Option<String>)> = BTreeMap::new();
        for setting in settings(".gitmodules", &content.unwrap_or_default())? {
            if setting.section != "submodule" {
                continue;
            }
            let one = named.entry(setting.subsection).or_default();
            match setting.key.as_str() {
                "path" => one.0 = Some(setting.value),
                "url" => one.1 = Some(setting.value),
                _ => {}
            }
        }
        let whole = named.into_values().filter_map(|(path, url)| {
            let path = path?.trim_end_matches('/').to_owned();
            Some((path, url?))
        });
        Ok(whole.collect())
    }

    fn lfs_url(&self, tree: &Tree<'_>) -> Result<Option<String>> {
        let content = self.small_file(tree, b".lfsconfig", SETTINGS_BYTES)?;
        let settings = settings(".lfsconfig", &content.unwrap_or_default())?;
        let url = settings
            .into_iter()
            .rev()
            .find(|one| (one.section.as_str(), one.key.as_str()) == ("lfs", "url"));
        Ok(url.map(|one| one.value))
    }

    fn add_file(&self, found: &mut Survey, path: Vec<u8>, blob: Oid) -> Result<()> {
        if self.repository.odb()?.read_header(blob)?.0 > POINTER_BYTES {
            return Ok(());
        }
        let path = PathBuf::from(std::ffi::OsString::from_vec(path));
        match Pointer::read(self.repository.find_blob(blob)?.content()) {
            PointerReading::Plain => {}
            PointerReading::Pointer(pointer) if found.lfs.len() < LFS_FILES => {
                found.lfs.insert(path, pointer);
            }
            PointerReading::Pointer(_) => {
                return Err(Error::Refused {
                    what: "The commit".into(),
                    why: format!("has more than {LFS_FILES} files in Git LFS, which is more than is fetched"),
                });
            }
            PointerReading::Extended => {
                return Err(Error::Refused {
                    what: format!("“{}”", path.display()),
                    why: "is kept in Git LFS by way of an extension, a program that the deployer does not have. Store it without, or set the project to fetch nothing from LFS and do so in predeploy.sh".into(),
                });
            }
        }
        Ok(())
    }
}

/// The plain file of this name in a directory.
fn plain_entry<'t>(tree: &'t Tree<'_>, name: &[u8]) -> Option<TreeEntry<'t>> {
    tree.iter()
        .find(|entry| entry.name_bytes() == name && entry.filemode() & KIND == PLAIN)
}

impl Survey {
    fn add_submodule(
        &mut self,
        path: Vec<u8>,
        commit: Oid,
        urls: &BTreeMap<String, String>,
        extras: Extras,
    ) -> Result<()> {
        let shown = String::from_utf8_lossy(&path).into_owned();
        if !extras.submodules {
            return Err(Error::Submodule(shown));
        }
        let refused = |why: String| {
            Err(Error::Refused {
                what: format!("The submodule “{shown}”"),
                why,
            })
        };
        let Some(url) = urls.get(&shown) else {
            return refused("has no address in .gitmodules".into());
        };
        if self.submodules.len() == SUBMODULES {
            return refused(format!(
                "comes after {SUBMODULES} others, which is more than are fetched"
            ));
        }
        self.submodules.push(Submodule {
            path: PathBuf::from(std::ffi::OsString::from_vec(path)),
            commit: commit_id(commit),
            url: url.clone(),
        });
        Ok(())
    }
}
