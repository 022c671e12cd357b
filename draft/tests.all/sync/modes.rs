//! Permission bits are ours, whatever the server's umask is.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use deployer::domain::SyncMethod;

use super::{Site, put};
use crate::support::sshd::{Sshd, is_root};

#[tokio::test]
async fn a_web_server_of_another_account_can_read_everything() {
    if !is_root() {
        return;
    }
    for method in [SyncMethod::InPlace, SyncMethod::Symlink] {
        let sshd = Sshd::builder().start_as(4711, "077").await;
        let target = sshd.dir().join("srv/www/shop");
        let mut site = Site::at(sshd, &target, method, &["kept", "var/data"], &["up"]).await;
        for n in 1..4 {
            site.write("f", &n.to_string());
            site.write("d/in/f", "1");
            site.write(&format!("new{n}/in/f"), "1");
            site.write("var/f", "1");
            let delivered = site.deliver().await.unwrap();
            if method == SyncMethod::Symlink {
                site.switch(&delivered.directory).await.unwrap();
            }
            let srv = site.sshd.dir().join("srv");
            let mut looked = vec![srv.join("www")];
            while let Some(path) = looked.pop() {
                let found = fs::symlink_metadata(&path).unwrap();
                let bits = found.permissions().mode() & 0o777;
                if found.is_dir() {
                    assert_eq!(bits, 0o755, "{path:?}");
                    looked.extend(fs::read_dir(&path).unwrap().map(|one| one.unwrap().path()));
                } else if found.is_file() {
                    assert_eq!(bits, 0o644, "{path:?}");
                }
            }
        }
        // What is there keeps its bits.
        let d = site.target().join("d");
        fs::set_permissions(&d, fs::Permissions::from_mode(0o711)).unwrap();
        put(&site.tree(), "d/in/f", "2");
        site.deliver().await.unwrap();
        if method == SyncMethod::InPlace {
            assert_eq!(fs::metadata(&d).unwrap().permissions().mode() & 0o777, 0o711);
        }
    }
}
