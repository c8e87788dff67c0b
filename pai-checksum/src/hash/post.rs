//! Outcomes on their way from the workers to the thread that puts them in order.

use std::io;

use super::Hashed;

/// The number of an input and what became of it; nothing if it is left to the caller's thread.
pub(super) type Outcome = (usize, Option<io::Result<Hashed>>);

/// Outcomes on their way to the thread that waits for them.
#[derive(Default)]
pub(super) struct Batch {
    pub(super) outcomes: Vec<Outcome>,
    bytes: u64,
}

impl Batch {
    /// Adds one; the whole batch once it is worth a delivery.
    pub(super) fn add(&mut self, outcome: Outcome) -> Option<Vec<Outcome>> {
        if let Some(Ok(hashed)) = &outcome.1 {
            self.bytes += hashed.bytes;
        }
        self.outcomes.push(outcome);
        let full = self.outcomes.len() >= 64 || self.bytes >= 1 << 20;
        full.then(|| std::mem::take(self).outcomes)
    }
}

/// What the workers have sent so far.
pub(super) struct Arrivals {
    pub(super) outcomes: Vec<Option<io::Result<Hashed>>>,
    /// Whether a worker will still send something about an input.
    pub(super) awaited: Vec<bool>,
}

impl Arrivals {
    pub(super) fn add(&mut self, batch: Vec<Outcome>) {
        for (n, outcome) in batch {
            self.outcomes[n] = outcome;
            self.awaited[n] = false;
        }
    }
}
