//! `pai-checksum`: a list that lies among the files it lists.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use pai_tests::{command, run, tool};

use super::{Scene, age, ensure, names, prose};

const LIST: &str = "SHA256SUMS";

pub(crate) struct Checksum {
    folder: PathBuf,
    how: &'static str,
    old: Vec<u8>,
    new: Vec<u8>,
}

impl Checksum {
    /// `how`: `-o` or `--update`.
    pub(crate) fn new(folder: &Path, size: usize, how: &'static str) -> Self {
        let folder = folder.join("files");
        std::fs::create_dir_all(&folder).unwrap();
        for number in 0..2 * size {
            let path = folder.join(format!("{number}.zip"));
            std::fs::write(&path, prose(number, 8000)).unwrap();
            age(&path, 5000);
        }
        let mut scene = Self { folder, how, old: Vec::new(), new: Vec::new() };
        run(&mut scene.run_with("-o")).expect(0);
        scene.old = scene.list();
        std::fs::write(scene.folder.join("0.zip"), "another").unwrap();
        age(&scene.folder.join("0.zip"), 4000);
        std::fs::write(scene.folder.join("new.zip"), "one more").unwrap();
        age(&scene.folder.join("new.zip"), 4000);
        run(&mut scene.command()).expect(0);
        scene.new = scene.list();
        assert_ne!(scene.new, scene.old);
        scene
    }

    fn list(&self) -> Vec<u8> {
        std::fs::read(self.folder.join(LIST)).unwrap_or_default()
    }

    fn run_with(&self, how: &str) -> Command {
        let mut command = command(tool("pai-checksum"));
        command.current_dir(&self.folder);
        match how {
            "-o" => command.args(["-r", ".", "-o", LIST]),
            _ => command.args(["-q", "--update", LIST]),
        };
        command
    }
}

impl Scene for Checksum {
    fn reset(&self) {
        let _ = std::fs::remove_file(self.folder.join(format!(".{LIST}.partial")));
        std::fs::write(self.folder.join(LIST), &self.old).unwrap();
    }

    fn command(&self) -> Command {
        self.run_with(self.how)
    }

    /// A file that could not be read is complained of and left out; what is listed is right.
    fn check(&self) -> Result<(), String> {
        let list = self.list();
        let known: HashSet<&[u8]> = [&self.old, &self.new].into_iter().flat_map(|list| lines(list)).collect();
        let foreign = lines(&list).find(|line| !known.contains(line));
        ensure(foreign.is_none(), || format!("listed: {}", String::from_utf8_lossy(foreign.unwrap())))?;
        ensure(lines(&list).count() > 1, || "the list is empty".to_owned())
    }

    fn check_new(&self) -> Result<(), String> {
        let list = self.list();
        let differs = lines(&list).zip(lines(&self.new)).find(|(line, wanted)| line != wanted);
        let shown = |line: &[u8]| String::from_utf8_lossy(line).into_owned();
        ensure(list == self.new, || {
            format!("not the new list: {:?}", differs.map(|(line, wanted)| (shown(line), shown(wanted))))
        })?;
        let left: Vec<String> =
            names(&self.folder).into_iter().filter(|name| name.starts_with('.')).collect();
        ensure(left.is_empty(), || format!("{left:?} is left over"))
    }
}

fn lines(list: &[u8]) -> impl Iterator<Item = &[u8]> {
    list.split_inclusive(|&byte| byte == b'\n')
}
