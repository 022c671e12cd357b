//! What a repository or a Git host may send of any content: read or refused, never believed half-way.

use std::rc::Rc;

use proptest::collection::vec;
use proptest::prelude::*;

use super::attributes::Attributes;
use super::elsewhere::submodule_url;
use super::lfs::pointer::{POINTER_BYTES, Pointer, PointerReading};
use super::refs::ListOfRefs;
use super::settings::settings;
use super::url::{Location, RemoteUrl, check_url};
use crate::cases::cases;
use crate::domain::OtherHost;

/// Bytes that look like files about files, whole and in pieces.
fn bytes() -> impl Strategy<Value = Vec<u8>> {
    let words: Vec<&[u8]> = vec![
        b"version https://git-lfs.github.com/spec/v1\n",
        b"oid sha256:4d7a214614ab2935c943f9e0ff69d22eadbb8f32b1258daaa5e2ca24d17e2393\n",
        b"oid sha256:../../../etc/passwd\n",
        b"size 12345\n",
        b"size 18446744073709551616\n",
        b"size -1\n",
        b"ext-0-foo sha256:00\n",
        b"[submodule \"lib\"]\n",
        b"[lfs]\n",
        b"[include]\npath = /etc/passwd\n",
        b"\tpath = vendor/lib\n",
        b"\turl = ../lib\n",
        b"url = ",
        b"*.png filter=lfs -text\n",
        b"[attr]lfs filter=lfs\n",
        b"** lfs\n",
        b"a/**/b filter=lfs\n",
        b"[a-z]*? !filter\n",
        b"\"",
        b"\\",
        b"[",
        b"]",
        b"[^",
        b"*",
        b"/",
        b" ",
        b"\n",
        b"\r\n",
        b"=",
        b"#",
        b"\0",
        b"\xff",
    ];
    let piece = prop_oneof![
        6 => prop::sample::select(words).prop_map(<[u8]>::to_vec),
        1 => vec(any::<u8>(), 0..30),
    ];
    vec(piece, 0..30).prop_map(|pieces| pieces.concat())
}

/// What begins as a pointer of Git LFS does.
fn pointer() -> impl Strategy<Value = Vec<u8>> {
    let lines = vec![
        "oid sha256:4d7a214614ab2935c943f9e0ff69d22eadbb8f32b1258daaa5e2ca24d17e2393",
        "oid sha256:4D7A214614AB2935C943F9E0FF69D22EADBB8F32B1258DAAA5E2CA24D17E2393",
        "oid sha256:../../../etc/passwd",
        "oid md5:4d7a214614ab2935c943f9e0ff69d22e",
        "size 12345",
        "size 0",
        "size +1",
        "size 18446744073709551616",
        "ext-0-foo sha256:00",
        "",
    ];
    let line = prop::sample::select(lines);
    (vec(line, 0..5), 0_usize..1000).prop_map(|(lines, end)| {
        let version = "version https://git-lfs.github.com/spec/v1";
        let text = format!("{version}\n{}\n{}", lines.join("\n"), "\n".repeat(end));
        text.into_bytes()
    })
}

/// A line of a list of refs, with what is nearly special.
fn ref_line() -> impl Strategy<Value = String> {
    let commit = "4d7a214614ab2935c943f9e0ff69d22eadbb8f32";
    let names = vec![
        "HEAD\0multi_ack shallow deepen-since object-format=sha1 agent=git/2.50",
        "refs/heads/main",
        "refs/heads/object-format=sha256",
        "refs/tags/0035shallow",
        "refs/heads/0035shallo",
    ];
    prop::sample::select(names).prop_map(move |name| format!("003d{commit} {name}\n"))
}

/// Addresses, whole and in pieces.
fn address() -> impl Strategy<Value = String> {
    let words = vec![
        "https://",
        "ssh://",
        "http://",
        "file://",
        "ext::",
        "git@",
        "g.example",
        "evil.example",
        "../",
        "./",
        "/",
        ":",
        "@",
        "%2e%2e/",
        "%00",
        "?",
        "#",
        "a",
        "lib.git",
        ":443",
        ":22",
        ":8443",
        "[::1]",
        "-u",
        " ",
        "\\",
        "~",
    ];
    let piece = prop_oneof![
        12 => prop::sample::select(words).prop_map(str::to_owned),
        1 => "\\PC{0,5}",
    ];
    vec(piece, 0..10).prop_map(|pieces| pieces.concat())
}

fn host(url: &RemoteUrl) -> Option<String> {
    match &url.location {
        Location::Ssh { host, .. } | Location::Https { host, .. } => Some(host.to_lowercase()),
        Location::File { .. } => None,
    }
}

proptest! {
    #![proptest_config(cases(300))]

    #[test]
    fn a_pointer_is_read_as_it_is_written(content in prop_oneof![pointer(), bytes()]) {
        if let PointerReading::Pointer(pointer) = Pointer::read(&content) {
            let text = String::from_utf8_lossy(&content);
            prop_assert!(content.len() <= POINTER_BYTES);
            prop_assert!(pointer.oid.len() == 64 && pointer.oid.bytes().all(|byte| byte.is_ascii_hexdigit()));
            let as_written = format!("\nsize {}\n", pointer.size);
            prop_assert!(text.contains(&as_written) || text.ends_with(as_written.trim_end()), "{}", text);
            prop_assert_eq!(Pointer::of(pointer.to_string().as_bytes()), Some(pointer));
        }
    }

    #[test]
    fn settings_are_read_or_refused_with_a_line(content in bytes()) {
        let lines = content.iter().filter(|byte| **byte == b'\n').count() + 1;
        match settings(".gitmodules", &content) {
            Ok(read) => {
                let sizes = read.iter().map(|one| one.key.len() + one.value.len());
                // A byte that is not UTF-8 is shown as a mark of three.
                prop_assert!(sizes.sum::<usize>() <= 3 * content.len());
            }
            Err(super::Error::BadSettings { line, .. }) => prop_assert!(line <= lines),
            Err(error) => prop_assert!(false, "{}", error),
        }
    }

    #[test]
    fn attributes_of_any_content_have_an_answer(top in bytes(), below in bytes(), path in bytes()) {
        let all = Rc::new(Attributes::below(Rc::default(), b"", &top));
        let all = Attributes::below(all, b"a/", &below);
        let names_lfs = |text: &[u8]| text.windows(6).any(|word| word == b"filter");
        prop_assert!(!all.is_lfs(&path) || names_lfs(&top) || names_lfs(&below));
    }

    #[test]
    fn no_address_leads_to_another_host(base in address(), url in address()) {
        let others = [OtherHost::read("lib.example").unwrap()];
        let whole = format!("https://g.example/{base}");
        for base in [base.as_str(), &whole, "git@g.example:a/b", "file:///srv/git/a"] {
            let Ok(base) = check_url(base) else { continue };
            let Ok(found) = submodule_url(&base, &url, &others) else { continue };
            prop_assert!(host(&found) == host(&base) || host(&found).as_deref() == Some("lib.example"), "{}", found);
            prop_assert_eq!(check_url(found.as_str()), Ok(found));
        }
    }

    #[test]
    fn a_list_of_refs_is_judged_alike_wherever_it_is_cut(
        before in vec(ref_line(), 0..6),
        said in prop::option::of(prop::sample::select(vec![
            "0035shallow 4d7a214614ab2935c943f9e0ff69d22eadbb8f32\n",
            " object-format=sha256",
            "\0object-format=sha256\n",
        ])),
        after in vec(ref_line(), 0..3),
        cuts in vec(any::<prop::sample::Index>(), 0..12),
    ) {
        let is_special = said.is_some();
        let list = [before.concat(), said.unwrap_or_default().to_owned(), after.concat()].concat();
        let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(list.len() + 1)).collect();
        cuts.push(list.len());
        cuts.sort_unstable();
        let (mut refs, mut from, mut told) = (ListOfRefs::default(), 0, None);
        for upto in cuts {
            told = told.or(refs.take(&list.as_bytes()[from..upto]));
            from = upto;
        }
        prop_assert_eq!(told.is_some(), is_special, "{:?}", list);
    }
}
