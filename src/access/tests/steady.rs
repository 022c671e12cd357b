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
