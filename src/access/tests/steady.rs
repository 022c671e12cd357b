//! One request sees one policy, whatever is read meanwhile.

use super::*;

#[tokio::test]
async fn a_task_goes_on_seeing_the_policy_that_it_began_with() {
    let dir = directory(&[(TESTS, "")]);
    let (access, other) = (Access::load(dir.path()).unwrap(), Access::builtin());
    let may = |of: &Access| {
        of.may(
            &user("alice"),
            Action::View,
            &project("shop"),
            at("2026-11-23 10:00"),
        )
    };
    let work = async {
        assert!(!may(&access));
        let text = format!("{}g, alice, role:reader\n", shipped(POLICY).unwrap());
        std::fs::write(dir.path().join(POLICY), text).unwrap();
        assert_ne!(access.stamp(), access.stamp_read());
        let before = access.digest();
        access.reload().unwrap();
        assert_eq!(access.stamp(), access.stamp_read());
        assert_ne!(access.digest(), before);
        assert!(!may(&access), "half of its answers come from another policy");
        // What is in force elsewhere is not what this task has begun with.
        assert!(!may(&other));
        std::thread::scope(|scope| scope.spawn(|| assert!(may(&access))).join().unwrap());
    };
    access.steadily(work).await;
    assert!(may(&access));
}

/// Whatever else lies beside them, and whatever their names.
#[test]
fn every_file_that_is_read_is_followed() {
    let calendar = "timezone = \"UTC\"\n[holidays]\nfiles = [\"days~\"]\n";
    let dir = directory(&[(CALENDAR, calendar), (TESTS, "")]);
    for number in 0..1_500 {
        std::fs::write(dir.path().join(format!("note{number}")), "").unwrap();
    }
    // The default policy names windows that this calendar does not have.
    let lines = "p, root, *, *, administer, always, allow\n";
    std::fs::write(dir.path().join(POLICY), lines).unwrap();
    let holidays = "BEGIN:VCALENDAR\nBEGIN:VEVENT\nDTSTART;VALUE=DATE:20261225\nEND:VEVENT\nEND:VCALENDAR\n";
    std::fs::write(dir.path().join("days~"), holidays).unwrap();
    let access = Access::load(dir.path()).unwrap();
    assert_eq!(access.stamp(), access.stamp_read());
    let change = |file: &str, act: &dyn Fn(&std::path::Path)| {
        act(&dir.path().join(file));
        assert_ne!(access.stamp(), access.stamp_read(), "{file}");
        let read = access.reload();
        assert_eq!(access.stamp(), access.stamp_read(), "{file}");
        read.is_ok()
    };
    let write = |text: String| move |file: &std::path::Path| std::fs::write(file, &text).unwrap();
    assert!(change(
        POLICY,
        &write(format!("{lines}p, zoe, *, *, view, always, allow\n"))
    ));
    assert!(change("days~", &write(holidays.replace("1225", "1226"))));
    // One that is missing is waited for.
    assert!(!change("days~", &|file| std::fs::remove_file(file).unwrap()));
    assert!(change("days~", &write(holidays.to_owned())));
    std::fs::write(dir.path().join("note1"), "mine").unwrap();
    assert_eq!(access.stamp(), access.stamp_read(), "it is no file of the policy");
}
