//! When something that did not succeed is tried again: after pauses that double.

use std::collections::HashMap;
use std::hash::Hash;
use std::time::Duration;

use tokio::time::Instant;

/// When each of some things is due again.
pub(super) struct Agenda<K> {
    first: Duration,
    longest: Duration,
    /// The next time, and the pause after that.
    due: HashMap<K, (Instant, Duration)>,
}

impl<K: Hash + Eq> Agenda<K> {
    /// An empty one: everything is due. Pauses begin with `first` and are at most `longest`.
    pub fn new(first: Duration, longest: Duration) -> Self {
        Self {
            first,
            longest,
            due: HashMap::new(),
        }
    }

    /// Forgets what is not `open` any more.
    pub fn retain(&mut self, open: impl Fn(&K) -> bool) {
        self.due.retain(|key, _| open(key));
    }

    pub fn is_due(&self, key: &K, now: Instant) -> bool {
        self.due.get(key).is_none_or(|(due, _)| *due <= now)
    }

    /// Sets the next time, and makes the pause after it twice as long.
    pub fn put_off(&mut self, key: K, now: Instant) {
        let pause = self.due.get(&key).map_or(self.first, |(_, pause)| *pause);
        self.due.insert(key, (now + pause, self.longest.min(pause * 2)));
    }

    /// Sets the next time to the end of `pause`.
    pub fn rest(&mut self, key: K, now: Instant, pause: Duration) {
        self.due.insert(key, (now + pause, self.longest));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_the_longest() {
        let second = Duration::from_secs(1);
        let mut agenda = Agenda::new(second, 3 * second);
        let mut now = Instant::now();
        for pause in [1, 2, 3, 3] {
            assert!(agenda.is_due(&1, now));
            agenda.put_off(1, now);
            now += pause * second;
            assert!(!agenda.is_due(&1, now - Duration::from_millis(1)), "{pause}");
            assert!(agenda.is_due(&2, now));
        }
        agenda.rest(1, now, 9 * second);
        assert!(!agenda.is_due(&1, now + 8 * second));
        agenda.retain(|_| false);
        assert!(agenda.is_due(&1, now));
    }
}
