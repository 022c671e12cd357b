//! Checked text from outside: names, branches, commits, paths on servers.
//!
//! Values of these types come only from a check, which says in one sentence what is wrong with a text.

/// The longest name of a project, environment, server, cluster, user or balancer, in characters:
/// what fits a column of a page and, twice, a file name.
pub const NAME_LIMIT: usize = 64;
/// The longest branch name, in bytes; Git itself stops at what a file name can hold.
pub const BRANCH_LIMIT: usize = 240;
/// The longest path on a server, in bytes (Linux takes 4,096 with room for names below it).
pub const PATH_LIMIT: usize = 1024;
/// Bytes of one part of a path: the limit of Linux file systems.
const PATH_PART_LIMIT: usize = 255;

/// Declares a text type whose values only a check can make.
macro_rules! checked_text {
    ($(#[$doc:meta])* $name:ident, $check:path) => {
        $(#[$doc])*
        #[derive(
            Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize,
        )]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            /// The text itself.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl std::str::FromStr for $name {
            type Err = String;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                $check(text)?;
                Ok(Self(text.to_owned()))
            }
        }

        impl TryFrom<String> for $name {
            type Error = String;

            fn try_from(text: String) -> Result<Self, Self::Error> {
                $check(&text)?;
                Ok(Self(text))
            }
        }

        impl From<$name> for String {
            fn from(name: $name) -> Self {
                name.0
            }
        }

        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}
pub(crate) use checked_text;

checked_text! {
    /// The name of a project, environment, server, cluster, balancer or user: ASCII letters,
    /// digits, `.`, `_`, `-`, beginning with a letter or digit.
    Name, check_name
}
checked_text! {
    /// A Git branch: what `git check-ref-format --branch` takes.
    BranchName, check_branch
}
checked_text! {
    /// A full commit hash: 40 (SHA-1) or 64 (SHA-256) lower-case hexadecimal digits.
    CommitId, check_commit
}
checked_text! {
    /// The file name of a private key that the configuration offers: never a path, never the key itself.
    KeyName, check_key_name
}
checked_text! {
    /// A normalised directory on a server: absolute and at least two levels deep, or below the
    /// remote user's home (`~/…`).
    TargetPath, check_target_path
}

impl CommitId {
    /// The first eight digits, as people read them.
    pub fn short(&self) -> &str {
        short_hash(&self.0)
    }
}

/// The first eight characters of a hash, or of whatever a server says instead of one.
pub fn short_hash(hash: &str) -> &str {
    hash.char_indices().nth(8).map_or(hash, |(end, _)| &hash[..end])
}

impl TargetPath {
    /// The directory above, without a slash at its end.
    pub fn parent(&self) -> &str {
        self.0.rsplit_once('/').map_or("/", |(parent, _)| parent)
    }
}

fn check_name(text: &str) -> Result<(), String> {
    if text.is_empty() {
        return Err("Give it a name.".into());
    }
    if text.chars().count() > crate::sabotage::most("u7", NAME_LIMIT) {
        return Err(format!("The name is longer than {NAME_LIMIT} characters."));
    }
    let starts_well = text.starts_with(|c: char| c.is_ascii_alphanumeric());
    let all_known = text
        .chars()
        .all(|c| c.is_ascii_alphanumeric() || "._-".contains(c));
    if !starts_well || !all_known {
        return Err(format!(
            "“{}” cannot be a name: use letters, digits, “.”, “_” and “-”, beginning with a letter or digit.",
            text.escape_debug()
        ));
    }
    Ok(())
}

/// Bytes of a key's name: more than any real file of a key has.
const KEY_NAME_LIMIT: usize = 128;

fn check_key_name(text: &str) -> Result<(), String> {
    let plain = text
        .bytes()
        .all(|b| b.is_ascii_alphanumeric() || b"._-@+".contains(&b));
    let starts_well = text.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_');
    if text.len() > crate::sabotage::most("u32", KEY_NAME_LIMIT) || !plain || !starts_well {
        return Err(format!(
            "“{}” cannot be the name of a key file: use letters, digits, “.”, “_”, “-”, “@” and “+”, without a directory.",
            text.escape_debug()
        ));
    }
    if text.ends_with(".pub") {
        return Err("Name the private key, without “.pub”; the file itself is never shown.".into());
    }
    Ok(())
}

fn check_branch(text: &str) -> Result<(), String> {
    let wrong = |why: &str| Err(format!("“{}” is not a branch name: {why}.", text.escape_debug()));
    if text.is_empty() {
        return Err("Name a branch.".into());
    }
    if text.len() > crate::sabotage::most("u8", BRANCH_LIMIT) {
        return wrong("it is too long");
    }
    if text.starts_with('-') || text == "@" {
        return wrong("Git takes it for something else");
    }
    if text.chars().any(|c| c.is_control() || " ~^:?*[\\".contains(c)) {
        return wrong("it has a character Git does not allow in one");
    }
    if text.contains("..") || text.contains("@{") || text.contains("//") {
        return wrong("Git does not allow “..”, “@{” and “//” in one");
    }
    if text
        .split('/')
        .any(|part| part.is_empty() || part.starts_with('.') || part.ends_with(".lock"))
        || text.ends_with('.')
    {
        return wrong("its parts must not be empty, begin or end with “.” or end with “.lock”");
    }
    Ok(())
}

fn check_commit(text: &str) -> Result<(), String> {
    let digits = text
        .bytes()
        .all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
    if digits && matches!(text.len(), 40 | 64) {
        return Ok(());
    }
    Err(format!("“{}” is not a full commit hash.", text.escape_debug()))
}

fn check_target_path(text: &str) -> Result<(), String> {
    let wrong = |why: &str| {
        Err(format!(
            "“{}” cannot be a target path: {why}.",
            text.escape_debug()
        ))
    };
    let (below, least) = match (text.strip_prefix("~/"), text.strip_prefix('/')) {
        (Some(below), _) => (below, 1),
        (None, Some(below)) => (below, 2),
        (None, None) => return wrong("it has to begin with “/”, or with “~/” for the remote user's home"),
    };
    if text.len() > crate::sabotage::most("u10", PATH_LIMIT) || text.chars().any(char::is_control) {
        return wrong("it is too long or has control characters");
    }
    let parts: Vec<&str> = below.split('/').collect();
    if parts.iter().any(|part| part.len() > crate::sabotage::most("u9", PATH_PART_LIMIT)) {
        return wrong("one of its parts is longer than the 255 bytes that a file system allows");
    }
    if parts
        .iter()
        .any(|part| part.is_empty() || *part == "." || *part == "..")
    {
        return wrong("write it without “//”, “.”, “..” and a slash at the end");
    }
    if parts.len() < least {
        return wrong("a directory right under “/” is too close to the system; go one deeper");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_named_by_its_file_and_by_no_path() {
        for good in ["id_ed25519", "webshop@prod", "a.b+c"] {
            assert!(good.parse::<KeyName>().is_ok(), "{good}");
        }
        for bad in ["", "../key", "/etc/key", "-i", ".hidden", "key.pub", "a b", "é"] {
            assert!(bad.parse::<KeyName>().is_err(), "{bad}");
        }
    }

    #[test]
    fn names_are_plain_words() {
        for good in ["shop", "api-v2", "0", "A.b_c"] {
            assert!(good.parse::<Name>().is_ok(), "{good}");
        }
        for bad in ["", "a/b", "-x", "🚀", "a b", "..", &"x".repeat(65)] {
            assert!(bad.parse::<Name>().is_err(), "{bad}");
        }
    }

    #[test]
    fn branches_follow_git() {
        for good in ["main", "feature/x", "release-1.2", "é"] {
            assert!(good.parse::<BranchName>().is_ok(), "{good}");
        }
        for bad in [
            "",
            "--output=x",
            "../x",
            "a..b",
            "a b",
            "x.lock",
            "a//b",
            "@",
            "a\nb",
            ".a",
            "a/",
        ] {
            assert!(bad.parse::<BranchName>().is_err(), "{bad}");
        }
    }

    #[test]
    fn target_paths_keep_away_from_the_system() {
        assert_eq!("/srv/shop".parse::<TargetPath>().unwrap().parent(), "/srv");
        assert!("~/shop".parse::<TargetPath>().is_ok());
        for bad in [
            "/",
            "~",
            "~/",
            "~root/x",
            "/etc",
            "srv/x",
            "/srv/../etc",
            "/srv//x",
            "/srv/x/",
            "",
            &format!("/srv/{}/x", "a".repeat(256)),
        ] {
            assert!(bad.parse::<TargetPath>().is_err(), "{bad}");
        }
    }
}
