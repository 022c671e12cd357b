//! Answers that no script of ours has written: a server is not ours, so its listings, markers and
//! digests are read or refused, never believed half-way.

use proptest::collection::vec;
use proptest::prelude::*;

use super::Digest;
use super::inspection::Inspection;
use super::layout::{Layout, ReleaseData, deployment_of};
use super::listing::{Listed, Listing};
use super::release::Looked;
use super::remote::ScriptAnswer;
use super::rules::Rules;
use crate::cases::cases;
use crate::domain::{Release, SyncMethod};

/// Bytes that look like what scripts answer, whole and in pieces.
fn answer() -> impl Strategy<Value = Vec<u8>> {
    let words: Vec<&[u8]> = vec![
        b"\0",
        b" ",
        b"\n",
        b"//",
        b"./",
        b"f ",
        b"d ",
        b"l ",
        b"o ",
        b"644 ",
        b"37777777777 ",
        b"-1 ",
        b"18446744073709551615 ",
        b"18446744073709551616 ",
        b"1.0000000000 ",
        b"end -\0",
        b"kind link\0",
        b"release ",
        b"data ",
        b"marker ",
        b"current ",
        b"remains ",
        b"directory /srv\0",
        b"space ",
        b".git_release ",
        b".deployer_release ",
        b"20261122_main_01234567_1",
        b"99999999_x_01234567_",
        b"99999999999999999999999",
        b"main\n",
        b"2026-01-01T10:00:00.000000\n",
        b"-262143-01-01T00:00:00\n",
        b"0123456789012345678901234567890123456789\n",
        b"/srv/shop\n",
        b"in progress\n",
        b"{\"deployment\":1,\"digest\":\"\",\"project\":\"shop\",\"environment\":\"prod\"}",
        b"[[[[[[[[[[[[",
        b"{\"deployment\":1e999}",
        b"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    ];
    let piece = prop_oneof![
        6 => prop::sample::select(words).prop_map(<[u8]>::to_vec),
        1 => vec(any::<u8>(), 0..40),
    ];
    vec(piece, 0..40).prop_map(|pieces| pieces.concat())
}

fn layout(method: SyncMethod) -> Layout {
    Layout {
        project: "shop".parse().unwrap(),
        environment: "prod".parse().unwrap(),
        target: "/srv/shop".parse().unwrap(),
        method,
        rules: Rules::default(),
    }
}

proptest! {
    #![proptest_config(cases(300))]

    #[test]
    fn a_listing_is_read_whole_or_refused(output in answer(), sums in answer()) {
        let records = output.split(|byte| *byte == 0).filter(|record| !record.is_empty());
        let readable = records.clone().all(|record| Listed::parse(record).is_some());
        let listing = Listing::parse(&output);
        prop_assert_eq!(listing.is_ok(), readable);
        let Ok(mut listing) = listing else { return Ok(()) };
        prop_assert!(listing.found.len() <= records.count());
        for (path, one) in &listing.found {
            prop_assert_eq!(Listed::parse(&one.record(path)), Some((path.clone(), one.clone())));
        }
        let before = listing.digest();
        listing.add_hashes(&sums);
        prop_assert_eq!(listing.digest(), before, "hashes are no part of the digest");
    }

    #[test]
    fn what_stands_at_a_target_is_read_whatever_a_server_says(raw in answer()) {
        let size = raw.len();
        let answer = ScriptAnswer::of(raw);
        for method in [SyncMethod::InPlace, SyncMethod::Symlink] {
            let inspection = Inspection::read(&answer);
            let _ = inspection.check(method);
            let looked = Looked::read(&answer, &layout(method));
            prop_assert!(looked.releases.len() + looked.remains.len() <= size);
            prop_assert!(looked.releases.iter().all(|release| deployment_of(&release.name).is_some()));
        }
    }

    #[test]
    fn markers_are_read_as_they_are_written_or_not_at_all(text in answer()) {
        let text = String::from_utf8_lossy(&text).into_owned();
        if let Some(release) = Release::parse_marker(&text) {
            prop_assert_eq!(Release::parse_marker(&release.to_marker()), Some(release));
        }
        if let Ok(data) = serde_json::from_str::<ReleaseData>(&text) {
            let again = serde_json::to_string(&data).unwrap();
            prop_assert_eq!(serde_json::from_str::<ReleaseData>(&again).unwrap(), data);
        }
        if let Ok(digest) = text.parse::<Digest>() {
            prop_assert_eq!(digest.to_string(), text.to_lowercase());
        }
    }
}
