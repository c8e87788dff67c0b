//! What a store needs of the place it is in: objects with names, written whole, read in part, listed and deleted.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use pai_common::clock::Timestamp;
use pai_common::signal;

/// Pauses between the tries of one request. When they are used up, the request has failed.
const PAUSES: [Duration; 3] = [Duration::from_millis(500), Duration::from_secs(2), Duration::from_secs(6)];

/// Why a request failed, as far as what to do next depends on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// There is no such object.
    Missing,
    /// The credentials do not allow it.
    Denied,
    /// It may work another time: the network, a server that is busy or gone.
    Passing,
    /// Trying again is of no use: a full disk, a name that cannot be.
    Lasting,
}

/// A request that failed.
#[derive(Debug, Clone)]
pub(crate) struct StoreError {
    pub(crate) kind: Kind,
    what: String,
}

impl StoreError {
    pub(crate) fn new(kind: Kind, what: impl fmt::Display) -> Self {
        Self { kind, what: what.to_string() }
    }
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)
    }
}

impl std::error::Error for StoreError {}

/// The result of a request.
pub(crate) type Answer<T> = Result<T, StoreError>;

/// An object as a listing shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Object {
    /// Its name from the top of the store, parts separated by slashes.
    pub(crate) name: String,
    /// Its length in bytes.
    pub(crate) size: u64,
    /// When it was written, by the clock of the place.
    pub(crate) modified: Timestamp,
}

/// A place for objects. Names are relative, of letters, digits, `.`, `_`, `-` and single slashes.
pub(crate) trait Backend: fmt::Debug + Send + Sync {
    /// At most `limit` bytes of an object from `offset` on; fewer where it ends before.
    fn get(&self, name: &str, offset: u64, limit: u64) -> Answer<Vec<u8>>;
    /// Writes an object whole, replacing what had its name.
    fn put(&self, name: &str, bytes: &[u8]) -> Answer<()>;
    /// All objects whose names begin with `folder` and a slash. None is no error.
    fn list(&self, folder: &str) -> Answer<Vec<Object>>;
    /// Deletes an object; one that is not there is no error.
    fn delete(&self, name: &str) -> Answer<()>;
    /// Removes the temporary files of interrupted runs, if this backend makes any.
    fn sweep(&self) {}
}

/// What went over the line so far.
#[derive(Debug, Default)]
pub(crate) struct Traffic {
    requests: AtomicU64,
    sent: AtomicU64,
    received: AtomicU64,
}

impl Traffic {
    /// Requests, bytes sent, bytes received; names and protocol not counted.
    pub(crate) fn so_far(&self) -> (u64, u64, u64) {
        let get = |number: &AtomicU64| number.load(Ordering::Relaxed);
        (get(&self.requests), get(&self.sent), get(&self.received))
    }
}

/// A backend that repeats requests which failed for a moment, after longer and longer pauses, and counts all requests.
#[derive(Debug)]
pub(crate) struct Patient {
    inner: Arc<dyn Backend>,
    pauses: Vec<Duration>,
    traffic: Arc<Traffic>,
}

impl Patient {
    pub(crate) fn new(inner: Arc<dyn Backend>) -> Self {
        Self::with_pauses(inner, PAUSES.to_vec())
    }

    pub(crate) fn with_pauses(inner: Arc<dyn Backend>, pauses: Vec<Duration>) -> Self {
        Self { inner, pauses, traffic: Arc::default() }
    }

    pub(crate) fn traffic(&self) -> Arc<Traffic> {
        Arc::clone(&self.traffic)
    }

    fn attempt<T>(&self, request: impl Fn() -> Answer<T>) -> Answer<T> {
        let mut pauses = self.pauses.iter();
        loop {
            self.traffic.requests.fetch_add(1, Ordering::Relaxed);
            match request() {
                Err(error) if error.kind == Kind::Passing => {
                    let Some(pause) = pauses.next() else { return Err(error) };
                    if signal::check().is_err() {
                        return Err(error);
                    }
                    thread::sleep(*pause);
                }
                other => return other,
            }
        }
    }
}

impl Backend for Patient {
    fn get(&self, name: &str, offset: u64, limit: u64) -> Answer<Vec<u8>> {
        let bytes = self.attempt(|| self.inner.get(name, offset, limit))?;
        self.traffic.received.fetch_add(bytes.len() as u64, Ordering::Relaxed);
        Ok(bytes)
    }

    fn put(&self, name: &str, bytes: &[u8]) -> Answer<()> {
        self.attempt(|| {
            self.traffic.sent.fetch_add(bytes.len() as u64, Ordering::Relaxed);
            self.inner.put(name, bytes)
        })
    }

    fn list(&self, folder: &str) -> Answer<Vec<Object>> {
        self.attempt(|| self.inner.list(folder))
    }

    fn delete(&self, name: &str) -> Answer<()> {
        self.attempt(|| self.inner.delete(name))
    }

    fn sweep(&self) {
        self.inner.sweep();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::memory::{Memory, Trouble};

    fn patient(memory: &Memory) -> Patient {
        Patient::with_pauses(Arc::new(memory.clone()), vec![Duration::ZERO; 2])
    }

    #[test]
    fn a_passing_failure_is_tried_again_and_counted() {
        let memory = Memory::default();
        memory.plan(0, Trouble::Fails);
        let backend = patient(&memory);
        backend.put("a", b"12345").unwrap();
        assert_eq!(backend.traffic().so_far(), (2, 10, 0));
        assert_eq!(backend.get("a", 1, 3).unwrap(), b"234");
        assert_eq!(backend.traffic().so_far(), (3, 10, 3));
    }

    #[test]
    fn there_is_a_limit_to_trying() {
        let memory = Memory::default();
        memory.plan(0, Trouble::Dies);
        let backend = patient(&memory);
        assert_eq!(backend.put("a", b"1").unwrap_err().kind, Kind::Passing);
        assert_eq!(backend.traffic().so_far().0, 3);
    }

    #[test]
    fn what_is_missing_is_not_tried_again() {
        let backend = patient(&Memory::default());
        assert_eq!(backend.get("a", 0, 9).unwrap_err().kind, Kind::Missing);
        assert_eq!(backend.traffic().so_far().0, 1);
    }
}
