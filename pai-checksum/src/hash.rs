//! Hashes many inputs on all cores and hands over the outcomes in the order of the inputs.
//!
//! Regular files go to worker threads, several to a thread where the CPU hashes several streams at once. What
//! may block or depends on its neighbours (pipes, terminals, standard input) is hashed by the calling thread
//! when its turn comes, as sha256sum would.

mod plan;
mod post;
mod reader;

use std::cell::RefCell;
use std::fs::File;
use std::io;
use std::num::NonZeroUsize;
use std::os::fd::AsFd;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, TryRecvError, channel};

use pai_common::progress::Progress;
use pai_common::sha256::{self, Digest};

use self::plan::Plan;
use self::post::{Arrivals, Batch, Outcome};
use self::reader::{Reader, Run};
use crate::input::Input;
use crate::stamp::Stamp;

/// The result for an input that was read to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Hashed {
    /// Its SHA-256.
    pub digest: Digest,
    /// How many bytes were hashed.
    pub bytes: u64,
    /// For a regular file, what it looked like before; not if it had only just been written to, when one more write
    /// could leave no trace in it.
    pub stamp: Option<Stamp>,
    /// Whether the file changed while it was read. The digest may then match none of its states.
    pub changed: bool,
}

/// Receives the results, in the order of the inputs.
pub(crate) trait Sink {
    /// The outcome of input number `n`. An error ends the run.
    fn take(&mut self, n: usize, outcome: io::Result<Hashed>) -> anyhow::Result<()>;

    /// The next outcome is not there yet: a good moment to show what there is.
    fn wait(&mut self) -> anyhow::Result<()> {
        Ok(())
    }
}

/// Hashes `inputs` with at most `jobs` threads, by default one a core.
pub(crate) fn in_order(
    inputs: &[Input],
    jobs: Option<NonZeroUsize>,
    progress: &Progress<'_>,
    sink: &mut impl Sink,
) -> anyhow::Result<()> {
    let plan = Plan::new(inputs, jobs);
    if plan.bytes > 0 {
        progress.set_total(plan.bytes);
    }
    let stopped = AtomicBool::new(false);
    let desk = Desk { inputs, run: Run { progress, stopped: &stopped } };
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
        stopped.store(true, Ordering::Relaxed);
        drop(outcomes);
        result
    })
}

struct Desk<'a> {
    inputs: &'a [Input],
    run: Run<'a>,
}

impl Desk<'_> {
    /// A worker: takes files in the order of the plan until none is left.
    fn work(&self, plan: &Plan, next: &AtomicUsize, outcomes: &Sender<Vec<Outcome>>) {
        // Cells, because both closures below add to them.
        let batch = RefCell::new(Batch::default());
        let buffers = RefCell::new(Vec::new());
        let send = |outcome| match batch.borrow_mut().add(outcome) {
            Some(full) => outcomes.send(full),
            None => Ok(()),
        };
        let take = || loop {
            let Some(&n) = plan.order.get(next.fetch_add(1, Ordering::Relaxed)) else {
                let _ = outcomes.send(batch.borrow_mut().hurry());
                return None;
            };
            match File::open(self.inputs[n].path.as_deref()?) {
                Ok(file) => {
                    let buffer = buffers.borrow_mut().pop().unwrap_or_default();
                    return Some((n, Reader::new(file, plan.stamps[n], self.run, buffer)));
                }
                Err(error) if too_many_open(&error) => {
                    send((n, None)).ok()?;
                    let _ = outcomes.send(batch.borrow_mut().hurry());
                    return None;
                }
                Err(error) => send((n, Some(Err(error)))).ok()?,
            }
        };
        // An error means that nobody listens any more.
        let _ = sha256::digest_streams(plan.width, take, |n, reader, digest| {
            let outcome = digest.and_then(|digest| reader.conclude(digest));
            buffers.borrow_mut().push(reader.into_buffer());
            // Changed since the plan was made, perhaps before it was opened: it gets a second chance.
            send((n, Some(outcome).filter(|outcome| !matches!(outcome, Ok(hashed) if hashed.changed))))
        });
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
                self.hash_here(input, outcomes, &mut arrivals)
            };
            sink.take(n, outcome)?;
        }
        Ok(())
    }

    /// One input that the workers left, on this thread.
    fn hash_here(
        &self,
        input: &Input,
        outcomes: &Receiver<Vec<Outcome>>,
        arrivals: &mut Arrivals,
    ) -> io::Result<Hashed> {
        let first = self.hash(input);
        if !first.as_ref().is_err_and(too_many_open) {
            return first;
        }
        // The workers have them all. Once they are done, one will do.
        for batch in outcomes {
            arrivals.add(batch);
        }
        self.hash(input)
    }

    /// Opens one input and reads it to its end.
    fn hash(&self, input: &Input) -> io::Result<Hashed> {
        let file = match &input.path {
            Some(path) => File::open(path)?,
            // A duplicate shares the offset: we start where the shell left it, and leave it at the end.
            None => File::from(io::stdin().as_fd().try_clone_to_owned()?),
        };
        let metadata = file.metadata()?;
        let before = metadata.is_file().then(|| Stamp::of(&metadata));
        if let ([_], Some(before)) = (self.inputs, before) {
            self.run.progress.set_total(before.size);
        }
        Reader::new(file, before, self.run, Vec::new()).digest()
    }
}

fn too_many_open(error: &io::Error) -> bool {
    error.raw_os_error() == Some(rustix::io::Errno::MFILE.raw_os_error())
}
