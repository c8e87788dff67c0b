//! A store behind rclone: SFTP, `WebDAV`, Google Drive and whatever else it knows. Each request is a run of rclone.

use std::io::Write;
use std::process::{Command, Output, Stdio};

use pai_common::clock::Timestamp;
use serde::Deserialize;

use super::backend::{Answer, Backend, Kind, Object, StoreError};

/// What rclone's manual says of its exit status.
const NO_FOLDER: i32 = 3;
const NO_FILE: i32 = 4;

/// A folder of an rclone remote.
#[derive(Debug)]
pub(crate) struct Rclone {
    remote: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Row {
    path: String,
    size: i64,
    mod_time: String,
}

impl Rclone {
    /// `REMOTE:PATH`, as rclone takes it.
    pub(crate) fn new(remote: &str) -> Self {
        Self { remote: remote.trim_end_matches('/').to_owned() }
    }

    fn path(&self, name: &str) -> String {
        let slash = if self.remote.ends_with(':') { "" } else { "/" };
        format!("{}{slash}{name}", self.remote)
    }

    fn run(&self, args: &[&str], name: &str, input: Option<&[u8]>) -> Answer<Output> {
        let cannot = |error: std::io::Error| {
            StoreError::new(Kind::Lasting, format_args!("could not run rclone: {error}"))
        };
        // We try again ourselves, and count.
        let mut child = Command::new("rclone")
            .args(["--retries", "1", "--low-level-retries", "1"])
            .args(args)
            .arg(self.path(name))
            .stdin(if input.is_some() { Stdio::piped() } else { Stdio::null() })
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(cannot)?;
        let stdin = child.stdin.take();
        let output = std::thread::scope(|scope| {
            if let (Some(mut stdin), Some(input)) = (stdin, input) {
                // If rclone ends before it has read all, its exit status says why.
                scope.spawn(move || stdin.write_all(input));
            }
            child.wait_with_output().map_err(cannot)
        })?;
        if output.status.success() {
            return Ok(output);
        }
        let kind = match output.status.code() {
            Some(NO_FOLDER | NO_FILE) => Kind::Missing,
            _ => Kind::Passing,
        };
        let said = String::from_utf8_lossy(&output.stderr);
        let last = said.trim().lines().last().unwrap_or("it said nothing");
        Err(StoreError::new(
            kind,
            format_args!("could not do rclone {} {}: {last}", args[0], self.path(name)),
        ))
    }
}

impl Backend for Rclone {
    fn get(&self, name: &str, offset: u64, limit: u64) -> Answer<Vec<u8>> {
        let (offset, count) = (offset.to_string(), limit.min(i64::MAX as u64).to_string());
        Ok(self.run(&["cat", "--offset", &offset, "--count", &count], name, None)?.stdout)
    }

    fn put(&self, name: &str, bytes: &[u8]) -> Answer<()> {
        self.run(&["rcat"], name, Some(bytes)).map(drop)
    }

    fn list(&self, folder: &str) -> Answer<Vec<Object>> {
        let output = match self.run(&["lsjson", "--recursive", "--files-only"], folder, None) {
            Err(error) if error.kind == Kind::Missing => return Ok(Vec::new()),
            other => other?,
        };
        let bad = |why: &dyn std::fmt::Display| {
            StoreError::new(Kind::Lasting, format_args!("could not read rclone's listing of {folder}: {why}"))
        };
        let rows: Vec<Row> = serde_json::from_slice(&output.stdout).map_err(|error| bad(&error))?;
        let objects = rows.into_iter().map(|row| {
            let modified = Timestamp::parse(&row.mod_time).map_err(|error| bad(&error))?;
            Ok(Object { name: format!("{folder}/{}", row.path), size: row.size.max(0) as u64, modified })
        });
        let mut found = objects.collect::<Answer<Vec<_>>>()?;
        found.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(found)
    }

    fn delete(&self, name: &str) -> Answer<()> {
        match self.run(&["deletefile"], name, None) {
            Err(error) if error.kind != Kind::Missing => Err(error),
            _ => Ok(()),
        }
    }
}
