//! What scripts make is deployed readable, whatever the deployer's own umask is.

use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use deployer::confinement::ConfinementOptions;

use super::deployed;
use crate::support::world::World;

/// Set where the test runs once more, in a process of its own.
const AGAIN: &str = "DEPLOYER_TEST_UMASK";

#[tokio::test(flavor = "multi_thread")]
async fn what_scripts_make_is_readable_under_the_umask_of_the_unit() {
    if std::env::var_os(AGAIN).is_none() {
        return once_more("confinement::umask::what_scripts_make_is_readable_under_the_umask_of_the_unit");
    }
    for is_off in [false, true] {
        let options = ConfinementOptions {
            is_off,
            ..ConfinementOptions::default()
        };
        let mut world = World::project().confinement(options).start().await;
        world.script("tests/run_local_tests.sh", "touch tested");
        let log = deployed(
            &mut world,
            "umask; mkdir -p dist/js; echo y > dist/js/app.js; echo x > made.sh; chmod +x made.sh",
        )
        .await;
        assert!(log.contains(": 0022"), "{log}");
        for (path, expected) in [
            ("dist", 0o755),
            ("dist/js", 0o755),
            ("dist/js/app.js", 0o644),
            ("made.sh", 0o755),
            ("tested", 0o644),
        ] {
            let there = std::fs::metadata(world.home(1, "dev/shop").join(path)).unwrap();
            assert_eq!(there.permissions().mode() & 0o7777, expected, "{path}: {log}");
        }
    }
}

/// Runs the test of this name under the umask of the unit in the README. The umask belongs to a whole process,
/// and other tests may run in this one.
#[expect(clippy::disallowed_methods, reason = "nothing else runs in this test")]
fn once_more(name: &str) {
    let done = Command::new("sh")
        .args(["-c", "umask 0077; exec \"$0\" \"$@\""])
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", name, "--nocapture"])
        .env(AGAIN, "1")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&done.stdout);
    let wrong = String::from_utf8_lossy(&done.stderr);
    assert!(
        done.status.success() && said.contains("1 passed"),
        "{said}\n{wrong}"
    );
}
