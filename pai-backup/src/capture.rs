//! `capture`: what a command prints becomes a file, if the command ends well; otherwise nothing happened.
//!
//! `pg_dump db | gzip > file` leaves a small valid gzip when `pg_dump` fails. Here the command's exit status,
//! that it printed something, and how it ended decide before the file gets its name.

use std::io::{self, Read, Write};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, bail};
use pai_common::atomic::{self, AtomicFile};
use pai_common::clock::{Timestamp, Zone};
use pai_common::exit::Exit;
use pai_common::home::ensure_private_folder;
use pai_common::output::Output;
use pai_common::progress::Progress;
use pai_common::signal;
use pai_common::stamp;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process, waitid};

use crate::Context;
use crate::archive::member::{Sealer, read_full};
use crate::cli::{Capture, StampForm};
use crate::create::DEFAULT_LEVEL;
use crate::crypt::{self, Recipients, SealWriter};
use crate::pipeline::{self, Stopped};
use crate::shelf;

/// How much of the end `--expect-tail` looks at: newer `pg_dump`s print a line after their footer.
const TAIL: usize = 4096;
const CHUNK: usize = 1 << 20;
const PATIENCE: Duration = Duration::from_millis(50);

/// Runs `capture`.
pub(crate) fn run(args: &Capture, run: &Context<'_>) -> anyhow::Result<Exit> {
    let shelf = run.shelf(None)?;
    let folder = shelf.folder();
    ensure_private_folder(folder)?;
    let prefix = run.place.prefix.as_bytes();
    atomic::remove_abandoned(folder, |name| name.starts_with(prefix) && name.ends_with(args.ext.as_bytes()))?;
    let target = target(args, folder, run)?;
    let named = Recipients::named(&args.seal.recipient, &args.seal.recipients_file)?;
    let recipients = crypt::for_name(&target, named)?;
    let context = || format!("could not write {}", target.display());
    let mut out = Destination::new(AtomicFile::create(&target, 0o600)?, recipients).with_context(context)?;

    let mut child = spawn(args)?;
    let progress = Progress::bytes(run.console, "capturing", None);
    let (seen, status) = watch(&mut child, |stdout| copy(stdout, &mut out, args, run.threads(), &progress))?;
    drop(progress);
    signal::check()?;
    let seen = seen.with_context(context)?;
    if !status.success() {
        run.console.complain(format_args!("{} {}: nothing was kept", shown(args), ending(status)));
        return Ok(code(status));
    }
    seen.check(args)?;
    out.finish().with_context(context)?.commit()?;
    let mut out = Output::stdout(false);
    out.line(target.as_os_str().as_encoded_bytes())?;
    out.finish()?;
    Ok(Exit::Done)
}

/// Where the output goes: into the file, or sealed on the way.
enum Destination {
    Plain(AtomicFile),
    Sealed(Box<SealWriter<AtomicFile>>),
}

impl Destination {
    fn new(file: AtomicFile, recipients: Option<Recipients>) -> io::Result<Self> {
        Ok(match recipients {
            None => Self::Plain(file),
            Some(to) => Self::Sealed(Box::new(SealWriter::new(file, &to)?)),
        })
    }

    fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        match self {
            Self::Plain(file) => file.write_all(bytes),
            Self::Sealed(sealer) => sealer.write_all(bytes),
        }
    }

    fn finish(self) -> io::Result<AtomicFile> {
        match self {
            Self::Plain(file) => Ok(file),
            Self::Sealed(sealer) => sealer.finish(),
        }
    }
}

fn target(args: &Capture, folder: &Path, run: &Context<'_>) -> anyhow::Result<PathBuf> {
    let now = run.clock.now();
    let name = |time: Timestamp| {
        let stamp = match args.stamp {
            StampForm::Second => stamp::compact(time, Zone::Local),
            StampForm::Date => time.civil(Zone::Local).date(),
        };
        format!("{}{stamp}{}", run.place.prefix, args.ext)
    };
    if args.stamp == StampForm::Date {
        return Ok(folder.join(name(now)));
    }
    shelf::first_free(now, |time| folder.join(name(time)))
}

fn spawn(args: &Capture) -> anyhow::Result<Child> {
    let [program, rest @ ..] = &args.command[..] else { bail!("no command to run") };
    Command::new(program)
        .args(rest)
        .stdout(Stdio::piped())
        .spawn()
        .with_context(|| format!("could not run {}", program.to_string_lossy()))
}

/// Reads the command's output with `read` and waits for its end, and passes a SIGTERM on to it meanwhile: it
/// may print nothing for an hour, and must not outlive us.
fn watch<T>(
    child: &mut Child,
    read: impl FnOnce(CommandOutput<'_>) -> anyhow::Result<T>,
) -> anyhow::Result<(anyhow::Result<T>, ExitStatus)> {
    let pipe = child.stdout.take().context("the command's stdout is not piped")?;
    let pid = Pid::from_child(child);
    let (done, is_over) = (AtomicBool::new(false), AtomicBool::new(false));
    thread::scope(|scope| {
        scope.spawn(|| {
            let mut told = false;
            while !done.load(Ordering::Relaxed) {
                if signal::received().is_some() {
                    if !told {
                        // It may have ended by itself.
                        let _ = kill_process(pid, Signal::TERM);
                        told = true;
                    }
                    is_over.store(has_ended(pid), Ordering::Relaxed);
                }
                thread::sleep(PATIENCE);
            }
        });
        let outcome = read(CommandOutput { pipe, is_over: &is_over });
        if outcome.is_err() {
            // Nobody reads its output any more; it must not run on.
            let _ = child.kill();
        }
        let status = child.wait();
        done.store(true, Ordering::Relaxed);
        Ok((outcome, status.context("could not wait for the command")?))
    })
}

/// Whether a child has ended; it is still there to be waited for.
fn has_ended(pid: Pid) -> bool {
    let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
    !matches!(waitid(WaitId::Pid(pid), options), Ok(None))
}

/// What a command prints, up to its end. Once it was ended by a signal nothing more is waited for: what it has started
/// may hold the pipe for long.
struct CommandOutput<'a> {
    pipe: ChildStdout,
    is_over: &'a AtomicBool,
}

impl Read for CommandOutput<'_> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let patience = Timespec { tv_sec: 0, tv_nsec: PATIENCE.as_nanos() as i64 };
        loop {
            match poll(&mut [PollFd::new(&self.pipe, PollFlags::IN)], Some(&patience))? {
                0 if self.is_over.load(Ordering::Relaxed) => return Ok(0),
                0 => {}
                _ => return self.pipe.read(buf),
            }
        }
    }
}

/// What went by.
#[derive(Debug, Default)]
struct Seen {
    bytes: u64,
    tail: Vec<u8>,
}

impl Seen {
    fn take(&mut self, chunk: &[u8]) {
        self.bytes += chunk.len() as u64;
        self.tail.extend_from_slice(&chunk[chunk.len().saturating_sub(TAIL)..]);
        let surplus = self.tail.len().saturating_sub(TAIL);
        self.tail.drain(..surplus);
    }

    fn check(&self, args: &Capture) -> anyhow::Result<()> {
        if self.bytes == 0 {
            bail!("{} printed nothing: nothing was kept", shown(args));
        }
        if let Some(expected) = args.expect_tail.as_deref().map(str::as_bytes)
            && !expected.is_empty()
            && !self.tail.windows(expected.len()).any(|window| window == expected)
        {
            bail!(
                "the output of {} does not end with {:?}: nothing was kept",
                shown(args),
                String::from_utf8_lossy(expected)
            );
        }
        Ok(())
    }
}

/// Copies the output to the file, compressed on all cores if the name says so.
fn copy(
    mut stdout: impl Read + Send,
    out: &mut Destination,
    args: &Capture,
    threads: usize,
    progress: &Progress<'_>,
) -> anyhow::Result<Seen> {
    let compress = args.ext.strip_suffix(crypt::END).unwrap_or(&args.ext).ends_with(".gz");
    let level = args.level.unwrap_or(DEFAULT_LEVEL);
    pipeline::ordered(
        if compress { threads } else { 1 },
        |submit| {
            let mut seen = Seen::default();
            loop {
                let mut chunk = vec![0; CHUNK];
                let count = read_full(&mut stdout, &mut chunk)?;
                chunk.truncate(count);
                seen.take(&chunk);
                progress.add(count as u64);
                if count == 0 || submit.submit(chunk) == Err(Stopped) {
                    return Ok(seen);
                }
            }
        },
        || Sealer::new(level),
        |sealer, chunk: Vec<u8>| if compress { sealer.gzip(&chunk) } else { chunk },
        |bytes| Ok(out.write_all(&bytes)?),
    )
}

fn shown(args: &Capture) -> String {
    args.command.first().map(|program| program.to_string_lossy().into_owned()).unwrap_or_default()
}

fn ending(status: ExitStatus) -> String {
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("ended with exit status {code}"),
        (None, Some(signal)) => format!("was ended by signal {signal}"),
        (None, None) => "did not end well".to_owned(),
    }
}

/// The command's own status, as a shell would pass it on.
fn code(status: ExitStatus) -> Exit {
    let code = status.code().or_else(|| status.signal().map(|signal| 128 + signal)).unwrap_or(2);
    Exit::Command(u8::try_from(code).unwrap_or(2))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tail_is_the_last_four_kibibytes_however_they_came() {
        for step in [1, 1000, 5000, 20_000] {
            let data: Vec<u8> = (0..20_000u32).map(|n| n as u8).collect();
            let mut seen = Seen::default();
            data.chunks(step).for_each(|chunk| seen.take(chunk));
            assert_eq!((seen.bytes, &seen.tail[..]), (20_000, &data[20_000 - TAIL..]), "{step}");
        }
    }
}
