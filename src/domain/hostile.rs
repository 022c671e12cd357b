//! Texts that nobody should enter: each type either takes one and writes it as it reads it, or refuses it with
//! a sentence.

use std::fmt::{Debug, Display};
use std::str::FromStr;

use proptest::collection::vec;
use proptest::prelude::*;

use super::health::Statuses;
use super::{
    BranchName, CommitId, DatabaseUrl, DeploymentId, Hours, KeyName, Name, Network, OtherHost, Share,
    TargetPath,
};
use crate::cases::cases;

/// Words of forms, files and addresses.
const WORDS: &[&str] = &[
    "main",
    "feature/x",
    "refs/heads/",
    "..",
    ".lock",
    "@{",
    "~/",
    "/",
    "/srv/",
    "./",
    "~",
    "^",
    "-",
    "_",
    "@",
    "0",
    "7",
    "25",
    "100",
    "101",
    "4294967296",
    "+5",
    "-1",
    "%",
    " %",
    "٣",
    "08:00",
    "24:00",
    "00:00",
    "8:00",
    "200",
    "399",
    "600",
    "10.0.0.0",
    "::1",
    "[::1]",
    "/8",
    "/129",
    ":22",
    ":65536",
    "example.com",
    "0123456789012345678901234567890123456789",
    "sqlite:",
    "postgres://",
    "u:p@h/d",
    "é",
    "\u{202e}",
    "\u{0}",
    "\n",
    "\r",
    "\t",
    " ",
    "\u{1b}[31m",
    "$(id)",
    "';",
    "\\",
];

/// Such words, whole and in pieces.
fn text() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        8 => prop::sample::select(WORDS).prop_map(str::to_owned),
        1 => ".{0,8}",
        1 => (1_usize..2000).prop_map(|long| "x".repeat(long)),
    ];
    vec(piece, 0..5).prop_map(|pieces| pieces.concat())
}

/// Whether a value is read again as it is written.
fn is_stable<T>(text: &str) -> Result<Option<T>, TestCaseError>
where
    T: FromStr + Display + PartialEq + Debug,
    T::Err: Display,
{
    match text.parse::<T>() {
        Ok(value) => {
            let again = value.to_string().parse::<T>().ok();
            prop_assert_eq!(again.as_ref(), Some(&value), "{:?}", text);
            Ok(Some(value))
        }
        Err(error) => {
            prop_assert!(error.to_string().len() > 10, "{:?}: {}", text, error);
            Ok(None)
        }
    }
}

proptest! {
    #![proptest_config(cases(1000))]

    #[test]
    fn names_are_taken_as_they_are_or_refused(text in text()) {
        for taken in [
            is_stable::<Name>(&text)?.map(|name| name.to_string()),
            is_stable::<BranchName>(&text)?.map(|name| name.to_string()),
            is_stable::<CommitId>(&text)?.map(|name| name.to_string()),
            is_stable::<KeyName>(&text)?.map(|name| name.to_string()),
            is_stable::<TargetPath>(&text)?.map(|name| name.to_string()),
        ].into_iter().flatten() {
            prop_assert!(taken.len() <= 1024 && !taken.is_empty(), "{:?}", taken);
            prop_assert!(!taken.starts_with('-') && !taken.contains(char::is_control), "{:?}", taken);
            prop_assert!(!taken.split('/').any(|part| part == ".."), "{:?}", taken);
        }
    }

    #[test]
    fn numbers_and_hours_are_read_as_they_are_written(text in text()) {
        if let Some(Share::Percent(percent)) = is_stable::<Share>(&text)? {
            prop_assert!((1..=100).contains(&percent));
        }
        is_stable::<Hours>(&text)?;
        is_stable::<DeploymentId>(&text)?;
        if let Some(statuses) = is_stable::<Statuses>(&text)? {
            prop_assert!(!statuses.contains(99) && !statuses.contains(600));
        }
    }

    #[test]
    fn addresses_are_read_or_refused_without_their_passwords(text in text(), address in any::<std::net::IpAddr>()) {
        if let Ok(network) = text.parse::<Network>() {
            let own = text.split('/').next().and_then(|own| own.parse::<std::net::IpAddr>().ok());
            prop_assert!(own.is_some_and(|own| own.to_canonical() != own || network.contains(own)));
            network.contains(address);
        }
        if let Ok(other) = OtherHost::read(&text) {
            let shown = format!("{other:?}");
            prop_assert!(!shown.contains(char::is_control));
        }
        let (text, secret) = (format!("{text}hunter2-secret"), "hunter2-secret");
        match text.parse::<DatabaseUrl>() {
            Ok(DatabaseUrl::Sqlite(file)) => prop_assert!(file.is_absolute()),
            Ok(server) => {
                let shown = format!("{server:?}");
                prop_assert!(!shown.contains(secret));
            }
            Err(why) => prop_assert!(!why.contains(secret), "{}", why),
        }
    }
}
