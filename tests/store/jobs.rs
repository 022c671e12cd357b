//! What only one instance should do is done by one, and by another when that one is gone.

use std::sync::Arc;
use std::time::Duration;

use deployer::access::Access;
use deployer::store::jobs::{self, Job};
use tokio::sync::Barrier;

use crate::support::databases::{Database, on_every_database};
use crate::support::store::{LEASE, TestStore, after, noon};

const INSTANCES: usize = 8;
const TICKS: usize = 100;

async fn of_eight_instances_one_wins_each_of_a_hundred_ticks(on: Database) {
    let store = TestStore::on(on).await;
    let tick = Arc::new(Barrier::new(INSTANCES));
    let mut instances = tokio::task::JoinSet::new();
    for number in 0..INSTANCES {
        let (store, tick) = (store.instance().await, Arc::clone(&tick));
        instances.spawn(async move {
            let name = format!("instance {number}");
            let mut wins = 0;
            for _ in 0..TICKS {
                tick.wait().await;
                let won = jobs::take(&store, Job::Scheduler, &name, noon(), LEASE)
                    .await
                    .unwrap();
                // Everybody has tried before it is free again.
                tick.wait().await;
                if let Some(lease) = won {
                    wins += 1;
                    jobs::release(&store, lease).await.unwrap();
                }
            }
            wins
        });
    }
    let wins = instances.join_all().await;
    assert_eq!(wins.iter().sum::<usize>(), TICKS, "{wins:?}");
    let fences = "SELECT fence FROM jobs WHERE name = 'scheduler'";
    assert_eq!(store.number(fences).await, TICKS as i64);
}

async fn a_job_stays_with_its_holder_until_its_lease_ends(on: Database) {
    let store = TestStore::on(on).await;
    let take = async |holder: &str, seconds| {
        let now = after(seconds);
        jobs::take(&store.store, Job::Drift, holder, now, LEASE)
            .await
            .unwrap()
    };
    let first = take("one", 0).await.expect("it is free");
    assert_eq!(take("two", 1).await, None);
    let renewed = take("one", 20).await.expect("it is renewed by its holder");
    assert!(renewed.fence > first.fence);
    // Given back with an old fence, it stays where it is.
    jobs::release(&store.store, first).await.unwrap();
    assert_eq!(take("two", 40).await, None);
    assert!(
        jobs::take(&store.store, Job::Sessions, "two", noon(), LEASE)
            .await
            .unwrap()
            .is_some(),
        "another job is another lease"
    );
    if on.is_server() {
        let micros = LEASE.as_micros();
        store
            .tamper(&format!("UPDATE jobs SET until_at = until_at - {micros}"))
            .await;
    }
    let taken = take("two", 51).await.expect("its holder is gone");
    let operator = Access::local_operator("root", noon());
    drop(store.change_by_job(taken, &operator, noon()).await.unwrap());
    let lost = store.change_by_job(renewed, &operator, noon()).await;
    let lost = lost.err().expect("the lease was lost");
    assert!(lost.message().contains("taken over the job drift"), "{lost}");
}

async fn the_clock_of_a_database_server_decides(on: Database) {
    let store = TestStore::on(on).await;
    let moment = Duration::from_millis(50);
    let take = async |holder: &str, now| {
        jobs::take(&store.store, Job::Keeper, holder, now, moment)
            .await
            .unwrap()
    };
    take("one", after(1_000_000)).await.expect("it is free");
    tokio::time::sleep(2 * moment).await;
    // A host whose clock is far behind.
    assert_eq!(take("two", noon()).await.is_some(), on.is_server());
}

async fn only_jobs_that_are_renewed_all_the_time_tell_who_serves(on: Database) {
    let store = TestStore::on(on).await;
    for job in [
        Job::Drift,
        Job::Sessions,
        Job::Doubts,
        Job::Scheduler,
        Job::Keeper,
    ] {
        let lease = jobs::take(&store.store, job, "here", noon(), LEASE)
            .await
            .unwrap();
        let lease = lease.expect("it is free");
        let record = store.store.record().await.unwrap();
        let serving = jobs::holders(&record, noon()).await.unwrap();
        record.rollback().await.unwrap();
        let expected: &[&str] = match job {
            Job::Scheduler | Job::Keeper => &["here"],
            Job::Drift | Job::Sessions | Job::Doubts | Job::Pushes => &[],
        };
        assert_eq!(serving, expected, "{job:?}");
        if !expected.is_empty() {
            jobs::release(&store.store, lease).await.unwrap();
        }
    }
}

on_every_database! {
    only_jobs_that_are_renewed_all_the_time_tell_who_serves,
    of_eight_instances_one_wins_each_of_a_hundred_ticks,
    a_job_stays_with_its_holder_until_its_lease_ends,
    the_clock_of_a_database_server_decides,
}
