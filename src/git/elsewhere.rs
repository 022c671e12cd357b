//! Which other repositories and addresses a repository may lead us to.
//!
//! `.gitmodules` and `.lfsconfig` are written by whoever may push. They may name addresses on the
//! repository's own host, where the deployer's keys and logins are meant to be used, and on hosts that
//! the configuration names. Anything else would have us send requests into networks that only we
//! reach, or offer our credentials to a stranger.

use super::url::{HTTPS_PORT, Location, RemoteUrl, SSH_PORT, check_url};
use crate::domain::OtherHost;

/// The address of a submodule of the repository at `base`, as its `.gitmodules` has it.
///
/// # Errors
/// A sentence's end that says why it is not fetched.
pub(super) fn submodule_url(base: &RemoteUrl, url: &str, others: &[OtherHost]) -> Result<RemoteUrl, String> {
    let absolute = match url.starts_with("./") || url.starts_with("../") {
        true => joined(base.as_str(), url),
        false => Some(url.to_owned()),
    };
    let absolute = absolute.ok_or_else(|| {
        format!(
            "has the address “{}”, which leads above that of the repository",
            url.escape_debug()
        )
    })?;
    let found = check_url(&absolute).map_err(|why| {
        format!(
            "has an address that is not fetched from. {}",
            why.trim_end_matches('.')
        )
    })?;
    demand_near(base, &found, others)?;
    Ok(found)
}

/// Git's rule: each `../` takes the last part of the repository's own address away.
fn joined(base: &str, relative: &str) -> Option<String> {
    let (mut base, mut rest, mut separator) = (base.trim_end_matches('/'), relative, '/');
    loop {
        if let Some(after) = rest.strip_prefix("../") {
            let at = base.rfind(['/', ':']).or(crate::sabotage::on("z7").then_some(0))?;
            separator = if base[at..].starts_with(':') { ':' } else { '/' };
            base = &base[..at];
            rest = after;
        } else if let Some(after) = rest.strip_prefix("./") {
            rest = after;
        } else {
            let rest = rest.trim_end_matches('/');
            return (!rest.is_empty()).then(|| format!("{base}{separator}{rest}"));
        }
    }
}

/// Refuses what is neither on the host of `base` nor on one of `others`.
pub(super) fn demand_near(base: &RemoteUrl, found: &RemoteUrl, others: &[OtherHost]) -> Result<(), String> {
    let (host, port) = match (place(base), place(found)) {
        (None, None) => return Ok(()),
        (Some(_), None) if crate::sabotage::on("z16") => return Ok(()),
        (Some(_), None) => {
            return Err("is in a directory of the deployer's host, and the repository is not".into());
        }
        (own, Some((host, port))) => {
            if own.is_some_and(|own| is_same(own, (host, port), base, found)) {
                return Ok(());
            }
            (host, port)
        }
    };
    if others.iter().any(|other| other.is(host, port)) {
        return Ok(());
    }
    Err(format!(
        "is at {}, which is another place than the repository's own. If that is right, have an administrator of the deployer's host add “{host}” to git.other_hosts",
        found.as_str()
    ))
}

/// Host and port; `None` on this host.
fn place(url: &RemoteUrl) -> Option<(&str, u16)> {
    match &url.location {
        Location::Ssh { host, port, .. } | Location::Https { host, port } => Some((host, *port)),
        Location::File { .. } => None,
    }
}

/// Whether both are served by one host. Another protocol has another port, the usual one.
fn is_same(own: (&str, u16), other: (&str, u16), base: &RemoteUrl, found: &RemoteUrl) -> bool {
    let is_ssh = |url: &RemoteUrl| matches!(url.location, Location::Ssh { .. });
    let port = match (is_ssh(base), is_ssh(found)) {
        (true, true) | (false, false) => own.1,
        (true, false) => HTTPS_PORT,
        (false, true) => SSH_PORT,
    };
    own.0.eq_ignore_ascii_case(other.0) && (other.1 == port || crate::sabotage::on("z15"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(base: &str, url: &str) -> Result<String, String> {
        let others = ["lib.example", "other.example:8443"].map(|host| OtherHost::read(host).unwrap());
        let base = check_url(base).unwrap();
        submodule_url(&base, url, &others).map(|found| found.to_string())
    }

    #[test]
    fn a_submodule_is_on_its_repositorys_host_or_a_configured_one() {
        for (base, url, expected) in [
            ("https://g.example/a/b.git", "../c", "https://g.example/a/c"),
            ("https://g.example/a/b/", "./c/", "https://g.example/a/b/c"),
            ("git@g.example:a/b", "../../c", "git@g.example:c"),
            ("git@g.example:b", "../c", "git@g.example:c"),
            ("ssh://g.example:2222/b", "../c", "ssh://g.example:2222/c"),
            ("git@g.example:b", "https://G.example/c", "https://G.example/c"),
            ("https://g.example/b", "git@g.example:c", "git@g.example:c"),
            (
                "https://g.example/b",
                "https://lib.example:444/c",
                "https://lib.example:444/c",
            ),
            (
                "https://g.example/b",
                "https://other.example:8443/c",
                "https://other.example:8443/c",
            ),
            ("file:///srv/git/b", "../c", "file:///srv/git/c"),
            ("file:///srv/git/b", "git@lib.example:c", "git@lib.example:c"),
        ] {
            assert_eq!(found(base, url), Ok(expected.to_owned()), "{base} {url}");
        }
    }

    #[test]
    fn anywhere_else_is_refused() {
        for (base, url, told) in [
            ("https://g.example/a", "https://evil.example/c", "git.other_hosts"),
            ("https://g.example/a", "../../evil.example/c", "git.other_hosts"),
            (
                "https://g.example/a",
                "../../../evil.example/c",
                "not fetched from",
            ),
            ("https://g.example/a", "../../../../../c", "leads above"),
            (
                "https://g.example/a",
                "https://g.example:8443/c",
                "git.other_hosts",
            ),
            ("ssh://g.example:2222/a", "ssh://g.example/c", "git.other_hosts"),
            (
                "https://g.example/a",
                "https://other.example/c",
                "git.other_hosts",
            ),
            ("https://g.example/a", "file:///srv/git/c", "the deployer's host"),
            ("https://g.example/a", "http://g.example/c", "not encrypted"),
            ("https://g.example/a", "ext::sh -c id", "not fetched from"),
            ("https://g.example/a", "-u", "not fetched from"),
            ("https://g.example/a", "https://u:p@g.example/c", "a password"),
            ("file:///srv/git/b", "https://g.example/c", "git.other_hosts"),
        ] {
            let refused = found(base, url).unwrap_err();
            assert!(refused.contains(told), "{base} {url}: {refused}");
        }
        for wrong in ["", "https://a", "a/b", "a:b", "a:99999"] {
            OtherHost::read(wrong).unwrap_err();
        }
        assert!(OtherHost::read("[::1]:443").unwrap().is("::1", 443));
        assert!(OtherHost::read("::1").unwrap().is("::1", 22));
    }
}
