//! Whether a process may still write to a file: Linux tells through `/proc/PID/fd`.

use std::fmt;
use std::fs::{self, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::Duration;

/// A file that processes we cannot look into might write to counts as settled after so long without a change.
const SETTLED: Duration = Duration::from_secs(60);

/// A writer that a file may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Writer {
    /// A process has the file open for writing.
    Seen,
    /// Processes of other users, which we cannot look into, may have it open.
    Possible,
    /// The file grew while we looked at it.
    Noticed,
}

impl fmt::Display for Writer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Seen => "a process has it open for writing",
            Self::Possible => "processes of other users may have it open for writing",
            Self::Noticed => "it grew meanwhile",
        })
    }
}

/// The writer on whose account the file must be left alone, if there is one.
pub(super) fn of(file: &Metadata) -> Option<Writer> {
    // Mounted with hidepid, /proc does not even name the processes of others.
    let mut is_all_seen = Path::new("/proc/1").exists();
    let Ok(processes) = fs::read_dir("/proc") else { return unseen(file) };
    for process in processes.filter_map(Result::ok) {
        if !process.file_name().as_encoded_bytes().iter().all(u8::is_ascii_digit) {
            continue;
        }
        match holds_for_writing(&process.path().join("fd"), file) {
            Ok(true) => return Some(Writer::Seen),
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => is_all_seen = false,
            // Not this one; or it has ended.
            Ok(false) | Err(_) => {}
        }
    }
    if is_all_seen || only_ours(file) { None } else { unseen(file) }
}

fn holds_for_writing(descriptors: &Path, file: &Metadata) -> io::Result<bool> {
    for descriptor in fs::read_dir(descriptors)?.filter_map(Result::ok) {
        let path = descriptor.path();
        // The link's own mode tells how the file was opened (proc_pid_fd(5)).
        let writes = fs::symlink_metadata(&path).is_ok_and(|link| link.mode() & 0o200 != 0);
        let is_it =
            || fs::metadata(&path).is_ok_and(|open| (open.dev(), open.ino()) == (file.dev(), file.ino()));
        if writes && is_it() {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Whether nobody but us (and root) may have opened the file for writing.
fn only_ours(file: &Metadata) -> bool {
    file.uid() == rustix::process::geteuid().as_raw() && file.mode() & 0o022 == 0
}

fn unseen(file: &Metadata) -> Option<Writer> {
    let quiet = file.modified().ok().and_then(|time| time.elapsed().ok()).unwrap_or_default();
    (quiet < SETTLED).then_some(Writer::Possible)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::File;

    #[test]
    fn an_open_writer_is_seen_and_a_reader_is_none() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        let writer = File::create(&path).unwrap();
        assert_eq!(of(&path.metadata().unwrap()), Some(Writer::Seen));
        drop(writer);
        let reader = File::open(&path).unwrap();
        assert_eq!(of(&path.metadata().unwrap()), None);
        drop(reader);
    }
}
