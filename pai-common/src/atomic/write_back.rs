//! Starting to sync a large file while it is still being written, so that the last sync finds little left to do.

use std::fs::File;
use std::io;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread::{self, JoinHandle};

/// Written bytes between two syncs.
const EVERY: u64 = 16 << 20;

/// Syncs a file now and then, on a thread of its own that starts with the first need.
#[derive(Debug, Default)]
pub(super) struct WriteBack {
    waiting: u64,
    thread: Option<(SyncSender<()>, JoinHandle<io::Result<()>>)>,
}

impl WriteBack {
    /// `count` more bytes were written to `file`.
    pub(super) fn wrote(&mut self, file: &File, count: usize) {
        self.waiting += count as u64;
        if self.waiting < EVERY {
            return;
        }
        if self.thread.is_none() {
            self.thread = start(file).ok();
        }
        // A thread that is still at the last sync, or not to be had, only leaves more to the end.
        if let Some((nudge, _)) = &self.thread
            && nudge.try_send(()).is_ok()
        {
            self.waiting = 0;
        }
    }

    /// Ends the thread. The kernel tells an open file of a failed write-back once: what the thread was told must not
    /// be lost.
    pub(super) fn finish(&mut self) -> io::Result<()> {
        let Some((nudge, thread)) = self.thread.take() else { return Ok(()) };
        drop(nudge);
        thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    }
}

fn start(file: &File) -> io::Result<(SyncSender<()>, JoinHandle<io::Result<()>>)> {
    let file = file.try_clone()?;
    let (nudge, nudged) = sync_channel(1);
    let work = move || nudged.iter().try_for_each(|()| file.sync_data());
    Ok((nudge, thread::Builder::new().name("write-back".to_owned()).spawn(work)?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::fd::OwnedFd;

    #[test]
    fn what_the_early_sync_is_told_comes_out_at_the_end() {
        let mut early = WriteBack::default();
        early.wrote(&tempfile::tempfile().unwrap(), EVERY as usize);
        assert!(early.thread.is_some());
        early.finish().unwrap();

        // A pipe cannot be synced.
        let (_reader, writer) = io::pipe().unwrap();
        early.wrote(&File::from(OwnedFd::from(writer)), EVERY as usize);
        assert_eq!(early.finish().unwrap_err().kind(), io::ErrorKind::InvalidInput);
    }

    #[test]
    fn a_small_file_starts_no_thread() {
        let mut early = WriteBack::default();
        early.wrote(&tempfile::tempfile().unwrap(), EVERY as usize - 1);
        assert!(early.thread.is_none());
        early.finish().unwrap();
    }
}
