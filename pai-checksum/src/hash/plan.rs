//! Who hashes what, and in which order.

use std::cmp::Reverse;
use std::num::NonZeroUsize;

use pai_common::sha256;
use rustix::process::{Resource, getrlimit};

use crate::input::Input;
use crate::stamp::Stamp;

/// Less than this is done before a second thread has started.
const WORTH_A_THREAD: u64 = 1 << 20;

/// Long files start first, but none waits for more than this many that stand behind it.
const WINDOW: usize = 1024;

/// Which thread hashes which inputs.
pub(super) struct Plan {
    /// The inputs for the workers, in the order in which they start.
    pub(super) order: Vec<usize>,
    /// The stamp of each regular file: those the workers hash.
    pub(super) stamps: Vec<Option<Stamp>>,
    pub(super) bytes: u64,
    /// Workers; none if the calling thread does everything.
    pub(super) threads: usize,
    /// How many files a thread holds open.
    pub(super) width: usize,
}

impl Plan {
    pub(super) fn new(inputs: &[Input], jobs: Option<NonZeroUsize>) -> Self {
        let stamp = |input: &Input| {
            let metadata = std::fs::metadata(input.path.as_deref()?).ok()?;
            metadata.is_file().then(|| Stamp::of(&metadata))
        };
        if let [_] = inputs {
            // Nothing to plan, and to ask for cores and limits takes longer than to hash a small file.
            return Self { order: Vec::new(), stamps: vec![None], bytes: 0, threads: 0, width: 1 };
        }
        let stamps: Vec<Option<Stamp>> = inputs.iter().map(stamp).collect();
        let bytes = stamps.iter().flatten().map(|stamp| stamp.size).sum();
        let mut order: Vec<usize> = (0..inputs.len()).filter(|&n| stamps[n].is_some()).collect();
        for window in order.chunks_mut(WINDOW) {
            window.sort_by_key(|&n| Reverse(stamps[n].map(|stamp| stamp.size)));
        }
        let files = open_files();
        let jobs = match jobs {
            _ if bytes < WORTH_A_THREAD => 1,
            Some(jobs) => usize::from(jobs).min(files),
            None => std::thread::available_parallelism().map_or(1, usize::from).min(files),
        };
        let width = sha256::width(order.len(), jobs).min(files / jobs);
        let threads = if order.len() < 2 { 0 } else { jobs.min(order.len().div_ceil(width)) };
        Self { order, stamps, bytes, threads, width }
    }
}

/// How many files may be open at once, less some for the rest of the process.
fn open_files() -> usize {
    let limit = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
    usize::try_from(limit).unwrap_or(usize::MAX).saturating_sub(10).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn inputs(sizes: &[u64]) -> (tempfile::TempDir, Vec<Input>) {
        let folder = tempfile::tempdir().unwrap();
        let input = |(n, size): (usize, &u64)| {
            let name = n.to_string();
            std::fs::File::create(folder.path().join(&name)).unwrap().set_len(*size).unwrap();
            Input::file(name.into_bytes(), folder.path())
        };
        let inputs = sizes.iter().enumerate().map(input).collect();
        (folder, inputs)
    }

    #[test]
    fn long_files_start_first_and_what_is_no_file_is_left_out() {
        let (folder, mut inputs) = inputs(&[1, 5 << 20, 3, 9 << 20]);
        inputs.insert(1, Input::named(b"-".to_vec(), folder.path()));
        inputs.push(Input::named(b"gone".to_vec(), folder.path()));
        inputs.push(Input::named(b".".to_vec(), folder.path()));
        let plan = Plan::new(&inputs, NonZeroUsize::new(2));
        assert_eq!(plan.order, [4, 2, 3, 0]);
        assert_eq!(plan.bytes, (14 << 20) + 4);
    }

    #[test]
    fn no_more_threads_are_started_than_there_is_work_for() {
        for (sizes, jobs, threads) in [
            (&[10, 10][..], 2, 1),
            (&[1 << 20][..], 2, 0),
            (&[1 << 20, 1 << 20], 2, 2),
            (&[1 << 20, 1 << 20], 1, 1),
            (&[1 << 20; 3], 64, 3),
        ] {
            let (_folder, inputs) = inputs(sizes);
            let plan = Plan::new(&inputs, NonZeroUsize::new(jobs));
            assert_eq!(plan.threads, threads, "{sizes:?} with {jobs} jobs");
            assert!(plan.width >= 1);
        }
    }
}
