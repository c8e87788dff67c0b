//! `pai-backup capture`: the output of a command becomes a file.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::Command;

use pai_tests::{command, tool};

use super::{Scene, empty, ensure, names, prose};

pub(crate) struct Capture {
    folder: PathBuf,
    dump: Vec<u8>,
}

impl Capture {
    pub(crate) fn new(folder: &Path, size: usize) -> Self {
        let dump = prose(1, 20_000 * size);
        std::fs::write(folder.join("dump.sql"), &dump).unwrap();
        Self { folder: folder.to_owned(), dump }
    }

    fn store(&self) -> PathBuf {
        self.folder.join("dumps")
    }
}

impl Scene for Capture {
    fn reset(&self) {
        empty(&self.store());
        std::fs::write(self.store().join("db_20250101-000000.sql.gz"), "yesterday's").unwrap();
    }

    fn command(&self) -> Command {
        let mut command = command(tool("pai-backup"));
        command
            .args(["capture", "-q", "--name", "db_", "--ext", ".sql.gz", "--archive-dir"])
            .arg(self.store());
        command.arg("--").arg("cat").arg(self.folder.join("dump.sql"));
        command
    }

    fn check(&self) -> Result<(), String> {
        for name in names(&self.store()).iter().filter(|name| !name.starts_with('.')) {
            let bytes = std::fs::read(self.store().join(name)).unwrap();
            if name.contains("20250101") {
                ensure(bytes == b"yesterday's", || "yesterday's dump changed".to_owned())?;
                continue;
            }
            let mut text = Vec::new();
            let read = flate2::read::MultiGzDecoder::new(&bytes[..]).read_to_end(&mut text);
            ensure(read.is_ok() && text == self.dump, || format!("{name} is not the whole dump"))?;
        }
        Ok(())
    }

    fn check_new(&self) -> Result<(), String> {
        self.check()?;
        let names = names(&self.store());
        let is_left = names.iter().any(|name| name.starts_with('.'));
        ensure(!is_left && matches!(names.len(), 2 | 3), || format!("{names:?}"))
    }
}
