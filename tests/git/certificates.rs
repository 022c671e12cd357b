//! Certificates of Git hosts that no authority signed, and what is said of those that are not trusted.

use std::path::Path;

use deployer::git::{GitOptions, check_url, probe};

use super::https::GitHost;
use super::support::Origin;
use crate::support::tls::Identity;

#[tokio::test]
async fn a_certificate_that_was_made_anew_is_told_as_such() {
    let origin = Origin::new();
    let (before, now) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let before = Identity::new(before.path(), "IP:127.0.0.1").certificate;
    let host = GitHost::showing(Identity::new(now.path(), "IP:127.0.0.1"), &origin).await;
    let options = GitOptions {
        https_certificates: Some(before),
        ..GitOptions::default()
    };
    let url = check_url(&host.url("open")).unwrap();
    let refused = probe(&url, &options).await.unwrap_err().to_string();
    assert!(refused.contains("it may have been made anew"), "{refused}");
    assert!(refused.contains("as git.https_certificates (PEM)"), "{refused}");
}

#[tokio::test]
async fn a_self_signed_certificate_is_trusted_where_it_is_named() {
    let mut origin = Origin::new();
    origin.write("file", "x");
    origin.commit("one");
    for (names, expected) in [
        ("IP:127.0.0.1", ""),
        ("DNS:other.example", "its certificate is for another name"),
    ] {
        let dir = tempfile::tempdir().unwrap();
        let host = GitHost::showing(Identity::authority(dir.path(), names), &origin).await;
        let url = check_url(&host.url("open")).unwrap();
        let found = probe(&url, &host.options("")).await;
        match found {
            Ok(found) => assert_eq!((found.len(), expected), (1, "")),
            Err(error) => assert!(
                !expected.is_empty() && error.to_string().contains(expected),
                "{names}: {error}"
            ),
        }
        // One that is made anew has the name of the one before.
        let made: [Option<fn(&Path, &str) -> Identity>; 3] =
            [None, Some(Identity::authority), Some(Identity::new)];
        for trusted in made {
            let other = tempfile::tempdir().unwrap();
            let options = GitOptions {
                https_certificates: trusted.map(|make| make(other.path(), names).certificate),
                ..GitOptions::default()
            };
            let refused = probe(&url, &options).await.unwrap_err().to_string();
            assert!(refused.contains("self-signed or an authority's"), "{refused}");
            assert!(refused.contains("as git.https_certificates (PEM)"), "{refused}");
            assert!(!refused.contains("Other"), "{refused}");
        }
    }
}
