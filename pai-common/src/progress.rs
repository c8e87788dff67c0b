//! A bar on stderr with rate and time left, only when a person is looking and the job takes a while.

use std::io::IsTerminal;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::console::Console;

const PATIENCE: Duration = Duration::from_secs(1);

/// Counts bytes; draws after about a second if stderr is a terminal and the run is not quiet.
#[derive(Debug)]
pub struct Progress<'a> {
    console: &'a Console,
    bar: Option<ProgressBar>,
    shown: AtomicBool,
    since: Instant,
}

impl<'a> Progress<'a> {
    /// A bar over `total` bytes; without a total it shows bytes done and the rate.
    pub fn bytes(console: &'a Console, verb: &str, total: Option<u64>) -> Self {
        let visible = !console.quiet() && std::io::stderr().is_terminal();
        let bar = visible.then(|| {
            let bar = ProgressBar::with_draw_target(total, ProgressDrawTarget::hidden());
            bar.set_style(style(total.is_some()));
            bar.set_message(verb.to_owned());
            bar
        });
        Self { console, bar, shown: AtomicBool::new(false), since: Instant::now() }
    }

    /// `bytes` more are done.
    pub fn add(&self, bytes: u64) {
        let Some(bar) = &self.bar else { return };
        bar.inc(bytes);
        if self.since.elapsed() >= PATIENCE && !self.shown.swap(true, Ordering::Relaxed) {
            bar.set_draw_target(ProgressDrawTarget::stderr());
            self.console.attach(Some(bar.clone()));
        }
    }

    /// The total became known, or changed.
    pub fn set_total(&self, total: u64) {
        if let Some(bar) = &self.bar {
            bar.set_length(total);
            bar.set_style(style(true));
        }
    }
}

impl Drop for Progress<'_> {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            self.console.attach(None);
            bar.finish_and_clear();
        }
    }
}

fn style(with_total: bool) -> ProgressStyle {
    let template = if with_total {
        "{msg} [{bar:30}] {bytes}/{total_bytes} {bytes_per_sec} {eta} left"
    } else {
        "{msg} {bytes} {bytes_per_sec}"
    };
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
}
