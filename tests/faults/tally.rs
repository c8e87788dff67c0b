//! What a fault class comes to.

use std::fmt;

/// Counts and complaints of one scene under one class of faults.
pub(crate) struct Tally {
    what: String,
    /// Runs that a fault was meant for.
    pub(crate) tried: usize,
    /// Runs that it reached.
    pub(crate) hit: usize,
    lost: Vec<String>,
}

impl Tally {
    /// Nothing yet.
    pub(crate) fn new(class: &str, scene: &str) -> Self {
        Self { what: format!("{class}: {scene}"), tried: 0, hit: 0, lost: Vec::new() }
    }

    /// Takes the outcome of one run that was hit.
    pub(crate) fn take(&mut self, moment: impl fmt::Display, outcome: Result<(), String>) {
        self.hit += 1;
        if let Err(why) = outcome {
            self.lost.push(format!("{moment}: {why}"));
        }
    }

    /// Prints the line; panics if anything was lost or nothing was hit.
    #[track_caller]
    pub(crate) fn conclude(self) {
        let Self { what, tried, hit, lost } = self;
        println!("{what}: tried {tried}, hit {hit}, survived {}, lost {}", hit - lost.len(), lost.len());
        assert!(
            lost.is_empty(),
            "{what}: {} times lost; the first:\n{}",
            lost.len(),
            lost[..lost.len().min(8)].join("\n")
        );
        assert!(hit > 0, "{what}: no fault ever hit");
    }
}
