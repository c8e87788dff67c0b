//! Stretches of a walk, looked at by several threads, handed out in one order.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{Builder, JoinHandle};

use super::Item;
use super::stretch::{Looker, Place, Seen, Step, Stretch};

/// Threads look no further ahead than so many steps; one takes about 300 bytes.
const AHEAD: usize = 4 << 10;

/// The iterator behind [`super::walk`]. Memory: what is in the folders between the root and here, and what was found ahead.
#[derive(Debug)]
pub struct Walk {
    pub(super) shared: Arc<Shared>,
    /// Where the walk goes on once the last of `stack` is at its end.
    stack: Vec<std::vec::IntoIter<Step>>,
    threads: usize,
    running: Vec<JoinHandle<()>>,
}

/// State that the threads share.
#[derive(Debug)]
pub(super) struct Shared {
    looker: Looker,
    state: Mutex<State>,
    /// There is something to look at, or nothing will be.
    work: Condvar,
    /// A look has ended.
    done: Condvar,
}

#[derive(Debug, Default)]
struct State {
    /// Stretches that no thread has looked at, in the order of the walk. A thread takes the first.
    pending: BTreeMap<Place, Stretch>,
    /// Stretches that a thread is looking at (`None`) or has looked at.
    taken: BTreeMap<Place, Option<Seen>>,
    /// Steps that were seen and are not yet handed out.
    ahead: usize,
    /// They were too many, and are not yet few again.
    full: bool,
    /// Threads that wait for work: to wake nobody costs a system call too.
    idle: usize,
    /// The walk waits for a look to end.
    awaited: bool,
    stopped: bool,
}

impl Walk {
    pub(super) fn new(looker: Looker, starts: Vec<PathBuf>, threads: usize) -> Self {
        let shared = Shared { looker, state: Mutex::default(), work: Condvar::new(), done: Condvar::new() };
        let mut first = Seen::default();
        for (start, path) in (0..).zip(starts) {
            let is_root = path.as_os_str().is_empty();
            let names = (!is_root).then(|| vec![path.into_os_string()]);
            first.go_into(Stretch { start, folder: PathBuf::new(), names });
        }
        shared.lock().pending.extend(first.further);
        Self { shared: Arc::new(shared), stack: vec![first.steps.into_iter()], threads, running: Vec::new() }
    }

    /// The entries at `place`. If no thread has begun to look there, the caller's does.
    fn seen(&mut self, place: &Place) -> Vec<Step> {
        let mut state = self.shared.lock();
        if let Some(stretch) = state.pending.remove(place) {
            drop(state);
            let seen = self.shared.looker.look(stretch);
            self.share(seen.further);
            return seen.steps;
        }
        let is_running = |state: &mut State| {
            state.awaited = !state.stopped && matches!(state.taken.get(place), Some(None));
            state.awaited
        };
        state = self.shared.done.wait_while(state, is_running).unwrap_or_else(PoisonError::into_inner);
        let Some(Some(seen)) = state.taken.remove(place) else {
            drop(state);
            self.end();
            unreachable!("a thread looks at what it has taken, or panics");
        };
        state.ahead -= seen.steps.len();
        if state.full && state.ahead < AHEAD / 2 {
            state.full = false;
            self.shared.work.notify_all();
        }
        drop(state);
        seen.steps
    }

    /// Lets the threads have `further`; they start when there is more than this one can do next.
    fn share(&mut self, further: Vec<(Place, Stretch)>) {
        let mut state = self.shared.lock();
        state.pending.extend(further);
        let enough = state.pending.len() > 1;
        self.shared.wake(&state);
        drop(state);
        if !enough {
            return;
        }
        for _ in 0..std::mem::take(&mut self.threads) {
            let shared = Arc::clone(&self.shared);
            // One thread fewer looks ahead; this one finds everything all the same.
            self.running.extend(Builder::new().name("walk".to_owned()).spawn(move || shared.look_ahead()));
        }
    }

    /// Ends the threads. A panic of theirs is ours.
    fn end(&mut self) {
        self.shared.lock().stopped = true;
        self.shared.work.notify_all();
        for thread in self.running.drain(..) {
            if let Err(panic) = thread.join()
                && !std::thread::panicking()
            {
                std::panic::resume_unwind(panic);
            }
        }
    }
}

impl Iterator for Walk {
    type Item = Item;

    fn next(&mut self) -> Option<Item> {
        loop {
            match self.stack.last_mut()?.next() {
                Some(Step::Item(item)) => return Some(item),
                Some(Step::Into(place)) => {
                    let steps = self.seen(&place);
                    self.stack.push(steps.into_iter());
                }
                None => drop(self.stack.pop()),
            }
        }
    }
}

impl Drop for Walk {
    fn drop(&mut self) {
        self.end();
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Wakes a thread that can do something.
    fn wake(&self, state: &State) {
        if state.idle > 0 && !state.full && !state.pending.is_empty() {
            self.work.notify_one();
        }
    }

    fn look_ahead(&self) {
        let _stops_all = OnPanic(self);
        let must_wait = |state: &mut State| {
            state.full |= state.ahead >= AHEAD;
            !state.stopped && (state.full || state.pending.is_empty())
        };
        let mut state = self.lock();
        loop {
            state.idle += 1;
            state = self.work.wait_while(state, must_wait).unwrap_or_else(PoisonError::into_inner);
            state.idle -= 1;
            if state.stopped {
                return;
            }
            let Some((place, stretch)) = state.pending.pop_first() else { continue };
            state.taken.insert(place.clone(), None);
            drop(state);
            let mut seen = self.looker.look(stretch);
            let further = std::mem::take(&mut seen.further);
            state = self.lock();
            state.ahead += seen.steps.len();
            state.pending.extend(further);
            state.taken.insert(place, Some(seen));
            if state.awaited {
                self.done.notify_one();
            }
            self.wake(&state);
        }
    }
}

/// Whoever waits for a thread that panicked must not wait for ever.
struct OnPanic<'a>(&'a Shared);

impl Drop for OnPanic<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.lock().stopped = true;
            self.0.done.notify_all();
        }
    }
}
