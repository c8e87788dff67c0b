//! Hashes many inputs on all cores and hands over the outcomes in the order of the inputs.
//!
//! Regular files go to worker threads, several to a thread where the CPU hashes several streams at once. What
//! may block or depends on its neighbours (pipes, terminals, standard input) is hashed by the calling thread
//! when its turn comes, as sha256sum would.

use std::cell::RefCell;
use std::cmp::Reverse;
use std::fs::{File, Metadata};
use std::io::{self, BufRead, BufReader, Read};
use std::num::NonZeroUsize;
use std::os::fd::AsFd;
use std::os::unix::fs::MetadataExt;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, TryRecvError, channel};
use std::time::{Duration, SystemTime};

use pai_common::progress::Progress;
use pai_common::sha256::{self, Digest, Sha256};
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

    /// Whether the last write is so long ago that one more would leave another stamp.
    fn settled(&self) -> bool {
        let (seconds, nanoseconds) = self.mtime;
        let since_epoch = Duration::new(seconds.max(0).unsigned_abs(), nanoseconds as u32);
        SystemTime::UNIX_EPOCH + since_epoch + TICK < SystemTime::now()
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

/// Hashes `inputs` with at most `jobs` threads, by default one a core.
pub fn in_order(
    inputs: &[Input],
    jobs: Option<NonZeroUsize>,
    progress: &Progress<'_>,
    sink: &mut impl Sink,
) -> anyhow::Result<()> {
    let plan = Plan::new(inputs, jobs);
    if plan.bytes > 0 {
        progress.set_total(plan.bytes);
    }
    let desk = Desk { inputs, progress, stopped: AtomicBool::new(false) };
    if plan.threads == 0 {
        return inputs.iter().enumerate().try_for_each(|(n, input)| {
            sink.wait()?;
            sink.take(n, desk.hash(input))
        });
    }
    let next = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        let (sender, outcomes) = channel();
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

/// Who hashes what.
struct Plan {
    /// The inputs for the workers, in the order in which they start.
    order: Vec<usize>,
    /// The stamp of each regular file: those the workers hash.
    stamps: Vec<Option<Stamp>>,
    bytes: u64,
    threads: usize,
    /// How many files a thread holds open.
    width: usize,
}

impl Plan {
    fn new(inputs: &[Input], jobs: Option<NonZeroUsize>) -> Self {
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

/// The number of an input and what became of it; nothing if it is left to the caller's thread.
type Outcome = (usize, Option<io::Result<Hashed>>);

/// Outcomes on their way to the thread that waits for them.
#[derive(Default)]
struct Batch {
    outcomes: Vec<Outcome>,
    bytes: u64,
}

impl Batch {
    /// Adds one; the whole batch once it is worth a delivery.
    fn add(&mut self, outcome: Outcome) -> Option<Vec<Outcome>> {
        if let Some(Ok(hashed)) = &outcome.1 {
            self.bytes += hashed.bytes;
        }
        self.outcomes.push(outcome);
        let full = self.outcomes.len() >= 64 || self.bytes >= 1 << 20;
        full.then(|| std::mem::take(self).outcomes)
    }
}

/// What the workers have sent so far.
struct Arrivals {
    outcomes: Vec<Option<io::Result<Hashed>>>,
    /// Whether a worker will still send something about an input.
    awaited: Vec<bool>,
}

impl Arrivals {
    fn add(&mut self, batch: Vec<Outcome>) {
        for (n, outcome) in batch {
            self.outcomes[n] = outcome;
            self.awaited[n] = false;
        }
    }
}

struct Desk<'a> {
    inputs: &'a [Input],
    progress: &'a Progress<'a>,
    stopped: AtomicBool,
}

impl Desk<'_> {
    /// A worker: takes files in the order of the plan until none is left.
    fn work(&self, plan: &Plan, next: &AtomicUsize, outcomes: &Sender<Vec<Outcome>>) {
        // Both closures below add outcomes; those of small files are sent together, as waking the receiver
        // costs as much as hashing one.
        let batch = RefCell::new(Batch::default());
        let send = |outcome| match batch.borrow_mut().add(outcome) {
            Some(full) => outcomes.send(full),
            None => Ok(()),
        };
        let take = || loop {
            let n = *plan.order.get(next.fetch_add(1, Ordering::Relaxed))?;
            match File::open(self.inputs[n].path.as_deref()?) {
                Ok(file) => return Some((n, Reader::new(file, plan.stamps[n], self))),
                Err(error) if too_many_open(&error) => {
                    send((n, None)).ok()?;
                    return None;
                }
                Err(error) => send((n, Some(Err(error)))).ok()?,
            }
        };
        // An error means that nobody listens any more.
        let _ = sha256::digest_streams(plan.width, take, |n, reader, digest| {
            let outcome = digest.and_then(|digest| reader.conclude(digest));
            // Changed since the plan was made, perhaps before it was opened: it gets a second chance.
            send((n, Some(outcome).filter(|outcome| !matches!(outcome, Ok(hashed) if hashed.changed))))
        });
        let _ = outcomes.send(batch.into_inner().outcomes);
    }

    /// Puts the outcomes in order, and hashes here what the workers did not.
    fn deliver(
        &self,
        plan: &Plan,
        outcomes: &Receiver<Vec<Outcome>>,
        sink: &mut impl Sink,
    ) -> anyhow::Result<()> {
        let mut arrivals = Arrivals {
            outcomes: self.inputs.iter().map(|_| None).collect(),
            awaited: plan.stamps.iter().map(Option::is_some).collect(),
        };
        for (n, input) in self.inputs.iter().enumerate() {
            while arrivals.awaited[n] {
                let batch = match outcomes.try_recv() {
                    Err(TryRecvError::Empty) => {
                        sink.wait()?;
                        outcomes.recv().ok()
                    }
                    other => other.ok(),
                };
                let Some(batch) = batch else { break };
                arrivals.add(batch);
            }
            let outcome = if let Some(outcome) = arrivals.outcomes[n].take() {
                outcome
            } else {
                sink.wait()?;
                let first = self.hash(input);
                if first.as_ref().is_err_and(too_many_open) {
                    // The workers have them all. Once they are done, one will do.
                    outcomes.iter().for_each(|batch| arrivals.add(batch));
                    self.hash(input)
                } else {
                    first
                }
            };
            sink.take(n, outcome)?;
        }
        Ok(())
    }

    /// One input, on this thread.
    fn hash(&self, input: &Input) -> io::Result<Hashed> {
        let file = match &input.path {
            Some(path) => File::open(path)?,
            // A duplicate shares the offset: we start where the shell left it, and leave it at the end.
            None => File::from(io::stdin().as_fd().try_clone_to_owned()?),
        };
        let metadata = file.metadata()?;
        let before = metadata.is_file().then(|| Stamp::of(&metadata));
        let reader = Reader::new(file, before, self);
        reader.digest()
    }
}

fn too_many_open(error: &io::Error) -> bool {
    error.raw_os_error() == Some(rustix::io::Errno::MFILE.raw_os_error())
}

/// An open file that counts what it reads and stops when the run is over.
struct Reader<'a> {
    file: BufReader<File>,
    before: Option<Stamp>,
    settled: bool,
    bytes: u64,
    desk: &'a Desk<'a>,
}

impl<'a> Reader<'a> {
    fn new(file: File, before: Option<Stamp>, desk: &'a Desk<'a>) -> Self {
        let settled = before.is_some_and(|before| before.settled());
        Self { file: BufReader::with_capacity(BUFFER, file), before, settled, bytes: 0, desk }
    }

    /// Reads to the end, alone.
    fn digest(mut self) -> io::Result<Hashed> {
        let mut hasher = Sha256::new();
        loop {
            let chunk = match self.fill_buf() {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                other => other?,
            };
            if chunk.is_empty() {
                return self.conclude(hasher.finish());
            }
            hasher.update(chunk);
            let taken = chunk.len();
            self.consume(taken);
        }
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
