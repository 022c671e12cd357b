//! What may be set about confinement, and what each program is given.

use std::path::{Path, PathBuf};

use super::writing::WriteLimits;

/// How many processes and threads one program may run at once: more than the largest builds.
pub const PROCESSES: u32 = 4096;

/// What network confined programs have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ProgramNetwork {
    /// That of this host, its loopback included.
    #[default]
    Host,
    /// One of their own, which leads to the outside but not to this host's loopback.
    Outside,
    /// No network at all.
    None,
}

/// How scripts are confined, from the configuration.
#[derive(Debug, Clone)]
pub struct ConfinementOptions {
    /// Run as any other program of this account.
    pub is_off: bool,
    pub network: ProgramNetwork,
    /// How many processes and threads one program may run at once.
    pub processes: u32,
    /// How much one program may write.
    pub writing: WriteLimits,
    /// Directories that scripts may read, beside the system's.
    pub readable: Vec<PathBuf>,
    /// Directories that scripts may write to, beside their own.
    pub writable: Vec<PathBuf>,
    /// What scripts never see, even below a directory that they may read.
    pub hidden: Vec<PathBuf>,
    /// Where temporary directories are made.
    pub scratch: PathBuf,
}

impl Default for ConfinementOptions {
    fn default() -> Self {
        Self {
            is_off: false,
            network: ProgramNetwork::default(),
            processes: PROCESSES,
            writing: WriteLimits::default(),
            readable: Vec::new(),
            writable: Vec::new(),
            hidden: Vec::new(),
            scratch: PathBuf::new(),
        }
    }
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
