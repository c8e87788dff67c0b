//! Work spread over threads, results in order, memory bounded.

use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

/// The consumer has stopped listening: the producer may stop too.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stopped;

/// Hands jobs from the producer to the workers.
#[derive(Debug)]
pub(crate) struct Submit<J, R> {
    jobs: SyncSender<(J, SyncSender<R>)>,
    order: SyncSender<Receiver<R>>,
}

impl<J, R> Submit<J, R> {
    /// Queues one job; waits while the window is full.
    pub(crate) fn submit(&self, job: J) -> Result<(), Stopped> {
        let (done, result) = sync_channel(1);
        self.order.send(result).map_err(|_| Stopped)?;
        self.jobs.send((job, done)).map_err(|_| Stopped)
    }
}

/// Runs `produce` on a thread of its own, `work` on `threads` threads (each with a state from `state`), and
/// `consume` here, on the results in the order of their jobs. At most `threads + 2` results wait.
///
/// `consume` ends the run early by an error. Otherwise the result is `produce`'s.
pub(crate) fn ordered<J, R, S, P, E>(
    threads: usize,
    produce: impl FnOnce(&Submit<J, R>) -> Result<P, E> + Send,
    state: impl Fn() -> S + Sync,
    work: impl Fn(&mut S, J) -> R + Sync,
    mut consume: impl FnMut(R) -> Result<(), E>,
) -> Result<P, E>
where
    J: Send,
    R: Send,
    P: Send,
    E: Send,
{
    let threads = threads.max(1);
    let (job_sender, job_receiver) = sync_channel::<(J, SyncSender<R>)>(threads);
    let (order_sender, order_receiver) = sync_channel::<Receiver<R>>(threads + 2);
    let job_receiver = Arc::new(Mutex::new(job_receiver));
    thread::scope(|scope| {
        for _ in 0..threads {
            let jobs = Arc::clone(&job_receiver);
            let (state, work) = (&state, &work);
            scope.spawn(move || {
                let mut state = state();
                loop {
                    let next = jobs.lock().unwrap_or_else(PoisonError::into_inner).recv();
                    let Ok((job, done)) = next else { return };
                    // The consumer may have gone; then the result is of no use to anyone.
                    let _ = done.send(work(&mut state, job));
                }
            });
        }
        drop(job_receiver);
        let producer = scope.spawn(move || produce(&Submit { jobs: job_sender, order: order_sender }));
        let mut outcome = Ok(());
        while outcome.is_ok() {
            let Ok(result) = order_receiver.recv() else { break };
            // A worker that panicked drops its sender; the panic itself comes out of the scope.
            let Ok(result) = result.recv() else { break };
            outcome = consume(result);
        }
        drop(order_receiver);
        let produced = match producer.join() {
            Ok(produced) => produced,
            Err(panic) => std::panic::resume_unwind(panic),
        };
        outcome.and(produced)
    })
}

/// How many threads a run uses unless told.
pub(crate) fn default_threads() -> usize {
    thread::available_parallelism().map_or(1, usize::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn squares(threads: usize, stop_at: Option<u64>) -> (Result<&'static str, String>, Vec<u64>) {
        let mut seen = Vec::new();
        let result = ordered(
            threads,
            |submit| {
                for n in 0..500u64 {
                    if submit.submit(n).is_err() {
                        return Ok("stopped");
                    }
                }
                Ok("all")
            },
            || 0u64,
            |count, n| {
                *count += 1;
                if n % 7 == 0 {
                    thread::yield_now();
                }
                n * n
            },
            |square| {
                seen.push(square);
                if Some(square) == stop_at { Err("enough".to_owned()) } else { Ok(()) }
            },
        );
        (result, seen)
    }

    #[test]
    fn results_come_in_the_order_of_their_jobs() {
        for threads in [1, 2, 7] {
            let (result, seen) = squares(threads, None);
            assert_eq!(result, Ok("all"));
            assert_eq!(seen, (0..500).map(|n| n * n).collect::<Vec<_>>());
        }
    }

    #[test]
    fn an_error_of_the_consumer_stops_everyone() {
        let (result, seen) = squares(3, Some(100));
        assert_eq!(result, Err("enough".to_owned()));
        assert_eq!(seen.len(), 11);
    }
}
