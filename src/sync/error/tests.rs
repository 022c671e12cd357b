//! Sentences for what servers' tools complain of.

use super::*;

#[test]
fn paths_are_shown_as_people_write_them() {
    for (path, shown) in [
        (&b"caf\xc3\xa9/it's \"x\""[..], "café/it's \"x\""),
        (b"a\nb\\c\x07", "a\\nb\\\\c\\u{7}"),
        (b"\xff'\xc3\xa9", "\\xff'\\xc3\\xa9"),
        ("a\u{202e}b".as_bytes(), "a\\u{202e}b"),
    ] {
        assert_eq!(readable(path), shown);
    }
}

#[test]
fn tools_complaints_are_told_apart() {
    let of = |text| Trouble::from_script("unpack", text);
    assert!(matches!(
        of("tar: x: Cannot write: No space left on device"),
        Trouble::DiskFull { .. }
    ));
    let full = || of("mkdir: cannot create directory “x”: No space left on device");
    for (inodes, is_full) in [("1000 0", true), ("1000 5", false), ("0 0", false), ("", false)] {
        let told = full().with_inodes(inodes);
        assert_eq!(matches!(told, Trouble::NoInodes { .. }), is_full, "{inodes}");
    }
    assert!(matches!(
        of("mkdir: cannot create: Read-only file system"),
        Trouble::ReadOnly { .. }
    ));
    assert!(matches!(of("sh: 3: tar: not found"), Trouble::MissingTool { .. }));
    assert!(matches!(
        of("tar: Unexpected EOF in archive"),
        Trouble::Other { .. }
    ));
}
