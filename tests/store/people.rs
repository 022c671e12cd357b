//! Users, sessions, locks.

use deployer::clock::Clock;
use deployer::domain::{Lock, LockId, User, UserId};
use deployer::store::sessions::SessionRows;
use deployer::store::{locks, users};
use time::OffsetDateTime;
use tower_sessions::SessionStore;
use tower_sessions::session::{Id, Record};

use crate::support::databases::{Database, on_every_database};
use crate::support::store::{TestStore, after, noon};

fn alice() -> User {
    User {
        id: UserId(0),
        name: "alice".parse().unwrap(),
        display_name: String::new(),
        email: "alice@example.org".into(),
        disabled: false,
        has_password: false,
        created_at: noon(),
        last_login_at: None,
        given_password: None,
    }
}

async fn a_change_of_a_user_leaves_the_password_alone(on: Database) {
    let store = TestStore::on(on).await;
    let tx = crate::support::store::change(&store).await;
    let mut user = users::insert(&tx, &alice(), Some("hash")).await.unwrap();
    user.disabled = true;
    users::update(&tx, &user).await.unwrap();
    users::logged_in(&tx, user.id, after(9)).await.unwrap();
    crate::support::store::bring_in(tx).await;
    let tx = crate::support::store::change(&store).await;
    let taken = users::insert(&tx, &alice(), None).await.unwrap_err();
    assert_eq!(taken.message(), "There is already a user “alice”.");
    drop(tx);
    let (found, hash) = users::with_password_hash(&store.store, "Alice").await.unwrap();
    assert_eq!(hash.as_deref(), Some("hash"));
    assert!(found.disabled);
    assert_eq!(found.last_login_at, Some(after(9)));
    let nobody = users::by_name(&store.store, "bob").await.unwrap_err();
    assert_eq!(nobody.message(), "There is no user “bob”.");
}

async fn a_session_lives_until_it_expires(on: Database) {
    let store = TestStore::on(on).await;
    let clock = Clock::set_to(noon());
    let sessions = SessionRows::new(store.store.clone(), clock.clone());
    let end = OffsetDateTime::from_unix_timestamp(after(60).timestamp()).unwrap();
    let data = [("user".to_owned(), serde_json::json!("alice"))]
        .into_iter()
        .collect();
    let mut record = Record {
        id: Id::default(),
        data,
        expiry_date: end,
    };
    sessions.create(&mut record).await.unwrap();
    let mut second = Record {
        id: record.id,
        ..record.clone()
    };
    sessions.create(&mut second).await.unwrap();
    assert_ne!(second.id, record.id, "an id that is taken is not given twice");
    record.data.insert("theme".into(), serde_json::json!("dark"));
    sessions.save(&record).await.unwrap();
    assert_eq!(sessions.load(&record.id).await.unwrap().unwrap(), record);
    sessions.delete(&second.id).await.unwrap();
    assert!(sessions.load(&second.id).await.unwrap().is_none());
    clock.move_to(after(60));
    assert!(sessions.load(&record.id).await.unwrap().is_none());
    assert_eq!(sessions.sweep().await.unwrap(), 1);
    assert_eq!(store.rows("sessions").await, 0);
}

async fn a_lock_stops_what_it_covers_until_it_ends(on: Database) {
    let store = TestStore::on(on).await;
    let shop = store.project("shop").await;
    let beta = store.environment(&shop, "beta", &[]).await;
    let prod = store.environment(&shop, "prod", &[]).await;
    let lock = |environment, ends_at| Lock {
        id: LockId(0),
        project: Some(shop.id),
        environment,
        reason: "Stocktaking".into(),
        author: "root".into(),
        created_at: noon(),
        ends_at,
    };
    let tx = crate::support::store::change(&store).await;
    let one = locks::insert(&tx, &lock(Some(prod.id), None)).await.unwrap();
    locks::insert(&tx, &lock(None, Some(after(60)))).await.unwrap();
    crate::support::store::bring_in(tx).await;
    let stopping = async |environment, at| {
        let found = locks::stopping(&store.store, shop.id, environment, at).await;
        found.unwrap().len()
    };
    assert_eq!(stopping(prod.id, noon()).await, 2);
    assert_eq!(stopping(beta.id, noon()).await, 1);
    assert_eq!(stopping(beta.id, after(60)).await, 0);
    let tx = crate::support::store::change(&store).await;
    locks::delete(&tx, one.id).await.unwrap();
    crate::support::store::bring_in(tx).await;
    assert_eq!(stopping(prod.id, after(60)).await, 0);
}

on_every_database! {
    a_change_of_a_user_leaves_the_password_alone,
    a_session_lives_until_it_expires,
    a_lock_stops_what_it_covers_until_it_ends,
}
