//! Answers that are kept for requests with a key.

use chrono::TimeDelta;
use deployer::store::kept_answers::{self, AnswerParts, KeptAnswer};

use crate::support::databases::{Database, on_every_database};
use crate::support::store::{TestStore, noon};

async fn an_answer_is_kept_under_its_key_for_a_day(on: Database) {
    let store = TestStore::on(on).await;
    let begin = async |key: &str, request: &str, hours: i64| {
        let now = noon() + TimeDelta::hours(hours);
        let record = store.store.record().await.unwrap();
        let found = kept_answers::begin(
            &record,
            key,
            request,
            (now, now - TimeDelta::hours(24), now - TimeDelta::minutes(3)),
        )
        .await;
        let found = found.unwrap();
        record.commit().await.unwrap();
        found
    };
    let answer = AnswerParts {
        status: 201,
        headers: vec![("location".to_owned(), "/x".to_owned())],
        body: Some("é".repeat(70_000)),
    };
    assert_eq!(begin("k", "one", 0).await, None);
    let under_way = KeptAnswer {
        request: "one".to_owned(),
        answer: None,
    };
    assert_eq!(begin("k", "two", 0).await, Some(under_way.clone()));
    let record = store.store.record().await.unwrap();
    kept_answers::complete(&record, "k", &answer).await.unwrap();
    record.commit().await.unwrap();
    let kept = KeptAnswer {
        answer: Some(answer),
        ..under_way
    };
    assert_eq!(begin("k", "one", 23).await, Some(kept));
    assert_eq!(begin("other", "one", 23).await, None);
    let record = store.store.record().await.unwrap();
    kept_answers::forget(&record, "other").await.unwrap();
    record.commit().await.unwrap();
    assert_eq!(begin("other", "two", 23).await, None);
    // Nobody asks for it that late, and it takes room.
    assert_eq!(begin("k", "two", 25).await, None);
}

on_every_database!(an_answer_is_kept_under_its_key_for_a_day);
