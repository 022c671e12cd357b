//! The order in which a history is walked, and a cache of the latest ones.

use std::sync::Arc;

use git2::{Oid, Repository, Revwalk, Sort};
use parking_lot::Mutex;

use super::error::Result;

/// Histories whose order is kept: 20 bytes a commit, so 2 MB for 100,000 commits.
const ORDERS_KEPT: usize = 8;
/// The commits from `start` on, newest first.
pub(super) fn walk(repository: &Repository, start: Oid) -> Result<Revwalk<'_>> {
    let mut walk = repository.revwalk()?;
    // libgit2's default is newest first and reads as far as it is asked; any other sorting, its
    // `TIME` too, reads the whole history before the first commit comes out.
    walk.set_sorting(Sort::NONE)?;
    walk.push(start)?;
    Ok(walk)
}

/// A cache: the order of commits below recently requested ones, as far as it was walked.
#[derive(Default)]
pub(super) struct Orders(Mutex<Vec<(Oid, Order)>>);

#[derive(Clone, Default)]
struct Order {
    ids: Arc<Vec<Oid>>,
    whole: bool,
}

impl Orders {
    /// The first `count` commits from `start` on, or more, or all there are.
    pub(super) fn until(&self, repository: &Repository, start: Oid, count: usize) -> Result<Arc<Vec<Oid>>> {
        let kept = self.take(start);
        let order = match kept {
            Some(order) if order.whole || order.ids.len() >= count => order,
            // Twice as far as asked, so that each commit is visited twice on average, however many
            // pages there are. Only the first page walks no further than it shows.
            Some(_) => walked(repository, start, count.saturating_mul(2))?,
            None => walked(repository, start, count)?,
        };
        let ids = order.ids.clone();
        self.keep(start, order);
        Ok(ids)
    }

    fn take(&self, start: Oid) -> Option<Order> {
        let orders = self.0.lock();
        orders
            .iter()
            .find(|(tip, _)| *tip == start)
            .map(|(_, order)| order.clone())
    }

    fn keep(&self, start: Oid, order: Order) {
        let mut orders = self.0.lock();
        orders.retain(|(tip, _)| *tip != start);
        orders.insert(0, (start, order));
        orders.truncate(ORDERS_KEPT);
    }
}

fn walked(repository: &Repository, start: Oid, count: usize) -> Result<Order> {
    let ids = walk(repository, start)?
        .take(count)
        .collect::<Result<Vec<_>, _>>()?;
    Ok(Order {
        whole: ids.len() < count,
        ids: Arc::new(ids),
    })
}
