//! A directory with more releases, or remains of them, than are listed.

use std::fs;

use deployer::domain::SyncMethod;
use deployer::ssh;
use deployer::sync::{Error, Trouble, look};

use super::Site;
use crate::support::sshd::Sshd;

/// The most that a server may answer about its releases, in bytes.
const LIMIT: usize = 16 * 1024 * 1024;

#[tokio::test]
async fn a_list_of_releases_that_is_too_long_is_refused_and_works_again_once_it_is_shorter() {
    let sshd = Sshd::start().await;
    // A long path, so that it takes fewer files.
    let deep = ["x".repeat(250), "y".repeat(250), "z".repeat(250)].join("/");
    let target = sshd.dir().join(deep).join("shop");
    let mut site = Site::at(sshd, &target, SyncMethod::Symlink, &[], &[]).await;
    site.write("a", "1");
    site.deploy().await;
    let releases = site.target().with_file_name("shop_releases");
    let name = |number: usize| releases.join(format!(".deleted_{number:0>200}"));
    let record = "remains ".len() + name(0).as_os_str().len() + 1;
    // The release itself and the ends of the answer are no more than a few of these records.
    let fitting = LIMIT / record - 10;
    for number in 0..fitting {
        fs::write(name(number), "").unwrap();
    }
    let looked = look(&site.session, &site.layout, &site.limits).await.unwrap();
    assert_eq!((looked.releases.len(), looked.remains.len()), (1, fitting));

    for number in fitting..fitting + 20 {
        fs::write(name(number), "").unwrap();
    }
    let error = look(&site.session, &site.layout, &site.limits).await.unwrap_err();
    let Error::Server {
        trouble: Trouble::Connection(cause),
        ..
    } = &error
    else {
        panic!("{error}");
    };
    assert!(
        matches!(**cause, ssh::Error::TooMuchOutput { limit: LIMIT, .. }),
        "{error}"
    );
    assert!(
        error.to_string().contains("printed more than 16777216 bytes"),
        "{error}"
    );

    for number in 0..30 {
        fs::remove_file(name(number)).unwrap();
    }
    let looked = look(&site.session, &site.layout, &site.limits).await.unwrap();
    assert_eq!(looked.releases.len(), 1);
}
