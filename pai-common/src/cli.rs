//! How a tool starts and ends: parse, run, exit code.

mod near;

use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::builder::{OsStringValueParser, TypedValueParser};
use clap::error::ErrorKind;
use clap::{Args, Parser, ValueHint};

use crate::clock::{Clock, Timestamp};
use crate::console::Console;
use crate::exit::Exit;
use crate::hint::Hinted;
use crate::home::Home;
use crate::lock::Busy;
use crate::output::{Closed, stdout_result};
use crate::signal::{self, Interrupted};

/// The switches that mean the same in every tool that takes them.
#[derive(Debug, Clone, Default, Args)]
pub struct Common {
    /// Say nothing but errors
    #[arg(short, long, global = true)]
    pub quiet: bool,

    /// Say more about what is done
    #[arg(short, long, global = true, conflicts_with = "quiet")]
    pub verbose: bool,
}

/// The instant a run takes for now.
#[derive(Debug, Clone, Default, Args)]
pub struct Now {
    /// Take this instant (RFC 3339) for now: "what would happen on"
    #[arg(long, global = true, env = "PAI_NOW", value_name = "INSTANT", value_parser = Timestamp::parse)]
    pub now: Option<Timestamp>,
}

impl Now {
    /// The clock this run goes by.
    pub fn clock(&self) -> Clock {
        Clock::new(self.now)
    }
}

/// The workspace a run is about.
#[derive(Debug, Clone, Default, PartialEq, Eq, Args)]
pub struct Workspace {
    /// The workspace
    // An empty PAI_HOME passes here: `Home::resolve` says of it what is wrong, with the variable's name.
    #[arg(long, global = true, env = "PAI_HOME", value_name = "DIR", value_hint = ValueHint::DirPath,
          value_parser = OsStringValueParser::new().map(PathBuf::from))]
    pub home: Option<PathBuf>,
}

impl Workspace {
    /// The workspace folder. It is an error if the folder does not exist.
    pub fn resolve(&self) -> anyhow::Result<Home> {
        Home::resolve(self.home.as_deref())
    }
}

/// Runs a tool from its command line to its exit code. `common` picks the shared switches out of `A`.
pub fn run<A: Parser>(
    tool: &'static str,
    common: impl Fn(&A) -> Common,
    body: impl FnOnce(&A, &Console) -> anyhow::Result<Exit>,
) -> ExitCode {
    let args = match A::try_parse() {
        Ok(args) => args,
        Err(error) => {
            let code = print_usage(tool, &error);
            // Of a command that clap knows to be one it says so itself.
            if error.use_stderr() && error.kind() != ErrorKind::InvalidSubcommand {
                hint_at_command::<A>(&Console::new(tool, false, false));
            }
            return code;
        }
    };
    let Common { quiet, verbose } = common(&args);
    let console = Console::new(tool, quiet, verbose);
    if let Err(error) = signal::listen() {
        console.warn(format_args!("could not listen for signals: {error}"));
    }
    let exit = conclude(&console, body(&args, &console));
    if matches!(exit, Exit::Partial | Exit::Failed) {
        hint_at_command::<A>(&console);
    }
    exit.into()
}

/// Hints at a command of a similar name, in case the failure began with a mistyped command.
fn hint_at_command<A: Parser>(console: &Console) {
    let first = std::env::args_os().nth(1).and_then(|first| first.into_string().ok());
    if let Some(hint) = first.and_then(|first| near::meant::<A>(&first)) {
        console.warn(format_args!("hint: {hint}"));
    }
}

/// Prints clap's message: help and version to stdout with status 0, bad usage to stderr with status 2.
fn print_usage(tool: &'static str, error: &clap::Error) -> ExitCode {
    let printed = stdout_result(error.print().and_then(|()| io::stdout().flush()));
    match printed {
        Err(trouble) if !error.use_stderr() => {
            conclude(&Console::new(tool, false, false), Err(trouble)).into()
        }
        _ => ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2)),
    }
}

fn conclude(console: &Console, result: anyhow::Result<Exit>) -> Exit {
    let error = match result {
        Ok(exit) => return exit,
        Err(error) => error,
    };
    if error.chain().any(<dyn std::error::Error>::is::<Closed>) {
        // `... | head` has read enough: that is no failure.
        return Exit::Done;
    }
    if let Some(interrupted) = error.chain().find_map(|cause| cause.downcast_ref::<Interrupted>()) {
        interrupted.raise();
        return Exit::Failed;
    }
    console.complain(format_args!("{error:#}"));
    if let Some(hinted) = error.chain().find_map(|cause| cause.downcast_ref::<Hinted>()) {
        console.warn(format_args!("hint: {}", hinted.hint()));
    }
    if error.chain().any(<dyn std::error::Error + 'static>::is::<Busy>) { Exit::Busy } else { Exit::Failed }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn conclude_with(error: impl Into<anyhow::Error>) -> Exit {
        conclude(&Console::new("pai-test", false, false), Err(error.into()))
    }

    #[test]
    fn errors_end_with_their_documented_code() {
        assert_eq!(conclude_with(anyhow::anyhow!("could not read a")), Exit::Failed);
        assert_eq!(conclude_with(anyhow::Error::from(Closed).context("printing")), Exit::Done);
        let busy = Busy { folder: "/x".into() };
        assert_eq!(conclude_with(anyhow::Error::from(busy).context("locking")), Exit::Busy);
    }
}
