//! API tokens and second factors that are not what the log says of them.

use deployer::app::tokens;
use deployer::domain::{Action, Actor, Event, EventKind, TokenId, TokenScope};
use deployer::store::{Right, second_factors, users};

use super::Kept;
use super::tampering::{Told::Says, assert_change_told};
use crate::support::databases::Database;
use crate::support::store::after;

/// Changes of API token 1, a revoked one, and of second factors, of which bob has one.
const OF_MEANS: [(&str, &str); 11] = [
    (
        "UPDATE tokens SET revoked_at = NULL WHERE id = 1",
        "its state is revoked in the audit log, and not revoked",
    ),
    (
        "UPDATE tokens SET revoked_at = 1 WHERE id = 2",
        "its state is not revoked in the audit log, and revoked",
    ),
    (
        "UPDATE tokens SET hash = 'x' WHERE id = 2",
        "its secret is not the one",
    ),
    (
        "UPDATE tokens SET expires_at = NULL WHERE id = 2",
        "the expiry is 2026-11-23",
    ),
    (
        "UPDATE tokens SET account = 'bob' WHERE id = 2",
        "the account is alice",
    ),
    ("UPDATE tokens SET made_by = 'bob' WHERE id = 2", "its maker is "),
    (
        "UPDATE tokens SET scopes = replace(scopes, 'view', 'deploy') WHERE id = 2",
        "the scope is ",
    ),
    (
        "DELETE FROM tokens WHERE id = 2",
        "token number 2 of alice was removed",
    ),
    (
        "UPDATE tokens SET id = 9 WHERE id = 2",
        "(number 9) is in the database, and was never made",
    ),
    (
        "UPDATE second_factors SET confirmed_at = NULL",
        "The account bob has a second factor in the audit log",
    ),
    (
        "UPDATE second_factors SET user_id = (SELECT id FROM users WHERE name = 'alice')",
        "The account alice has no second factor in the audit log",
    ),
];

/// Alice has a revoked API token and one that counts, and bob a second factor.
async fn with_means() -> Kept {
    let kept = Kept::on(Database::Sqlite).await;
    let operator = deployer::access::Access::local_operator("root", after(130));
    let store = &kept.store.store;
    let token = |name: &str| tokens::NewToken {
        name: name.parse().unwrap(),
        expires_at: Some(after(86_400)),
        scope: TokenScope {
            actions: vec![Action::View],
            ..TokenScope::default()
        },
    };
    for name in ["old", "new"] {
        tokens::make(store, &operator, "alice", token(name))
            .await
            .unwrap();
    }
    tokens::revoke(store, &operator, None, TokenId(1)).await.unwrap();
    let bob = users::by_name(store, "bob").await.unwrap();
    let right = Right::at_the_gate(&Actor::user("bob", "192.0.2.7"), "user bob");
    let change = store.change(right, after(140)).await.unwrap();
    second_factors::begin(&change, bob.id, "JBSWY3DPEHPK3PXP")
        .await
        .unwrap();
    second_factors::confirm(&change, bob.id, after(140))
        .await
        .unwrap();
    let on = Event::new(EventKind::SecondFactorOn, serde_json::json!({}));
    change.commit(on.about("user bob")).await.unwrap();
    kept
}

#[tokio::test(flavor = "multi_thread")]
async fn means_to_log_in_that_are_not_what_the_log_says_are_told() {
    let kept = with_means().await;
    let found = kept.prove().await;
    assert!(found.is_whole(), "{found:?}");
    for (statement, told) in OF_MEANS {
        assert_change_told(&kept, &[statement.to_owned()], statement, &Says(told)).await;
    }
}
