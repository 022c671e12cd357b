//! What is masked, and that nothing of a secret is left, however it is encoded and cut.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD};
use proptest::prelude::*;

use super::*;
use crate::engine::lines::LineBuffer;

#[test]
fn secrets_do_not_appear_in_lines() {
    let mask = Mask::new(["hunter2", "hunter2-long", "-----BEGIN\nabcdef\n-----END", "1"]);
    assert_eq!(
        mask.apply("user=1 password=hunter2-long,hunter2"),
        "user=1 password=•••,•••"
    );
    assert_eq!(mask.apply("key: abcdef"), "key: •••");
    assert!(matches!(mask.apply("plain"), Cow::Borrowed("plain")));
}

#[test]
fn each_line_of_a_secret_is_known_in_base64() {
    let mask = Mask::new(["-----BEGIN\nabcdefghijkl\n-----END-"]);
    let line = STANDARD.encode("abcdefghijkl");
    assert_eq!(mask.apply(&format!("key: {line}")), "key: •••");
    let whole = STANDARD.encode("-----BEGIN\nabcdefghijkl\n-----END-");
    assert_eq!(mask.apply(&format!("key: {whole}")), "key: •••");
}

#[test]
fn what_is_invisible_does_not_hide_a_secret() {
    let mask = Mask::new(["hunter2-password", "geheim-ü"]);
    for (line, shown) in [
        ("a hunter2-\u{1b}[31mpassword\u{1b}[0m b", "a •••\u{1b}[0m b"),
        ("hunter2\u{0}-pass\u{8}word", "•••"),
        (
            "\u{1b}[1mhunter2-password, geheim-\u{1b}[0;4mü!",
            "\u{1b}[1m•••, •••!",
        ),
        ("hunter\u{1b}]0;title\u{7}2-password", "•••"),
        ("\u{1b}[31mplain\u{1b}[0m", "\u{1b}[31mplain\u{1b}[0m"),
        (
            "hunter2-password hunter2-\u{1b}[password",
            "••• hunter2-\u{1b}[password",
        ),
        (
            "\u{1b}]8;;http://x/hunter2-\u{1b}[1mpassword\u{1b}\\",
            "\u{1b}]8;;http://x/•••\u{1b}\\",
        ),
        ("\u{1b}]8;;hunter2-\u{1b}\\password", "\u{1b}]8;;•••"),
        (
            "hunter2-\tpassword hunter2\u{200b}-\u{ad}password\u{feff}",
            "••• •••\u{feff}",
        ),
        (
            "\u{1b}]8;;https://me:hunter2-password@x\u{7}link",
            "\u{1b}]8;;https://me:•••@x\u{7}link",
        ),
        (
            "\u{1b}[hunter2-password \u{1b}hunter2-password",
            "\u{1b}[••• \u{1b}•••",
        ),
        ("\u{1b}]hunter2-password", "\u{1b}]•••"),
        ("hunter2-\u{1b}(Bpass\u{9b}1mword", "•••"),
        ("ends in \u{1b}", "ends in \u{1b}"),
    ] {
        assert_eq!(mask.apply(line), shown, "{line:?}");
    }
}

#[test]
fn base64_is_masked_whatever_stands_before_it() {
    let secret = "pa55word?>~of the shop";
    let mask = Mask::new([secret]);
    for before in ["", "a", "ab", "abc"] {
        for alphabet in [STANDARD, URL_SAFE] {
            let text = alphabet.encode(format!("{before}{secret}:rest"));
            let shown = mask.apply(&text).into_owned();
            let left = shown.replace(MASK, "");
            assert!(left.len() <= text.len() - secret.len() * 8 / 6 + 2, "{shown}");
            assert!(shown.contains(MASK), "{shown}");
        }
    }
    let plain = "c29tZXRoaW5nIGVsc2UgYWx0b2dldGhlcg==";
    assert_eq!(mask.apply(plain), plain);
}

#[test]
fn urls_and_json_do_not_show_a_secret() {
    let mask = Mask::new(["p@ss \"w\\rd/ü+"]);
    for (line, shown) in [
        (
            "https://me:p%40ss%20%22w%5Crd%2F%C3%BC%2B@host",
            "https://me:•••@host",
        ),
        ("pw=p%40ss+%22w%5crd%2f%c3%bc%2b&x=1", "pw=•••&x=1"),
        (
            "twice p%2540ss%2520%2522w%255Crd%252F%25C3%25BC%252B",
            "twice •••",
        ),
        (r#"{"pw": "p@ss \"w\\rd/ü+"}"#, r#"{"pw": "•••"}"#),
        (r#"{"pw": "p@ss \"w\\rd\/\u00fc\u002b"}"#, r#"{"pw": "•••"}"#),
        (r#""{\"pw\": \"p@ss \\\"w\\\\rd/ü+\"}""#, r#""{\"pw\": \"•••\"}""#),
        ("100 % of \\u12 and %zz", "100 % of \\u12 and %zz"),
    ] {
        assert_eq!(mask.apply(line), shown, "{line}");
    }
}

#[test]
fn wrapped_base64_is_masked_over_the_ends_of_lines() {
    let secret = "a rather long secret, longer than one line of sixty-four letters can hold";
    let mask = Mask::new([secret]);
    for before in 0..70 {
        let text = STANDARD.encode(format!("{}{secret} and what follows it here", "x".repeat(before)));
        for width in [64, 76] {
            let lines = wrapped(&text, width);
            let shown = through(&mask, &[lines.as_bytes()]);
            let left: String = shown.concat();
            assert_nothing_left(&left, secret, 4);
        }
    }
}

/// `text` in lines of `width`.
fn wrapped(text: &str, width: usize) -> String {
    let lines = text.as_bytes().chunks(width);
    lines.map(|line| String::from_utf8_lossy(line) + "\n").collect()
}

/// What is stored of an output that arrives in pieces.
fn through(mask: &Mask, pieces: &[&[u8]]) -> Vec<String> {
    let (mut buffer, mut lines) = (LineBuffer::default(), Vec::new());
    for piece in pieces {
        buffer.push(piece, mask, |line| lines.push(line.to_owned()));
    }
    buffer.finish(mask, |line| lines.push(line.to_owned()));
    lines
}

/// No more than `most` letters of the base64 of `secret` stand together in `shown`.
fn assert_nothing_left(shown: &str, secret: &str, most: usize) {
    for text in base64_of(secret) {
        for piece in text.as_bytes().windows(most + 3) {
            let piece = String::from_utf8_lossy(piece);
            assert!(!shown.contains(&*piece), "{piece} is left of {text} in {shown}");
        }
    }
}

/// A way to write a secret.
fn encode(form: usize, before: &str, secret: &str) -> String {
    let both = format!("{before}{secret}");
    let percent = |byte: &u8| format!("%{byte:02X}");
    match form {
        0 => both,
        1 => STANDARD.encode(both),
        2 => STANDARD_NO_PAD.encode(both),
        3 => URL_SAFE.encode(both),
        4 => URL_SAFE_NO_PAD.encode(both),
        5 => url::form_urlencoded::byte_serialize(both.as_bytes()).collect(),
        6 => both.as_bytes().iter().map(percent).collect(),
        7 => serde_json::to_string(&both).unwrap_or_default(),
        _ => both.encode_utf16().map(|unit| format!("\\u{unit:04x}")).collect(),
    }
}

/// What stands in an encoded text for the secret alone.
fn core(form: usize, secret: &str) -> Vec<String> {
    match form {
        1..=4 => base64_of(secret).into_iter().collect(),
        7 => vec![encode(form, "", secret).trim_matches('"').to_owned()],
        _ => vec![encode(form, "", secret)],
    }
}

/// A line with pieces of a secret, and with what a terminal obeys or does not show in between.
fn line() -> impl Strategy<Value = String> {
    let words = vec![
        "hunter2-password",
        "hunter2-",
        "hunt",
        "er2-pass",
        "password",
        "word",
        "h",
        "\u{1b}[31m",
        "\u{1b}[",
        "\u{1b}]0;",
        "\u{1b}]8;;",
        "\u{1b}\\",
        "\u{1b}",
        "\u{7}",
        "\u{9b}1m",
        "\u{9c}",
        "\u{8}",
        "\t",
        "\0",
        "\r",
        "\u{200b}",
        "\u{202e}",
        "\u{ad}",
        "\u{1b}(B",
        "é",
        " ",
    ];
    let piece = prop_oneof![
        10 => prop::sample::select(words).prop_map(str::to_owned),
        1 => "\\PC{0,4}",
    ];
    prop::collection::vec(piece, 0..30).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(crate::cases::cases(500))]

    #[test]
    fn no_reading_of_a_masked_line_has_a_secret(line in line()) {
        let secret = "hunter2-password";
        let mask = Mask::new([secret]);
        let masked = mask.apply(&line).into_owned();
        prop_assert!(!masked.contains(secret), "{:?}", masked);
        for reading in readings(&masked) {
            let reading = String::from_utf8_lossy(&reading.bytes);
            prop_assert!(!reading.contains(secret), "{:?}", masked);
        }
        prop_assert!(masked.len() <= line.len() + MASK.len());
        prop_assert_eq!(mask.apply(&masked), masked.as_str());
    }

    #[test]
    fn nothing_of_a_secret_is_shown_however_it_is_written_and_cut(
        secret in "[a-zA-Z0-9 \"\\\\/&+%=?~üé€-]{6,60}",
        before in "[a-z ]{0,12}",
        noise in 0..9000usize,
        form in 0..9usize,
        cuts in prop::collection::vec(0..20_000usize, 0..4),
    ) {
        let secret = secret.trim();
        prop_assume!(secret.len() >= 6);
        let mask = Mask::new([secret]);
        let line = format!("{} {}\n", "n".repeat(noise), encode(form, &before, secret));
        let mut places: Vec<usize> = cuts.into_iter().map(|cut| cut % line.len()).collect();
        places.sort_unstable();
        let (mut pieces, mut start) = (Vec::new(), 0);
        for end in places.into_iter().chain([line.len()]) {
            pieces.push(&line.as_bytes()[start..end]);
            start = end;
        }
        let shown = through(&mask, &pieces).concat().replace(crate::domain::log::CONTINUES, "");
        for text in core(form, secret) {
            prop_assert!(!shown.contains(&text), "{text} in {shown}");
        }
        prop_assert!(shown.contains(MASK));
    }

    #[test]
    fn a_mask_without_secrets_changes_nothing(line in "\\PC{0,200}") {
        prop_assert_eq!(Mask::default().apply(&line), line.as_str());
    }
}
