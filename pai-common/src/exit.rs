//! The exit codes every tool shares.

use std::process::ExitCode;

/// How a run ended. A signal is not here: the run cleans up and lets the signal end the process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// Everything asked for was done.
    Done,
    /// Done in part, or a check found a difference.
    Partial,
    /// Nothing was done: trouble, or a command line that makes no sense.
    Failed,
    /// Another run holds the lock; trying later may work (`EX_TEMPFAIL` of sysexits).
    Busy,
    /// A command the tool was asked to run ended with this code, which is passed on.
    Command(u8),
}

impl Exit {
    /// `Done` when nothing went wrong on the way, otherwise `Partial`.
    pub fn partial_if(trouble: bool) -> Self {
        if trouble { Self::Partial } else { Self::Done }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(match exit {
            Exit::Done => 0,
            Exit::Partial => 1,
            Exit::Failed => 2,
            Exit::Busy => 75,
            Exit::Command(code) => code,
        })
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
