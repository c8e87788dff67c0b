//! The examples of the READMEs are run: fenced blocks marked `console`, with `$ command` lines (`> ` goes on with
//! the one before) and below each what it prints on stdout and stderr, where `...` stands for anything.
//!
//! The blocks of one README run in order in one scratch folder, which is HOME; each block is a shell of its own.

use std::path::{Path, PathBuf};

use pai_tests::{repository, scratch, sh};

/// Files that a README speaks of and does not make: its folder, their names and contents.
const FILES: [(&str, &str, &str); 2] = [("pai-checksum", "a.zip", "a\n"), ("pai-checksum", "d/b.zip", "b\n")];

/// A command and what it should print.
#[derive(Debug, PartialEq)]
struct Example {
    command: String,
    expected: String,
}

/// The READMEs of the repository and of each tool, and the pages whose examples must hold in an emergency.
fn readmes() -> Vec<PathBuf> {
    let entries = repository().read_dir().expect("the repository").flatten();
    let mut folders: Vec<PathBuf> = entries.map(|entry| entry.path()).collect();
    folders.push(repository().to_owned());
    folders.sort();
    let readmes = folders.into_iter().map(|folder| folder.join("README.md"));
    let pages = ["docs/stores.md", "docs/recover.md", "docs/encryption.md", "docs/past.md"]
        .map(|page| repository().join(page));
    readmes.chain(pages).filter(|page| page.is_file()).collect()
}

fn blocks(markdown: &str) -> Vec<Vec<Example>> {
    let block = |rest: &str| examples(rest.split("\n```").next().unwrap_or_default());
    markdown.split("```console\n").skip(1).map(block).collect()
}

fn examples(block: &str) -> Vec<Example> {
    let mut examples: Vec<Example> = Vec::new();
    for line in block.lines() {
        let last = examples.last_mut();
        match (line.strip_prefix("$ "), line.strip_prefix("> "), last) {
            (Some(command), ..) => {
                examples.push(Example { command: command.to_owned(), expected: String::new() });
            }
            (None, Some(more), Some(last)) if last.expected.is_empty() => {
                last.command.extend(["\n", more]);
            }
            (None, _, Some(last)) => last.expected.extend([line, "\n"]),
            (None, _, None) => panic!("a console block starts with a command, not with {line:?}"),
        }
    }
    examples
}

/// Whether `text` is what `expected` describes.
fn fits(expected: &str, text: &str) -> bool {
    let mut pieces = expected.split("...");
    let Some(mut rest) = text.strip_prefix(pieces.next().unwrap_or_default()) else { return false };
    let mut later: Vec<&str> = pieces.collect();
    let Some(last) = later.pop() else { return rest.is_empty() };
    for piece in later {
        match rest.split_once(piece) {
            Some((_, behind)) => rest = behind,
            None => return false,
        }
    }
    rest.ends_with(last)
}

/// Runs a block in `folder`; what differs from it, if anything does.
fn trouble(block: &[Example], folder: &Path) -> Vec<String> {
    // A record separator behind each command tells their outputs apart.
    let commands = block.iter().map(|example| format!("{}\nprintf '\\036'\n", example.command));
    let script = format!("export HOME=\"$PWD\"\nexec 2>&1\n{}", commands.collect::<String>());
    let printed = sh(&script, folder).stdout;
    let mut outputs = printed.split('\u{1e}');
    let differs = |example: &Example| {
        let output = outputs.next().unwrap_or("(the shell ended before)");
        (!fits(&example.expected, output))
            .then(|| format!("$ {}\nshould print\n{}but prints\n{output}", example.command, example.expected))
    };
    block.iter().filter_map(differs).collect()
}

/// Makes the files that `readme` speaks of in `folder`.
fn lay_out(readme: &Path, folder: &Path) {
    for (_, name, content) in FILES.iter().filter(|(tool, ..)| readme.ends_with(format!("{tool}/README.md")))
    {
        let file = folder.join(name);
        std::fs::create_dir_all(file.parent().expect("a folder")).expect("a scratch folder");
        std::fs::write(file, content).expect("a scratch file");
    }
}

#[test]
fn every_console_example_of_a_readme_prints_what_it_shows() {
    for readme in readmes() {
        let markdown = std::fs::read_to_string(&readme).expect("a README");
        let folder = scratch();
        lay_out(&readme, folder.path());
        let troubles: Vec<String> =
            blocks(&markdown).iter().flat_map(|block| trouble(block, folder.path())).collect();
        assert!(troubles.is_empty(), "{}:\n{}", readme.display(), troubles.join("\n"));
    }
}

#[test]
fn the_readme_of_pai_backup_has_three_examples() {
    let readme = std::fs::read_to_string(repository().join("pai-backup/README.md")).expect("a README");
    assert!(blocks(&readme).len() >= 3);
}

#[test]
fn an_example_that_prints_something_else_is_told() {
    let folder = scratch();
    let block = |text: &str| blocks(&format!("text\n```console\n{text}\n```\nmore"));
    for good in [
        "$ echo one; echo two >&2\none\ntwo",
        "$ word=kept\n$ echo $word\nkept",
        "$ echo a \\\n> b\na b",
        "$ seq 9\n1\n...\n9",
        "$ echo x-1.tar y\nx-....tar y",
    ] {
        assert_eq!(trouble(&block(good)[0], folder.path()), Vec::<String>::new(), "{good}");
    }
    for bad in [
        "$ echo one\ntwo",
        "$ echo one",
        "$ true\none",
        "$ seq 9\n1\n...\n8",
        "$ echo one two\none",
        "$ exit 0\n$ echo one\none",
    ] {
        assert_eq!(trouble(&block(bad)[0], folder.path()).len(), 1, "{bad}");
    }
}

/// Pages with blocks of commands (`sh`, `bash`), and the test that runs them, or why none does.
const COMMANDS: [(&str, &str); 14] = [
    ("README.md", "scripts/documented.rs"),
    ("CONTRIBUTING.md", "the gate and the tests are what runs this"),
    ("docs/archive-format.md", "pipelines/archive_format.rs"),
    ("docs/benchmarks.md", "they take hours and need restic and borg: by hand"),
    ("docs/ecosystem.md", "scripts/documented.rs; maintenance.rs runs the task it shows"),
    ("docs/memo-ai-coach.md", "scripts/documented.rs"),
    (
        "docs/past.md",
        "backup/browse.rs and backup/mount.rs start browse and mount, which run until they are stopped",
    ),
    ("docs/scheduling.md", "scripts/documented.rs"),
    ("docs/stores.md", "scripts/documented.rs"),
    ("docs/vector-store.md", "scripts/documented.rs"),
    ("pai-backup/README.md", "backup/capture.rs runs capture; a server is not here"),
    ("pai-optimize/README.md", "optimize/readme.rs"),
    ("pai-rotate/README.md", "rotate/readme.rs"),
    ("pai-checksum/README.md", "its console examples are run above"),
];

/// Every page that a user reads, below the repository.
fn pages() -> Vec<String> {
    let mut pages = vec!["README.md".to_owned(), "CONTRIBUTING.md".to_owned()];
    for folder in ["docs", "scripts", "pai-backup", "pai-checksum", "pai-optimize", "pai-rotate"] {
        let entries = repository().join(folder).read_dir().expect("a folder of the repository").flatten();
        let names = entries.map(|entry| format!("{folder}/{}", entry.file_name().display()));
        pages.extend(names.filter(|name| name.ends_with(".md")));
    }
    pages
}

#[test]
fn every_page_with_commands_says_which_test_runs_them() {
    for page in pages() {
        let text = std::fs::read_to_string(repository().join(&page)).expect("a page");
        let has_commands = text.contains("\n```sh\n") || text.contains("\n```bash\n");
        let runs = COMMANDS.iter().find(|(name, _)| *name == page);
        assert!(!has_commands || runs.is_some(), "nothing runs the commands of {page}");
        let has_examples = text.contains("\n```console\n");
        assert!(
            !has_examples || readmes().iter().any(|read| read.ends_with(&page)),
            "{page}: nothing runs its examples"
        );
    }
    for (page, by) in COMMANDS {
        assert!(pages().iter().any(|name| name == page), "{page} is gone");
        if let Some((file, _)) = by.split_once(".rs") {
            assert!(repository().join("tests").join(format!("{file}.rs")).is_file(), "{by} is gone");
        }
    }
}
