//! Many targets get one tree: what they have in common is done once.

use std::fs;
use std::sync::Arc;
use std::time::Instant;

use deployer::domain::SyncMethod;
use deployer::ssh::Session;
use deployer::sync::{Delivered, Delivery, KnownTrees, Layout, Limits, Stamp, TreeSource, Trust, inspect};
use futures_util::future::join_all;

use super::{Site, put, shape};

struct Fleet {
    site: Site,
    layouts: Vec<Layout>,
}

impl Fleet {
    async fn of(targets: usize) -> Self {
        let site = Site::in_place().await;
        let place = |n| {
            site.sshd
                .dir()
                .join(format!("srv/{n}/shop"))
                .to_str()
                .unwrap()
                .parse()
                .unwrap()
        };
        let layouts = (0..targets)
            .map(|n| Layout {
                target: place(n),
                ..site.layout.clone()
            })
            .collect();
        Self { site, layouts }
    }

    async fn deploy(&mut self) -> Vec<Delivered> {
        self.site.deployments += 1;
        let manifest = self.site.scan().await;
        let known = KnownTrees::new(self.site.known.iter().rev().cloned());
        let source = TreeSource::open(self.site.tree(), Arc::clone(&manifest), known);
        let (session, stamp, limits) = (&self.site.session, self.site.stamp(), Limits::default());
        let all = self
            .layouts
            .iter()
            .map(|layout| one(&source, session, layout, &stamp, &limits));
        let delivered = join_all(all).await;
        self.site.known.push(manifest);
        delivered
    }
}

async fn one(
    source: &TreeSource,
    session: &Session,
    layout: &Layout,
    stamp: &Stamp,
    limits: &Limits,
) -> Delivered {
    let inspection = inspect(session, layout, limits).await.unwrap();
    let delivery = Delivery {
        session,
        layout,
        inspection: &inspection,
        stamp,
        trust: Trust::Times,
        limits,
        progress: &|_| {},
    };
    source.deliver(&delivery).await.unwrap()
}

#[tokio::test]
async fn each_target_is_sent_only_what_it_lacks() {
    let mut fleet = Fleet::of(6).await;
    for n in 0..40 {
        fleet.site.write(&format!("d{}/f{n}", n % 4), "1");
    }
    fleet.deploy().await;
    let targets: Vec<std::path::PathBuf> = fleet.layouts.iter().map(|l| l.target.as_str().into()).collect();
    // Two were tampered with in the same way, one in another, one is empty, two are as they were.
    for target in &targets[..2] {
        put(target, "stray", "x");
        let file = fs::File::options()
            .append(true)
            .open(target.join("stray"))
            .unwrap();
        file.set_modified(std::time::UNIX_EPOCH).unwrap();
    }
    put(&targets[2], "d1/f1", "edit");
    fs::remove_dir_all(&targets[3]).unwrap();
    fleet.site.write("d2/f2", "2");
    let done = fleet.deploy().await;
    let told: Vec<_> = done.iter().map(|d| (d.sent_files, d.deleted)).collect();
    assert_eq!(told, [(1, 1), (1, 1), (2, 0), (40, 0), (1, 0), (1, 0)]);
    for target in &targets {
        super::pretty_eq(&shape(target), &shape(&fleet.site.tree()));
    }
    let unchanged: Vec<bool> = fleet.deploy().await.iter().map(|d| d.unchanged).collect();
    assert_eq!(unchanged, [true; 6]);
}

/// Not a proof but a look: `cargo nextest run --run-ignored only fleet_times --no-capture`.
#[tokio::test]
#[ignore = "takes a while; prints times"]
#[allow(clippy::print_stderr, reason = "that is what it is for")]
async fn fleet_times() {
    let mut fleet = Fleet::of(40).await;
    let content = "0123456789abcdef".repeat(512);
    for n in 0..10_000 {
        fleet.site.write(
            &format!("d{}/e{}/f{n}", n % 10, n % 100),
            &format!("{n}{content}"),
        );
    }
    assert_eq!(fleet.site.layout.method, SyncMethod::InPlace);
    for what in ["first", "nothing changed", "1 % changed"] {
        if what.starts_with('1') {
            for n in (0..10_000).step_by(100) {
                fleet.site.write(
                    &format!("d{}/e{}/f{n}", n % 10, n % 100),
                    &format!("{n} changed {content}"),
                );
            }
        }
        let start = Instant::now();
        fleet.site.scan().await;
        let scanned = start.elapsed();
        let done = fleet.deploy().await;
        eprintln!(
            "{what}: scan {scanned:?}, then all {:?}, each {:?}",
            start.elapsed() - scanned,
            done[0]
        );
    }
}
