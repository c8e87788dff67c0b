//! SIGINT and SIGTERM: a run notices, cleans up, and then lets the signal end the process.

use std::fmt;
use std::fs::File;
use std::io::Read;
use std::sync::Arc;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};

static AT_ONCE: LazyLock<Arc<AtomicBool>> = LazyLock::new(|| Arc::new(AtomicBool::new(false)));
static RECEIVED: LazyLock<Arc<AtomicUsize>> = LazyLock::new(|| Arc::new(AtomicUsize::new(0)));

/// The run was asked to stop. Anything holding a temporary file removes it while this travels up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Interrupted {
    signal: i32,
}

impl fmt::Display for Interrupted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "interrupted by signal {}", self.signal)
    }
}

impl std::error::Error for Interrupted {}

/// Starts noticing signals; without this call they end the process at once, as usual. A hang-up that the process was
/// started to ignore (nohup) stays ignored.
pub(crate) fn listen() -> std::io::Result<()> {
    let hangup = (!is_ignored(SIGHUP)).then_some(SIGHUP);
    for signal in [SIGINT, SIGTERM].into_iter().chain(hangup) {
        signal_hook::flag::register_conditional_default(signal, Arc::clone(&AT_ONCE))?;
        signal_hook::flag::register_usize(signal, Arc::clone(&RECEIVED), signal as usize)?;
    }
    Ok(())
}

/// Whether whoever started this process had it ignore `signal`; where `/proc` does not tell, it is taken not to.
fn is_ignored(signal: i32) -> bool {
    // One read gives all of it; read_to_string would begin with 32 bytes, and each call costs a start some time.
    let mut status = [0; 4096];
    let length = File::open("/proc/self/status").and_then(|mut file| file.read(&mut status)).unwrap_or(0);
    let status = String::from_utf8_lossy(&status[..length]);
    let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let ignored = ignored.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or(0);
    ignored >> (signal - 1) & 1 == 1
}

/// With `true`, signals end the process at once from now on, even in the middle of a read that blocks: for a run
/// that has nothing to clean up.
pub fn end_at_once(yes: bool) {
    AT_ONCE.store(yes, Ordering::Relaxed);
}

/// An error once a signal has come in. Loops that may run long ask this between two steps.
pub fn check() -> Result<(), Interrupted> {
    match received() {
        None => Ok(()),
        Some(signal) => Err(Interrupted { signal }),
    }
}

/// The signal that came in, if any.
pub fn received() -> Option<i32> {
    match RECEIVED.load(Ordering::Relaxed) {
        0 => None,
        signal => Some(signal as i32),
    }
}

impl Interrupted {
    /// Ends the process the way the signal would have, so that the caller sees 130 or 143.
    pub(crate) fn raise(self) {
        // Only fails for signals that have no default action; these three do.
        let _ = signal_hook::low_level::emulate_default_handler(self.signal);
    }
}
