//! A mail program that keeps what it is given: put its folder first on PATH.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use crate::scratch;

/// A folder with a `mail` in it, and the letters it was given.
pub struct Mail {
    folder: tempfile::TempDir,
}

/// One letter: the arguments of `mail`, one a line, and what was on its stdin.
#[derive(Debug, PartialEq, Eq)]
pub struct Letter {
    /// The arguments, in order.
    pub arguments: Vec<String>,
    /// What was piped in.
    pub body: String,
}

impl Mail {
    /// A mail program that takes every letter.
    pub fn new() -> Self {
        Self::with("")
    }

    /// A mail program that takes the letter, then runs `ending` (shell), for example `sleep 60` or `exit 1`.
    pub fn with(ending: &str) -> Self {
        let folder = scratch();
        let script = format!(
            "#!/bin/sh\nn=$(mktemp '{}/letter.XXXXXX')\nfor a in \"$@\"; do printf '%s\\0' \"$a\"; done >\"$n\"\n\
             cat >\"$n.body\"\n{ending}\n",
            folder.path().display()
        );
        let program = folder.path().join("mail");
        fs::write(&program, script).expect("the stub is written");
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755))
            .expect("the stub is made executable");
        // Jobs of other users mail too.
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o777)).expect("the folder is opened");
        Self { folder }
    }

    /// The folder to put on PATH.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// All letters so far, in no particular order.
    pub fn letters(&self) -> Vec<Letter> {
        let names = fs::read_dir(self.folder.path()).expect("the folder is there").flatten();
        names
            .filter(|name| name.path().extension().is_some_and(|ext| ext == "body"))
            .map(|name| letter(&name.path()))
            .collect()
    }
}

impl Default for Mail {
    fn default() -> Self {
        Self::new()
    }
}

fn letter(body: &Path) -> Letter {
    let arguments = fs::read_to_string(body.with_extension("")).expect("each letter has its arguments");
    Letter {
        arguments: arguments.split_terminator('\0').map(str::to_owned).collect(),
        body: fs::read_to_string(body).expect("each letter has a body"),
    }
}
