//! Users, sessions, locks.

use deployer::clock::Clock;
use deployer::domain::identity::SUBJECT_LIMIT;
use deployer::domain::{
    Action, ApiToken, Identity, IdentityId, Instant, Lock, LockId, LoginProvider, SignedIn, TokenId,
    TokenScope, User, UserId,
};
use deployer::store::sessions::SessionRows;
use deployer::store::{SealingKey, identities, locks, second_factors, sessions, tokens, users};
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
    // A request that was under way brings no ended session back.
    sessions.save(&second).await.unwrap();
    assert!(sessions.load(&second.id).await.unwrap().is_none());
    clock.move_to(after(60));
    assert!(sessions.load(&record.id).await.unwrap().is_none());
    assert_eq!(sessions.sweep().await.unwrap(), 1);
    assert_eq!(store.rows("sessions").await, 0);
}

async fn the_sessions_of_an_account_are_found_and_ended(on: Database) {
    let store = TestStore::on(on).await;
    let sessions = SessionRows::new(store.store.clone(), Clock::set_to(noon()));
    for (user, number) in [(1, 1), (1, 2), (2, 3)] {
        let known = SignedIn {
            id: UserId(user),
            name: "alice".into(),
            groups: Vec::new(),
            stamp: String::new(),
            second_factor: false,
            csrf: String::new(),
            seen: after(number),
            since: Some(noon()),
            until: None,
            provider: None,
            address: "192.0.2.7".into(),
            browser: String::new(),
        };
        let data = [(SignedIn::KEY.to_owned(), serde_json::to_value(known).unwrap())];
        let mut record = Record {
            id: Id::default(),
            data: data.into_iter().collect(),
            expiry_date: OffsetDateTime::from_unix_timestamp(after(60).timestamp()).unwrap(),
        };
        sessions.create(&mut record).await.unwrap();
    }
    // As an earlier version writes them.
    store
        .tamper("UPDATE sessions SET user_id = NULL WHERE user_id = 2")
        .await;
    let of = async |user, at| {
        let found = sessions::of_user(&store.store, UserId(user), at).await;
        found.unwrap()
    };
    let seen: Vec<_> = of(1, noon()).await.iter().map(|one| one.signed_in.seen).collect();
    assert_eq!(seen, [after(2), after(1)]);
    assert_eq!(of(2, noon()).await.len(), 1);
    assert_eq!(of(1, after(60)).await.len(), 0);
    let tx = crate::support::store::change(&store).await;
    sessions::end(&tx, &of(1, noon()).await).await.unwrap();
    crate::support::store::bring_in(tx).await;
    assert_eq!((of(1, noon()).await.len(), store.rows("sessions").await), (0, 1));
}

/// A token of an account that is not stored yet.
fn token(user: UserId, name: &str, end: Option<Instant>) -> ApiToken {
    ApiToken {
        id: TokenId(0),
        user,
        account: Some("alice".into()),
        name: name.parse().unwrap(),
        scope: TokenScope {
            actions: vec![Action::Deploy],
            projects: vec!["shop".parse().unwrap()],
            environments: Vec::new(),
        },
        hint: "dpl_abcd".into(),
        made_by: "root".into(),
        created_at: noon(),
        expires_at: end,
        last_used_at: None,
        last_used_from: String::new(),
        revoked_at: None,
    }
}

async fn a_token_is_found_by_its_digest_until_it_can_no_longer_be_used(on: Database) {
    let store = TestStore::on(on).await;
    let tx = crate::support::store::change(&store).await;
    let user = users::insert(&tx, &alice(), None).await.unwrap();
    let digest = |letter: &str| letter.repeat(64);
    let one = tokens::insert(&tx, &token(user.id, "one", Some(after(60))), &digest("a"))
        .await
        .unwrap();
    let two = tokens::insert(&tx, &token(user.id, "two", None), &digest("b"))
        .await
        .unwrap();
    crate::support::store::bring_in(tx).await;
    let on = &store.store;
    assert_eq!(
        tokens::by_hash(on, &digest("a")).await.unwrap(),
        Some(one.clone())
    );
    assert_eq!(tokens::by_hash(on, &digest("c")).await.unwrap(), None);
    let usable = async |until, now| {
        let found = tokens::usable(on, (Some(user.id), until), now).await.unwrap();
        found
            .iter()
            .map(|token| token.name.to_string())
            .collect::<Vec<_>>()
    };
    assert_eq!(usable(None, noon()).await, ["one", "two"]);
    assert_eq!(usable(Some(after(90)), noon()).await, ["one"]);
    assert_eq!(usable(None, after(60)).await, ["two"]);
    let record = store.store.record().await.unwrap();
    tokens::used(&record, two.id, "192.0.2.7", after(5))
        .await
        .unwrap();
    record.commit().await.unwrap();
    let tx = crate::support::store::change(&store).await;
    tokens::revoke(&tx, two.id, after(9)).await.unwrap();
    crate::support::store::bring_in(tx).await;
    let two = tokens::by_id(on, two.id).await.unwrap();
    assert_eq!(
        (two.last_used_at, two.revoked_at),
        (Some(after(5)), Some(after(9)))
    );
    assert_eq!(usable(None, after(60)).await, [""; 0]);
    let newest = tokens::of_user(on, user.id, 1).await.unwrap();
    assert_eq!(newest, [two]);
    let tx = crate::support::store::change(&store).await;
    users::delete(&tx, user.id).await.unwrap();
    crate::support::store::bring_in(tx).await;
    assert_eq!(store.rows("tokens").await, 0, "they go with their account");
}

async fn second_factors_are_sealed_anew_and_spend_each_code_once(on: Database) {
    let store = TestStore::on(on).await;
    let (old, new) = (SealingKey::generate(), SealingKey::generate());
    store.store.set_sealing_keys(vec![old.clone()]);
    let tx = crate::support::store::change(&store).await;
    let user = users::insert(&tx, &alice(), None).await.unwrap().id;
    second_factors::begin(&tx, user, "FIRST").await.unwrap();
    second_factors::begin(&tx, user, "SECRET").await.unwrap();
    assert!(second_factors::spend_step(&tx, user, 7).await.unwrap());
    for spent in [7, 6] {
        assert!(!second_factors::spend_step(&tx, user, spent).await.unwrap());
    }
    let known = second_factors::of_user(&tx, user).await.unwrap().unwrap();
    let digests = ["a".to_owned(), "b".to_owned()];
    assert!(second_factors::set_recovery(&tx, &known, &digests).await.unwrap());
    assert!(
        !second_factors::set_recovery(&tx, &known, &[]).await.unwrap(),
        "they are others by now"
    );
    second_factors::confirm(&tx, user, noon()).await.unwrap();
    crate::support::store::bring_in(tx).await;
    assert_eq!(
        store
            .number("SELECT count(*) FROM second_factors WHERE secret LIKE '%SECRET%'")
            .await,
        0
    );

    store.store.set_sealing_keys(vec![new.clone(), old.clone()]);
    let tx = crate::support::store::change(&store).await;
    assert_eq!(second_factors::seal_anew(&tx).await.unwrap(), [user]);
    assert_eq!(second_factors::seal_anew(&tx).await.unwrap().len(), 0);
    crate::support::store::bring_in(tx).await;
    store.store.set_sealing_keys(vec![new]);
    let found = second_factors::of_user(&store.store, user)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(
        (found.secret.as_str(), found.recovery.as_slice()),
        ("SECRET", &digests[..])
    );
    assert_eq!((found.confirmed_at, found.last_step), (Some(noon()), 7));
    store.store.set_sealing_keys(vec![old]);
    assert!(second_factors::of_user(&store.store, user).await.is_err());
    let tx = crate::support::store::change(&store).await;
    assert_eq!(second_factors::forget(&tx).await.unwrap(), [user]);
    crate::support::store::bring_in(tx).await;
    assert_eq!(store.rows("second_factors").await, 0);
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

async fn an_identity_is_one_accounts_and_goes_with_it_and_its_name_stays_taken(on: Database) {
    let store = TestStore::on(on).await;
    let tx = crate::support::store::change(&store).await;
    let user = users::insert(&tx, &alice(), None).await.unwrap();
    // The longest there may be, of letters that take the most room.
    let subject = "\u{1f980}".repeat(SUBJECT_LIMIT);
    let issuer = format!("https://{}", "\u{1f980}".repeat(SUBJECT_LIMIT - 8));
    let wanted = Identity {
        id: IdentityId(0),
        user: user.id,
        provider: LoginProvider::Issuer(issuer),
        subject,
        created_at: noon(),
        groups: Vec::new(),
        groups_at: None,
    };
    let known = identities::insert(&tx, &wanted).await.unwrap();
    let many: Vec<String> = (0..500)
        .map(|number| format!("{number} {}", "é".repeat(240)))
        .collect();
    identities::note_groups(&tx, known.id, &many, after(1))
        .await
        .unwrap();
    crate::support::store::bring_in(tx).await;
    let found = identities::by_subject(&store.store, &wanted.provider, &wanted.subject).await;
    let found = found.unwrap().unwrap();
    assert_eq!((found.groups, found.groups_at), (many, Some(after(1))));
    let shorter = &wanted.subject[4..];
    let other = identities::by_subject(&store.store, &wanted.provider, shorter).await;
    assert_eq!(other.unwrap(), None);
    let plugin = identities::by_subject(&store.store, &LoginProvider::Plugin, &wanted.subject).await;
    assert_eq!(plugin.unwrap(), None);

    let tx = crate::support::store::change(&store).await;
    let taken = identities::insert(&tx, &wanted).await.unwrap_err();
    assert_eq!(taken.field_errors()[0].field, "subject");
    drop(tx);
    let tx = crate::support::store::change(&store).await;
    assert!(!users::is_retired(&tx, &user.name).await.unwrap());
    users::delete(&tx, user.id).await.unwrap();
    crate::support::store::bring_in(tx).await;
    assert_eq!(store.rows("identities").await, 0);
    let upper = user.name.as_str().to_uppercase().parse().unwrap();
    assert!(users::is_retired(&store.store, &upper).await.unwrap());
    // The same name again, as an installation of before may have it, is taken once.
    let tx = crate::support::store::change(&store).await;
    let again = users::insert(&tx, &alice(), None).await.unwrap();
    users::delete(&tx, again.id).await.unwrap();
    crate::support::store::bring_in(tx).await;
    assert_eq!(store.rows("retired_names").await, 1);
}

on_every_database! {
    an_identity_is_one_accounts_and_goes_with_it_and_its_name_stays_taken,
    a_change_of_a_user_leaves_the_password_alone,
    a_session_lives_until_it_expires,
    the_sessions_of_an_account_are_found_and_ended,
    second_factors_are_sealed_anew_and_spend_each_code_once,
    a_token_is_found_by_its_digest_until_it_can_no_longer_be_used,
    a_lock_stops_what_it_covers_until_it_ends,
}
