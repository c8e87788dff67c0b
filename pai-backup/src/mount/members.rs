//! Inflated members. The last ones are kept: neighbours lie in one member, and the kernel reads large files in small steps.

use std::cell::RefCell;
use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::{Arc, Condvar, Mutex, PoisonError};

use super::nights::{Night, lock};
use crate::archive::member::{MemberInfo, Opener};
use crate::contents;

/// Bytes of inflated members that are kept.
const ROOM: usize = 64 << 20;

/// The archive's row, and where the member begins.
type Key = (u32, u64);

/// The members that were read last.
#[derive(Debug, Default)]
pub(super) struct Members {
    state: Mutex<State>,
    /// A member was read, or could not be.
    ready: Condvar,
}

#[derive(Debug, Default)]
struct State {
    kept: HashMap<Key, Arc<Vec<u8>>>,
    order: VecDeque<Key>,
    bytes: usize,
    /// Members that a thread is reading.
    coming: HashSet<Key>,
}

thread_local! {
    static OPENER: RefCell<Opener> = RefCell::default();
}

impl Members {
    /// The payload of a member, which is checked first. Two threads that want the same one wait for one reading.
    pub(super) fn get(
        &self,
        row: u32,
        night: &Night,
        offset: u64,
        info: &MemberInfo,
    ) -> anyhow::Result<Arc<Vec<u8>>> {
        let key = (row, offset);
        let mut state = lock(&self.state);
        loop {
            if let Some(payload) = state.kept.get(&key) {
                return Ok(Arc::clone(payload));
            }
            if state.coming.insert(key) {
                break;
            }
            state = self.ready.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        drop(state);
        let read = OPENER.with_borrow_mut(|opener| contents::open_member(night.file(), offset, info, opener));
        let mut state = lock(&self.state);
        state.coming.remove(&key);
        let read = read.map(Arc::new);
        if let Ok(payload) = &read {
            state.keep(key, Arc::clone(payload));
        }
        self.ready.notify_all();
        read
    }
}

impl State {
    fn keep(&mut self, key: Key, payload: Arc<Vec<u8>>) {
        self.bytes += payload.len();
        self.order.push_back(key);
        self.kept.insert(key, payload);
        while self.bytes > ROOM
            && let Some(oldest) = self.order.pop_front()
        {
            self.bytes -= self.kept.remove(&oldest).map_or(0, |payload| payload.len());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_so_many_bytes_are_kept_and_the_oldest_go_first() {
        let mut state = State::default();
        for number in 0..5 {
            state.keep((0, number), Arc::new(vec![0; ROOM / 4]));
        }
        let mut kept: Vec<u64> = state.kept.keys().map(|key| key.1).collect();
        kept.sort_unstable();
        assert_eq!((kept, state.bytes), (vec![1, 2, 3, 4], ROOM));
    }
}
