//! `pai-rotate logs`: not a line is lost, whoever is killed.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::Command;

use pai_tests::{command, tool};

use super::{Scene, empty, ensure, names};

pub(crate) struct Logs {
    folder: PathBuf,
    lines: usize,
    copies: bool,
}

impl Logs {
    /// `copies`: with `--copytruncate`.
    pub(crate) fn new(folder: &Path, size: usize, copies: bool) -> Self {
        Self { folder: folder.join("logs"), lines: 400 * size, copies }
    }

    fn line(log: &str, number: usize) -> String {
        format!("{log} line {number} {:x}\n", number.wrapping_mul(2_654_435_761))
    }

    /// All the text of a log: its copies, in the order of their names, then itself.
    fn text(&self, log: &str) -> Result<String, String> {
        let mut text = String::new();
        for name in names(&self.folder)
            .iter()
            .filter(|name| name.starts_with(log) && *name != log)
            .chain([&log.to_owned()])
        {
            let bytes = std::fs::read(self.folder.join(name)).map_err(|error| error.to_string())?;
            if name.ends_with(".gz") {
                let read = flate2::read::MultiGzDecoder::new(&bytes[..]).read_to_string(&mut text);
                read.map_err(|error| format!("{name} is not whole: {error}"))?;
            } else {
                text.push_str(&String::from_utf8_lossy(&bytes));
            }
        }
        Ok(text)
    }
}

const LOGS: [&str; 2] = ["app.log", "web.log"];

impl Scene for Logs {
    fn reset(&self) {
        empty(&self.folder);
        for log in LOGS {
            let text: Vec<String> = (0..self.lines).map(|number| Self::line(log, number)).collect();
            std::fs::write(self.folder.join(log), text.concat()).unwrap();
        }
    }

    fn command(&self) -> Command {
        let mut command = command(tool("pai-rotate"));
        command.args(["logs", "--size", "1", "."]).current_dir(&self.folder);
        if self.copies {
            command.arg("--copytruncate");
        }
        command
    }

    fn check(&self) -> Result<(), String> {
        for log in LOGS {
            let text = self.text(log)?;
            let mut rest = text.as_str();
            for number in 0..self.lines {
                let line = Self::line(log, number);
                match rest.strip_prefix(&line) {
                    Some(after) => rest = after,
                    None => ensure(text.contains(&line), || format!("lost: {line}"))?,
                }
            }
        }
        Ok(())
    }

    fn check_new(&self) -> Result<(), String> {
        self.check()?;
        let names = names(&self.folder);
        let plain = names.iter().find(|name| !LOGS.contains(&name.as_str()) && !name.ends_with(".gz"));
        ensure(plain.is_none(), || format!("{plain:?} is left over"))?;
        for log in LOGS {
            let length = std::fs::metadata(self.folder.join(log)).map_or(1, |metadata| metadata.len());
            ensure(length == 0, || format!("{log} still has {length} bytes"))?;
            // A copy that was made before the log could be emptied may be there twice.
            let count = self.text(log)?.matches(&Self::line(log, 0)).count();
            ensure(count == 1 || (self.copies && count == 2), || format!("{log} is there {count} times"))?;
        }
        Ok(())
    }
}
