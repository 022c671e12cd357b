//! System calls that programs behind a monitor do not get: those that make a file which runs with its
//! owner's rights, whoever starts it.
//!
//! Such a program reaches directories that outlive it, and its files belong to the deployer's account there:
//! with the set-user-ID bit on one of them, every account of this host could become the deployer's.
//! No mount option helps, as the directory is mounted without it elsewhere.
//!
//! The filter looks at permission bits in the arguments. Calls that keep theirs in memory, where a filter
//! does not see them, are answered as an old kernel would, and programs then use the others. Calls of
//! another architecture, as 32-bit programs make them, end the program.

use std::collections::BTreeMap;
use std::io;
use std::sync::LazyLock;

use nix::libc;
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter, SeccompRule,
};

/// Runs with its owner's rights.
const SET_USER: u64 = 0o4000;
/// Runs with its group's rights.
const SET_GROUP: u64 = 0o2000;
/// What a number of the second table of calls on `x86_64` has beside the first one's.
const X32: i64 = 0x4000_0000;

/// Calls with permission bits, and which argument they are in.
const WITH_MODE: &[(i64, u8)] = &[
    #[cfg(target_arch = "x86_64")]
    (libc::SYS_chmod, 1),
    #[cfg(target_arch = "x86_64")]
    (libc::SYS_creat, 1),
    #[cfg(target_arch = "x86_64")]
    (libc::SYS_mknod, 1),
    (libc::SYS_fchmod, 1),
    (libc::SYS_fchmodat, 2),
    (libc::SYS_fchmodat2, 2),
    (libc::SYS_mknodat, 2),
];

/// Calls with permission bits that count only where they make a file: which argument says that, and which
/// one they are in.
const OPENING: &[(i64, u8, u8)] = &[
    #[cfg(target_arch = "x86_64")]
    (libc::SYS_open, 1, 2),
    (libc::SYS_openat, 2, 3),
];

/// Flags of an opening that makes a file.
const MAKING: [i32; 2] = [libc::O_CREAT, libc::O_TMPFILE];

/// Calls with permission bits in memory.
const UNSEEN: &[i64] = &[libc::SYS_openat2, libc::SYS_io_uring_setup];

/// Keeps this thread, and all it starts, from making files that run with their owner's rights.
pub(super) fn forbid_borrowed_rights() -> io::Result<()> {
    static PROGRAMS: LazyLock<Result<[BpfProgram; 2], String>> =
        LazyLock::new(|| programs().map_err(|error| error.to_string()));
    let programs = PROGRAMS.as_ref().map_err(|why| io::Error::other(why.as_str()))?;
    programs
        .iter()
        .try_for_each(|program| seccompiler::apply_filter(program).map_err(io::Error::other))
}

fn programs() -> Result<[BpfProgram; 2], seccompiler::BackendError> {
    let unseen = UNSEEN.iter().map(|call| (*call, Vec::new()));
    Ok([
        program(bits()?, libc::EPERM)?,
        program(unseen.collect(), libc::ENOSYS)?,
    ])
}

fn program(
    mut rules: BTreeMap<i64, Vec<SeccompRule>>,
    answer: i32,
) -> Result<BpfProgram, seccompiler::BackendError> {
    if cfg!(target_arch = "x86_64") {
        let again: Vec<_> = rules
            .iter()
            .map(|(call, rule)| (call | X32, rule.clone()))
            .collect();
        rules.extend(again);
    }
    let answer = SeccompAction::Errno(answer.unsigned_abs());
    let architecture = std::env::consts::ARCH.try_into()?;
    SeccompFilter::new(rules, SeccompAction::Allow, answer, architecture)?.try_into()
}

/// For each call, what its arguments must not be.
fn bits() -> Result<BTreeMap<i64, Vec<SeccompRule>>, seccompiler::BackendError> {
    let has = |argument, bits: u64| {
        let operator = SeccompCmpOp::MaskedEq(bits);
        SeccompCondition::new(argument, SeccompCmpArgLen::Dword, operator, bits)
    };
    let mut rules = BTreeMap::<i64, Vec<SeccompRule>>::new();
    for bit in [SET_USER, SET_GROUP] {
        for (call, mode) in WITH_MODE {
            let rule = SeccompRule::new(vec![has(*mode, bit)?])?;
            rules.entry(*call).or_default().push(rule);
        }
        for (call, flags, mode) in OPENING {
            for making in MAKING {
                let flag = has(*flags, u64::from(making.unsigned_abs()))?;
                let rule = SeccompRule::new(vec![flag, has(*mode, bit)?])?;
                rules.entry(*call).or_default().push(rule);
            }
        }
    }
    Ok(rules)
}
