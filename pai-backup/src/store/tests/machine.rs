//! A machine whose nights go into a store in memory.

use super::*;

/// A workspace, its archive folder, and the archives made of it so far.
pub(super) struct Machine {
    pub(super) folder: tempfile::TempDir,
    pub(super) console: Console,
    pub(super) nights: i64,
}

impl Machine {
    pub(super) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("home")).unwrap();
        Self { folder, console: Console::silent("pai-test"), nights: 0 }
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(super) fn args(&self, now: i64) -> Args {
        let now = format!("2026-11-{:02}T02:00:00Z", now + 1);
        let home = self.path("home");
        let args = ["pai-backup", "--no-rotate", "--now", &now, "--home"].map(OsString::from);
        Args::parse_from(args.into_iter().chain([home.into_os_string()]))
    }

    pub(super) fn with<T>(&self, work: impl FnOnce(&Context<'_>) -> T) -> T {
        let args = self.args(self.nights);
        let clock = args.now.clock();
        work(&Context {
            place: &args.place,
            clock,
            now_given: true,
            console: &self.console,
            keys: Arc::default(),
        })
    }

    /// Changes something, and makes the archive of another night.
    pub(super) fn night(&mut self, content: &[u8]) -> PathBuf {
        self.nights += 1;
        fs::write(self.path(&format!("home/file-{}", self.nights % 3)), content).unwrap();
        let args = self.args(self.nights);
        let clock = args.now.clock();
        let run = Context {
            place: &args.place,
            clock,
            now_given: true,
            console: &self.console,
            keys: Arc::default(),
        };
        create::run(&args.create, &run).unwrap();
        let mut archives = self.archives();
        archives.pop().unwrap()
    }

    pub(super) fn archives(&self) -> Vec<PathBuf> {
        let entries = fs::read_dir(self.path("home/archive")).unwrap();
        let mut archives: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
        archives.sort();
        archives
    }

    /// The store as this machine reaches it, with a cache of its own.
    pub(super) fn store(&self, memory: &Memory, cache: &str) -> Store {
        self.store_with(memory, cache, Arc::default())
    }

    pub(super) fn store_with(&self, memory: &Memory, cache: &str, keys: Arc<Keys>) -> Store {
        let backend: Arc<dyn Backend> = Arc::new(memory.clone());
        let patient = Patient::with_pauses(backend, Vec::new());
        let traffic = patient.traffic();
        let cache = Cache::below(&self.path(cache), "memory").unwrap();
        let state = State::within(cache.folder());
        Store { backend: Arc::new(patient), traffic, cache, state, keys, shown: "memory".to_owned() }
    }

    pub(super) fn push(&self, store: &Store, path: &Path) -> anyhow::Result<String> {
        self.push_for(store, path, None)
    }

    pub(super) fn push_for(
        &self,
        store: &Store,
        path: &Path,
        named: Option<&Recipients>,
    ) -> anyhow::Result<String> {
        let series = Series::new("pai").unwrap();
        let mut sender = Sender::begin(store, &series, false, named, &self.console)?;
        self.with(|run| push::push(&mut sender, path, run))
    }
}

pub(super) fn noise(length: usize, seed: u64) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let step = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state as u8
    };
    std::iter::repeat_with(step).take(length).collect()
}

/// The bytes of an archive as the store gives them back.
pub(super) fn pulled(store: &Store, archive: &str) -> anyhow::Result<Vec<u8>> {
    let (list, _) = store.list_of(archive)?;
    let mut bytes = Vec::new();
    pull::copy(store, &list, |part| {
        bytes.extend_from_slice(part);
        Ok(())
    })?;
    Ok(bytes)
}

/// Every archive of the store is whole: the same bytes as the local archive of its name. Says how many there are.
#[track_caller]
pub(super) fn assert_whole(machine: &Machine, memory: &Memory) -> usize {
    assert_whole_with(machine, memory, Arc::default())
}

#[track_caller]
pub(super) fn assert_whole_with(machine: &Machine, memory: &Memory, keys: Arc<Keys>) -> usize {
    let copy = memory.copy();
    let store = machine.store_with(&copy, "reader", keys);
    let archives = store.archives(&Series::new("pai").unwrap()).unwrap();
    for archive in &archives {
        let local = machine.path(&format!("home/archive/{}.tar.gz", archive.name));
        let found =
            pulled(&store, &archive.name).unwrap_or_else(|error| panic!("{}: {error:#}", archive.name));
        assert!(found == fs::read(local).unwrap(), "{} is not what it was", archive.name);
    }
    archives.len()
}

/// Prunes, a moment later.
pub(super) fn prune(store: &Store) -> anyhow::Result<()> {
    let (plan, there) = prune::make(store, None)?;
    prune::apply(store, &plan, &there)
}
