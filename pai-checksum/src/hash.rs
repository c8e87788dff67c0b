//! Hashes many inputs on all cores and hands over the outcomes in the order of the inputs.
//!
//! Regular files go to worker threads, several to a thread where the CPU hashes several streams at once. What
//! may block or depends on its neighbours (pipes, terminals, standard input) is hashed by the calling thread
//! when its turn comes, as sha256sum would.

use std::cmp::Reverse;
use std::fs::{File, Metadata};
use std::io::{self, BufRead, BufReader, Read};
use std::os::fd::AsFd;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TryRecvError, sync_channel};
use std::time::{Duration, SystemTime};

use pai_common::progress::Progress;
use pai_common::sha256::{self, Digest};
use rustix::process::{Resource, getrlimit};

use crate::input::Input;

/// One buffer of each open file: all those of a thread together stay within a core's second-level cache.
const BUFFER: usize = 32 << 10;

/// Clocks of file systems tick: a second write within this time may leave the same mtime.
const TICK: Duration = Duration::from_millis(20);

/// Less than this is done before a second thread has started.
const WORTH_A_THREAD: u64 = 1 << 20;

/// Long files start first, but none waits for more than this many that stand behind it.
const WINDOW: usize = 1024;

/// What a file system tells about a regular file; equal stamps mean that it was not written to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stamp {
    /// Bytes.
    pub size: u64,
    /// Last write: seconds and nanoseconds since the epoch.
    pub mtime: (i64, i64),
    /// Last change of the file or what is known of it.
    pub ctime: (i64, i64),
}

impl Stamp {
    /// The stamp of a regular file.
    pub fn of(metadata: &Metadata) -> Self {
        Self {
            size: metadata.size(),
            mtime: (metadata.mtime(), metadata.mtime_nsec()),
            ctime: (metadata.ctime(), metadata.ctime_nsec()),
        }
    }

    /// Whether the content was not written to between the two, as far as the file system tells.
    pub fn same_content(&self, other: &Self) -> bool {
        self.size == other.size && self.mtime == other.mtime
    }
}

/// What became of an input that could be read to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Hashed {
    /// Its SHA-256.
    pub digest: Digest,
    /// How many bytes were hashed.
    pub bytes: u64,
    /// For a regular file, what it looked like before; not if it had only just been written to, when one more write
    /// could leave no trace in it.
    pub stamp: Option<Stamp>,
    /// Whether it looked different afterwards: then the digest is that of no state it ever had, perhaps.
    pub changed: bool,
}

/// What takes the outcomes, in the order of the inputs.
pub trait Sink {
    /// The outcome of input number `n`. An error ends the run.
    fn take(&mut self, n: usize, outcome: io::Result<Hashed>) -> anyhow::Result<()>;

    /// The next outcome is not there yet: a good moment to show what there is.
    fn wait(&mut self) -> anyhow::Result<()> {
        Ok(())
    }
}

/// Hashes `inputs` with at most `jobs` threads.
pub fn in_order(
    inputs: &[Input],
    jobs: usize,
    progress: &Progress<'_>,
    sink: &mut impl Sink,
) -> anyhow::Result<()> {
    let plan = Plan::new(inputs, jobs);
    progress.set_total(plan.bytes);
    let desk = Desk { inputs, progress, stopped: AtomicBool::new(false) };
    if plan.threads == 0 {
        return inputs.iter().enumerate().try_for_each(|(n, input)| {
            sink.wait()?;
            sink.take(n, desk.hash(input))
        });
    }
    let next = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        // A worker that is far ahead waits here, so that outcomes do not pile up behind a pipe that is slow.
        let (sender, outcomes) = sync_channel(64 * WINDOW);
        for _ in 0..plan.threads {
            let (sender, plan, desk, next) = (sender.clone(), &plan, &desk, &next);
            scope.spawn(move || desk.work(plan, next, &sender));
        }
        drop(sender);
        let result = desk.deliver(&plan, &outcomes, sink);
        // After an error the workers learn that nobody listens, at the next read or outcome.
        desk.stopped.store(true, Ordering::Relaxed);
        drop(outcomes);
        result
    })
}

/// The number of threads without `--jobs`.
pub fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// Who hashes what.
struct Plan {
    /// The inputs for the workers, in the order in which they start.
    order: Vec<usize>,
    /// For each input whether a worker hashes it.
    parallel: Vec<bool>,
    bytes: u64,
    threads: usize,
    /// How many files a thread holds open.
    width: usize,
}

impl Plan {
    fn new(inputs: &[Input], jobs: usize) -> Self {
        let size = |input: &Input| {
            let metadata = std::fs::metadata(input.path.as_deref()?).ok()?;
            metadata.is_file().then_some(metadata.size())
        };
        let sizes: Vec<Option<u64>> = inputs.iter().map(size).collect();
        let bytes = sizes.iter().flatten().sum();
        let mut order: Vec<usize> = (0..inputs.len()).filter(|&n| sizes[n].is_some()).collect();
        for window in order.chunks_mut(WINDOW) {
            window.sort_by_key(|&n| Reverse(sizes[n]));
        }
        let files = open_files();
        let jobs = if bytes < WORTH_A_THREAD { 1 } else { jobs.min(files) };
        let width = sha256::width(order.len(), jobs).min(files / jobs);
        let threads = if order.len() < 2 { 0 } else { jobs.min(order.len().div_ceil(width)) };
        Self { order, parallel: sizes.iter().map(Option::is_some).collect(), bytes, threads, width }
    }
}

/// How many files may be open at once, less some for the rest of the process.
fn open_files() -> usize {
    let limit = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
    usize::try_from(limit).unwrap_or(usize::MAX).saturating_sub(10).max(1)
}

type Outcome = (usize, io::Result<Hashed>);

struct Desk<'a> {
    inputs: &'a [Input],
    progress: &'a Progress<'a>,
    stopped: AtomicBool,
}

impl Desk<'_> {
    /// A worker: takes files in the order of the plan until none is left.
    fn work(&self, plan: &Plan, next: &AtomicUsize, outcomes: &SyncSender<Outcome>) {
        let take = || loop {
            let n = *plan.order.get(next.fetch_add(1, Ordering::Relaxed))?;
            match self.open(self.inputs[n].path.as_deref()?) {
                Ok(reader) => return Some((n, reader)),
                // This thread ends what it has begun; the file is left to the caller's thread.
                Err(error) if error.raw_os_error() == Some(TOO_MANY_OPEN) => return None,
                Err(error) => outcomes.send((n, Err(error))).ok()?,
            }
        };
        // An error means that nobody listens any more.
        let _ = sha256::digest_streams(plan.width, take, |n, reader, digest| {
            outcomes.send((n, digest.and_then(|digest| reader.conclude(digest))))
        });
    }

    /// Puts the outcomes in order, and hashes here what the workers did not.
    fn deliver(&self, plan: &Plan, outcomes: &Receiver<Outcome>, sink: &mut impl Sink) -> anyhow::Result<()> {
        let mut arrived: Vec<Option<io::Result<Hashed>>> = (0..self.inputs.len()).map(|_| None).collect();
        for (n, input) in self.inputs.iter().enumerate() {
            while plan.parallel[n] && arrived[n].is_none() {
                let outcome = match outcomes.try_recv() {
                    Err(TryRecvError::Empty) => {
                        sink.wait()?;
                        outcomes.recv().ok()
                    }
                    other => other.ok(),
                };
                let Some((n, outcome)) = outcome else { break };
                arrived[n] = Some(outcome);
            }
            let outcome = if let Some(outcome) = arrived[n].take() {
                outcome
            } else {
                sink.wait()?;
                self.hash(input)
            };
            sink.take(n, outcome)?;
        }
        Ok(())
    }

    /// One input, on this thread.
    fn hash(&self, input: &Input) -> io::Result<Hashed> {
        let reader = match &input.path {
            Some(path) => self.open(path)?,
            // A duplicate shares the offset: we start where the shell left it, and leave it at the end.
            None => Reader::new(File::from(io::stdin().as_fd().try_clone_to_owned()?), self)?,
        };
        let mut reader = Some(reader);
        let mut hashed = Err(io::ErrorKind::UnexpectedEof.into());
        let _ = sha256::digest_streams(
            1,
            || reader.take().map(|reader| ((), reader)),
            |(), reader, digest| {
                hashed = digest.and_then(|digest| reader.conclude(digest));
                Ok::<(), std::convert::Infallible>(())
            },
        );
        hashed
    }

    fn open(&self, path: &Path) -> io::Result<Reader<'_>> {
        Reader::new(File::open(path)?, self)
    }
}

const TOO_MANY_OPEN: i32 = rustix::io::Errno::MFILE.raw_os_error();

/// An open file that counts what it reads and stops when the run is over.
struct Reader<'a> {
    file: BufReader<File>,
    before: Option<Stamp>,
    settled: bool,
    bytes: u64,
    desk: &'a Desk<'a>,
}

impl<'a> Reader<'a> {
    fn new(file: File, desk: &'a Desk<'a>) -> io::Result<Self> {
        let metadata = file.metadata()?;
        let before = metadata.is_file().then(|| Stamp::of(&metadata));
        let settled = metadata.modified().is_ok_and(|mtime| mtime + TICK < SystemTime::now());
        Ok(Self { file: BufReader::with_capacity(BUFFER, file), before, settled, bytes: 0, desk })
    }

    fn conclude(self, digest: Digest) -> io::Result<Hashed> {
        let changed = match &self.before {
            Some(before) => !before.same_content(&Stamp::of(&self.file.get_ref().metadata()?)),
            None => false,
        };
        Ok(Hashed { digest, bytes: self.bytes, stamp: self.before.filter(|_| self.settled), changed })
    }
}

impl Read for Reader<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.file.read(buffer)
    }
}

impl BufRead for Reader<'_> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.file.buffer().is_empty() {
            if self.desk.stopped.load(Ordering::Relaxed) {
                return Err(io::ErrorKind::BrokenPipe.into());
            }
            let read = self.file.fill_buf()?.len() as u64;
            self.bytes += read;
            self.desk.progress.add(read);
        }
        Ok(self.file.buffer())
    }

    fn consume(&mut self, amount: usize) {
        self.file.consume(amount);
    }
}
