//! The job again and again, until a signal ends it.

use std::thread;
use std::time::{Duration, Instant};

use pai_common::console::Console;
use pai_common::exit::Exit;
use pai_common::signal::{self, Interrupted};

use crate::job::Job;
use crate::journal::Journal;

/// Runs `job` every `interval`; stderr gets one line a run, the log all of them. A run that fails is told, and the next
/// one tried. Only a signal ends this.
pub(crate) fn run(
    job: &Job,
    interval: Duration,
    journal: &mut Journal<'_>,
    console: &Console,
) -> anyhow::Result<Exit> {
    loop {
        let next = Instant::now() + interval;
        match job.run(journal) {
            Ok(report) => console.note(format_args!(
                "archived {} sections of {}",
                report.archived,
                job.memory.display()
            )),
            Err(error) if error.chain().any(<dyn std::error::Error>::is::<Interrupted>) => return Err(error),
            Err(error) => console.warn(format_args!("{error:#}")),
        }
        while let Some(left) = next.checked_duration_since(Instant::now()).filter(|left| !left.is_zero()) {
            signal::check()?;
            thread::sleep(left.min(Duration::from_millis(200)));
        }
        signal::check()?;
    }
}
