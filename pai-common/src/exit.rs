//! The exit codes every tool shares.

use std::process::ExitCode;

/// How a run ended. A signal is not here: the run cleans up and lets the signal end the process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Exit {
    /// Everything asked for was done.
    Done = 0,
    /// Done in part, or a check found a difference.
    Partial = 1,
    /// Nothing was done: trouble, or a command line that makes no sense.
    Failed = 2,
    /// Another run holds the lock; trying later may work (`EX_TEMPFAIL` of sysexits).
    Busy = 75,
}

impl Exit {
    /// `Done` when nothing went wrong on the way, otherwise `Partial`.
    pub fn partial_if(trouble: bool) -> Self {
        if trouble { Self::Partial } else { Self::Done }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

/// The paragraph about exit codes at the end of every tool's `--help`.
pub const HELP: &str = "\
Exit status:
  0    done
  1    done in part, or a check found a difference
  2    not done: trouble, or bad usage
  75   another run holds the lock
  130, 143  ended by SIGINT, SIGTERM after clean-up";
