//! A store in memory that fails when told to: what becomes of a run that is cut off at its nth request?

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use pai_common::clock::Timestamp;

use super::backend::{Answer, Backend, Kind, Object, StoreError};

/// What happens at a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Trouble {
    /// This one request fails, without effect.
    Fails,
    /// This request and all that follow fail: the process was killed, or the network is gone.
    Dies,
}

#[derive(Debug, Default)]
struct State {
    objects: BTreeMap<String, (Vec<u8>, i64)>,
    now: i64,
    requests: usize,
    plan: Option<(usize, Trouble)>,
    no_reading: bool,
    log: Vec<String>,
}

type Hook = Box<dyn FnMut() + Send>;

/// The objects are shared by all clones.
#[derive(Clone, Default)]
pub(crate) struct Memory {
    state: Arc<Mutex<State>>,
    /// Runs before each request of this clone, with nothing locked.
    before: Option<Arc<Mutex<Hook>>>,
}

impl std::fmt::Debug for Memory {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Memory")
    }
}

impl Memory {
    /// The request with this number, counted from now, meets trouble.
    pub(crate) fn plan(&self, number: usize, trouble: Trouble) {
        let mut state = self.lock();
        state.requests = 0;
        state.plan = Some((number, trouble));
    }

    /// No trouble from now on; says how many requests there were since the last call.
    pub(crate) fn heal(&self) -> usize {
        let mut state = self.lock();
        state.plan = None;
        std::mem::take(&mut state.requests)
    }

    /// Whether only writing is allowed from now on.
    pub(crate) fn write_only(&self, only: bool) {
        self.lock().no_reading = only;
    }

    /// The clock of the store goes on by so many seconds.
    pub(crate) fn pass(&self, secs: i64) {
        self.lock().now += secs;
    }

    /// A view of the same objects that calls `hook` before each request.
    pub(crate) fn with_hook(&self, hook: impl FnMut() + Send + 'static) -> Self {
        Self { state: Arc::clone(&self.state), before: Some(Arc::new(Mutex::new(Box::new(hook)))) }
    }

    /// The names of all objects.
    pub(crate) fn names(&self) -> Vec<String> {
        self.lock().objects.keys().cloned().collect()
    }

    /// What was asked since the last call.
    pub(crate) fn log(&self) -> Vec<String> {
        std::mem::take(&mut self.lock().log)
    }

    /// Changes an object where it lies.
    pub(crate) fn tamper(&self, name: &str, change: impl FnOnce(&mut Vec<u8>)) {
        change(&mut self.lock().objects.get_mut(name).unwrap().0);
    }

    /// Everything as it is now, as another store.
    pub(crate) fn copy(&self) -> Self {
        let state = self.lock();
        let copy = State { objects: state.objects.clone(), now: state.now, ..State::default() };
        Self { state: Arc::new(Mutex::new(copy)), before: None }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn request(&self, what: &str, name: &str) -> Answer<MutexGuard<'_, State>> {
        if let Some(hook) = &self.before {
            (hook.lock().unwrap_or_else(PoisonError::into_inner))();
        }
        let mut state = self.lock();
        let number = state.requests;
        state.requests += 1;
        state.log.push(format!("{what} {name}"));
        let fails = state.plan.is_some_and(|(at, trouble)| match trouble {
            Trouble::Fails => number == at,
            Trouble::Dies => number >= at,
        });
        if fails {
            return Err(StoreError::new(Kind::Passing, format_args!("could not {what} {name}: no network")));
        }
        if state.no_reading && what != "put" {
            return Err(StoreError::new(Kind::Denied, format_args!("could not {what} {name}: denied")));
        }
        Ok(state)
    }
}

impl Backend for Memory {
    fn get(&self, name: &str, offset: u64, limit: u64) -> Answer<Vec<u8>> {
        let state = self.request("get", name)?;
        let Some((bytes, _)) = state.objects.get(name) else {
            return Err(StoreError::new(Kind::Missing, format_args!("could not get {name}: not there")));
        };
        let start = (offset as usize).min(bytes.len());
        let end = (offset.saturating_add(limit) as usize).min(bytes.len());
        Ok(bytes[start..end].to_vec())
    }

    fn put(&self, name: &str, bytes: &[u8]) -> Answer<()> {
        let mut state = self.request("put", name)?;
        let now = state.now;
        state.objects.insert(name.to_owned(), (bytes.to_vec(), now));
        Ok(())
    }

    fn list(&self, folder: &str) -> Answer<Vec<Object>> {
        let state = self.request("list", folder)?;
        let below = format!("{folder}/");
        let objects = state.objects.iter().filter(|(name, _)| name.starts_with(&below));
        Ok(objects
            .map(|(name, (bytes, secs))| Object {
                name: name.clone(),
                size: bytes.len() as u64,
                modified: Timestamp::new(*secs, 0),
            })
            .collect())
    }

    fn delete(&self, name: &str) -> Answer<()> {
        self.request("delete", name)?.objects.remove(name);
        Ok(())
    }
}
