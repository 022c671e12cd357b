//! The wildcards of one name, `*` and `?`: tried here, and written for GNU `find`.

/// A glob as an extended regular expression. Patterns come from UTF-8 text, so pieces do too.
pub fn escaped(glob: &[u8]) -> String {
    let mut regex = Vec::with_capacity(glob.len() * 2);
    for byte in glob {
        match byte {
            b'*' => regex.extend_from_slice(b"[^/]*"),
            b'?' => regex.extend_from_slice(b"[^/]"),
            b'.' | b'[' | b']' | b'\\' | b'(' | b')' | b'+' | b'{' | b'}' | b'|' | b'^' | b'$' => {
                regex.extend_from_slice(&[b'\\', *byte]);
            }
            byte => regex.push(*byte),
        }
    }
    String::from_utf8_lossy(&regex).into_owned()
}

/// An expression that matches `path`. A byte that cannot stand in a text argument is matched by any
/// byte.
pub fn literal(path: &[u8]) -> String {
    let mut regex = String::new();
    for byte in path {
        match byte {
            byte if byte.is_ascii_alphanumeric() || b"/_-".contains(byte) => regex.push(char::from(*byte)),
            byte if byte.is_ascii_graphic() && *byte != b'^' => {
                regex.push('[');
                regex.push(char::from(*byte));
                regex.push(']');
            }
            _ => regex.push('.'),
        }
    }
    regex
}

/// Whether `glob` matches the whole name.
pub fn glob_matches(glob: &[u8], name: &[u8]) -> bool {
    let (mut g, mut n) = (0, 0);
    // Where to try again when the rest does not match: the last star, and how much it matches.
    let mut star: Option<(usize, usize)> = None;
    while n < name.len() {
        match glob.get(g) {
            Some(b'*') => {
                star = Some((g, n));
                g += 1;
            }
            Some(byte) if *byte == b'?' || *byte == name[n] => {
                g += 1;
                n += 1;
            }
            _ => match star {
                Some((at, reach)) => {
                    star = Some((at, reach + 1));
                    g = at + 1;
                    n = reach + 1;
                }
                None => return false,
            },
        }
    }
    glob[g..].iter().all(|byte| *byte == b'*')
}
