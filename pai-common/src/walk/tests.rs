//! Order, excludes, and what may stand in the way.

use super::*;

fn tree() -> tempfile::TempDir {
    let root = tempfile::tempdir().unwrap();
    for folder in ["a", "a/deep", "cache", "b-folder"] {
        std::fs::create_dir(root.path().join(folder)).unwrap();
    }
    for file in ["a/x.md", "a/deep/y.tmp", "a-z", "b", "cache/big"] {
        std::fs::write(root.path().join(file), file).unwrap();
    }
    std::fs::write(root.path().join("cache/CACHEDIR.TAG"), "Signature: 8a477f597d28d172789f06886806bc55\n")
        .unwrap();
    root
}

fn paths(root: &Path, start: &str, options: &Options) -> Vec<String> {
    walk(root, Path::new(start), options).map(|item| item.unwrap().path.display().to_string()).collect()
}

fn excluding(patterns: &[&str]) -> Options {
    let mut options = Options::default();
    for pattern in patterns {
        options.excludes.add(pattern).unwrap();
    }
    options
}

#[test]
fn the_order_is_by_component_and_parents_come_first() {
    let root = tree();
    assert_eq!(
        paths(root.path(), "", &Options::default()),
        [
            "a",
            "a/deep",
            "a/deep/y.tmp",
            "a/x.md",
            "a-z",
            "b",
            "b-folder",
            "cache",
            "cache/CACHEDIR.TAG",
            "cache/big"
        ]
    );
    assert_eq!(paths(root.path(), "a", &Options::default()), ["a", "a/deep", "a/deep/y.tmp", "a/x.md"]);
}

#[test]
fn excludes_follow_gitignore() {
    let root = tree();
    let rest = ["a", "a/deep", "a/x.md", "a-z", "b", "b-folder"];
    assert_eq!(paths(root.path(), "", &excluding(&["*.tmp", "cache/"])), rest);
    assert_eq!(paths(root.path(), "", &excluding(&["/cache", "a/**/*.tmp"])), rest);
    assert_eq!(paths(root.path(), "", &excluding(&["*", "!a", "!x.md"])), ["a", "a/x.md"]);
}

#[test]
fn a_tagged_cache_gives_its_tag_alone() {
    let root = tree();
    let options = Options { skip_caches: true, ..Options::default() };
    let found = paths(root.path(), "", &options);
    assert!(found.contains(&"cache/CACHEDIR.TAG".to_owned()) && !found.contains(&"cache/big".to_owned()));
}

#[test]
fn a_pipe_named_like_a_cache_tag_is_not_waited_for() {
    let root = tree();
    let tag = root.path().join("a/CACHEDIR.TAG");
    let mode = rustix::fs::Mode::RUSR;
    rustix::fs::mknodat(rustix::fs::CWD, tag, rustix::fs::FileType::Fifo, mode, 0).unwrap();
    let options = Options { skip_caches: true, ..Options::default() };
    assert!(paths(root.path(), "", &options).contains(&"a/x.md".to_owned()));
}

#[test]
fn few_folders_stay_open_however_deep_the_tree() {
    let root = tempfile::tempdir().unwrap();
    let mut folder = root.path().to_owned();
    for _ in 0..100 {
        folder.push("a");
        std::fs::create_dir(&folder).unwrap();
        // What keeps the folder above it open.
        std::fs::write(folder.with_file_name("z"), "").unwrap();
    }
    let options = Options::default();
    let mut walk = walk(root.path(), Path::new(""), &options);
    let open = |walk: &Walk<'_>| {
        let names = walk.stack.iter().flat_map(|level| &level.names);
        names.filter(|name| name.entry.is_some()).count()
    };
    let mut found = Vec::new();
    while let Some(item) = walk.next() {
        found.push(item.unwrap().path);
        assert!(open(&walk) <= 2 * OPEN, "{}", open(&walk));
    }
    assert_eq!(found.len(), 200);
}

#[test]
fn a_missing_start_is_one_failure() {
    let root = tree();
    let options = Options::default();
    let items: Vec<Item> = walk(root.path(), Path::new("nope"), &options).collect();
    assert!(matches!(&items[..], [Err(failure)] if failure.error.kind() == io::ErrorKind::NotFound));
}
