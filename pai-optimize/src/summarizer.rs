//! `--summarizer CMD`: a section in, one line out, by a command of the user's. It may be slow, may hang, may fail; the
//! extractive line stands in for it then.

use std::collections::HashMap;
use std::fmt;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::{self, Read, Write};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use pai_common::signal;
use rustix::process::{Pid, Signal, kill_process_group};

/// A command that summarises.
#[derive(Debug, Clone)]
pub(crate) struct Summarizer {
    /// For `sh -c`.
    pub command: String,
    /// How long one call may take.
    pub timeout: Duration,
    /// The most bytes it is given; a longer section is never cut, it is summarised by our own means.
    pub max_input: u64,
}

/// Why there is no line from the command.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The section is longer than [`Summarizer::max_input`].
    TooLong(u64),
    /// It took too long and was ended.
    TimedOut(Duration),
    /// It ended like this.
    Status(ExitStatus),
    /// It wrote nothing.
    Silent,
    /// It could not be run.
    Io(io::Error),
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLong(bytes) => write!(f, "the text has {bytes} bytes, more than --summarizer-max-input"),
            Self::TimedOut(limit) => write!(f, "no answer within {} s", limit.as_secs_f64()),
            Self::Status(status) => write!(f, "it ended with {status}"),
            Self::Silent => f.write_str("it wrote nothing"),
            Self::Io(error) => write!(f, "{error}"),
        }
    }
}

/// The answers of the user's summariser in this run. A run that plans again, because somebody wrote meanwhile, does not
/// ask for them again.
#[derive(Debug, Default)]
pub(crate) struct AnswerCache(HashMap<u64, String>);

impl AnswerCache {
    /// [`Summarizer::line`], unless the same text has had its answer.
    pub(crate) fn line(
        &mut self,
        summarizer: &Summarizer,
        texts: &[&[u8]],
    ) -> Result<Result<String, Failure>, signal::Interrupted> {
        let mut hasher = DefaultHasher::new();
        texts.hash(&mut hasher);
        let key = hasher.finish();
        if let Some(line) = self.0.get(&key) {
            return Ok(Ok(line.clone()));
        }
        let answer = summarizer.line(texts)?;
        if let Ok(line) = &answer {
            self.0.insert(key, line.clone());
        }
        Ok(answer)
    }
}

/// What is read of an answer; a line needs a thousandth of it.
const MOST: u64 = 64 << 10;

impl Summarizer {
    /// The command's answer to `texts` on one line. A signal to us ends it too (the outer error).
    pub(crate) fn line(&self, texts: &[&[u8]]) -> Result<Result<String, Failure>, signal::Interrupted> {
        let length: u64 = texts.iter().map(|text| text.len() as u64).sum();
        if length > self.max_input {
            return Ok(Err(Failure::TooLong(length)));
        }
        let child = Command::new("sh")
            .args(["-c", &self.command])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .process_group(0)
            .spawn();
        match child {
            Ok(child) => self.converse(child, texts),
            Err(error) => Ok(Err(Failure::Io(error))),
        }
    }

    fn converse(
        &self,
        mut child: Child,
        texts: &[&[u8]],
    ) -> Result<Result<String, Failure>, signal::Interrupted> {
        let (stdin, stdout) = (child.stdin.take(), child.stdout.take());
        thread::scope(|scope| {
            // A command may answer before it has read everything: that is its right.
            scope.spawn(move || {
                stdin.is_some_and(|mut pipe| texts.iter().all(|text| pipe.write_all(text).is_ok()))
            });
            let answer = scope.spawn(move || {
                let mut bytes = Vec::new();
                let Some(pipe) = stdout else { return bytes };
                let mut limited = pipe.take(MOST);
                let _ = limited.read_to_end(&mut bytes);
                // What is past the limit is read and dropped, so that the command can end.
                let _ = io::copy(&mut limited.into_inner(), &mut io::sink());
                bytes
            });
            let ended = self.wait(&mut child);
            // Whatever it left running would keep the pipes open.
            end_group(&child);
            let bytes = answer.join().unwrap_or_default();
            let status = match ended? {
                Err(failure) => return Ok(Err(failure)),
                Ok(status) => status,
            };
            let text = String::from_utf8_lossy(&bytes);
            let line: Vec<&str> = text.split(|c: char| c.is_whitespace() || c.is_control()).collect();
            let line = line.into_iter().filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ");
            Ok(match (status.success(), line.is_empty()) {
                (false, _) => Err(Failure::Status(status)),
                (true, true) => Err(Failure::Silent),
                (true, false) => Ok(line),
            })
        })
    }

    fn wait(&self, child: &mut Child) -> Result<Result<ExitStatus, Failure>, signal::Interrupted> {
        let deadline = Instant::now() + self.timeout;
        let mut pause = Duration::from_millis(1);
        loop {
            let interrupted = signal::check();
            let late = Instant::now() >= deadline;
            if interrupted.is_err() || late {
                end_group(child);
                let _ = child.wait();
                return interrupted.map(|()| Err(Failure::TimedOut(self.timeout)));
            }
            match child.try_wait() {
                Ok(Some(status)) => return Ok(Ok(status)),
                Ok(None) => thread::sleep(pause),
                Err(error) => return Ok(Err(Failure::Io(error))),
            }
            pause = (pause * 2).min(Duration::from_millis(50));
        }
    }
}

fn end_group(child: &Child) {
    if let Some(group) = Pid::from_raw(child.id() as i32) {
        let _ = kill_process_group(group, Signal::KILL);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(command: &str, texts: &[&[u8]]) -> Result<String, String> {
        let summarizer =
            Summarizer { command: command.into(), timeout: Duration::from_millis(300), max_input: 1 << 20 };
        summarizer.line(texts).unwrap().map_err(|failure| failure.to_string())
    }

    #[test]
    fn a_command_s_words_become_one_line() {
        assert_eq!(ask("tr a-z A-Z", &[b"one\ntwo\n", b" three"]).unwrap(), "ONE TWO THREE");
        assert_eq!(ask("echo answer", &[&vec![b'x'; 1 << 20]]).unwrap(), "answer");
    }

    #[test]
    fn every_failure_is_told() {
        for (command, told) in [
            ("exit 3", "it ended with exit status: 3"),
            ("true", "it wrote nothing"),
            ("sleep 60; echo late", "no answer within 0.3 s"),
            ("sleep 60 & sleep 60", "no answer within 0.3 s"),
        ] {
            assert_eq!(ask(command, &[b"x"]).unwrap_err(), told, "{command}");
        }
        let long = ask("cat", &[&vec![b'x'; (1 << 20) + 1]]).unwrap_err();
        assert!(long.contains("--summarizer-max-input"), "{long}");
    }

    #[test]
    fn a_child_left_behind_does_not_keep_us_waiting() {
        assert_eq!(ask("sleep 60 & echo done", &[b"x"]).unwrap(), "done");
        assert!(ask("yes", &[b"x"]).is_err());
    }
}
