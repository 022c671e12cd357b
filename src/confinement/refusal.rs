//! Why bubblewrap cannot confine on this host, and what helps.

/// The program.
pub(super) const PROGRAM: &str = "bwrap";

/// What it says of an option that a later version has.
const UNKNOWN_OPTION: &str = "Unknown option";

/// The oldest version with all options that every host needs.
const OLDEST: &str = "0.4";

/// Why it cannot confine where it is not there.
pub(super) fn missing() -> String {
    refused("is not installed. Install the package bubblewrap")
}

/// Why it cannot confine, and what helps.
pub(super) fn cannot(why: &str) -> String {
    refused(&match why.contains(UNKNOWN_OPTION) {
        true => format!("is too old (it says “{why}”). Install bubblewrap {OLDEST} or newer"),
        false => format!(
            "says “{}”. It needs unprivileged user namespaces (sysctl user.max_user_namespaces; on Ubuntu kernel.apparmor_restrict_unprivileged_userns = 0 or a profile for {PROGRAM}), in containers as well, and a whole /proc (systemd: no RestrictNamespaces, ProtectKernelTunables, ProtectProc or AmbientCapabilities)",
            why.trim_end_matches('.')
        ),
    })
}

fn refused(why: &str) -> String {
    format!(
        "Scripts of repositories are not run on this host, because nothing here can confine them: {PROGRAM} {why}. To let scripts do all that the deployer's account can, set scripts.confinement = \"unconfined\"."
    )
}
