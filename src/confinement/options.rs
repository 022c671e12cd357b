//! What may be set about confinement, and what each program is given.

use std::path::{Path, PathBuf};

/// How scripts are confined, from the configuration.
#[derive(Debug, Clone, Default)]
pub struct ConfinementOptions {
    /// Run as any other program of this account.
    pub is_off: bool,
    /// Without any network, the loopback of this host included.
    pub is_offline: bool,
    /// Directories that scripts may read, beside the system's.
    pub readable: Vec<PathBuf>,
    /// Directories that scripts may write to, beside their own.
    pub writable: Vec<PathBuf>,
    /// What scripts never see, even below a directory that they may read.
    pub hidden: Vec<PathBuf>,
    /// Where temporary directories are made.
    pub scratch: PathBuf,
}

/// The exported tree that a program works on and starts in.
#[derive(Debug, Clone, Copy)]
pub enum WorkingTree<'a> {
    /// None: it starts in its temporary directory.
    None,
    /// One that it may only read, as others read it at the same time: what a link leads to that a
    /// program puts there would be read with the rights of the deployer.
    Fixed(&'a Path),
    /// One that is its own for now.
    Changeable(&'a Path),
}
