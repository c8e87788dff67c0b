//! Outcomes on their way from the workers to the thread that puts them in order.

use std::io;

use super::Hashed;

/// The number of an input and what became of it; nothing if it is left to the caller's thread.
pub(super) type Outcome = (usize, Option<io::Result<Hashed>>);

/// Outcomes of small files, sent together: to wake the receiver costs as much as to hash one.
#[derive(Default)]
pub(super) struct Batch {
    outcomes: Vec<Outcome>,
    bytes: u64,
    hurry: bool,
}

impl Batch {
    /// Adds one; the whole batch once it is worth a delivery.
    pub(super) fn add(&mut self, outcome: Outcome) -> Option<Vec<Outcome>> {
        if let Some(Ok(hashed)) = &outcome.1 {
            self.bytes += hashed.bytes;
        }
        self.outcomes.push(outcome);
        let full = self.hurry || self.outcomes.len() >= 64 || self.bytes >= 1 << 20;
        full.then(|| self.take())
    }

    /// No file comes after those that are open now, and the last one may be long: what is there goes out, and each
    /// further outcome at once.
    pub(super) fn hurry(&mut self) -> Vec<Outcome> {
        self.hurry = true;
        self.take()
    }

    fn take(&mut self) -> Vec<Outcome> {
        self.bytes = 0;
        std::mem::take(&mut self.outcomes)
    }
}

/// The results that workers have sent so far.
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

#[cfg(test)]
mod tests {
    use super::*;

    fn outcome(bytes: u64) -> Outcome {
        (0, Some(Ok(Hashed { digest: [0; 32], bytes, stamp: None, changed: false })))
    }

    #[test]
    fn small_outcomes_wait_for_one_another_but_not_for_the_end() {
        let mut batch = Batch::default();
        assert!((0..63).all(|_| batch.add(outcome(10)).is_none()));
        assert_eq!(batch.add(outcome(10)).unwrap().len(), 64);
        assert!(batch.add(outcome(10)).is_none());
        assert_eq!(batch.add(outcome(2 << 20)).unwrap().len(), 2);
        assert!(batch.add(outcome(10)).is_none());
        assert_eq!(batch.hurry().len(), 1);
        assert_eq!(batch.add(outcome(10)).unwrap().len(), 1);
    }
}
