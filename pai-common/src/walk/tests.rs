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

/// What a walk finds, which must be the same however many threads look ahead.
fn paths(root: &Path, start: &str, options: &Options) -> Vec<String> {
    let found = |threads| -> Vec<String> {
        let walk = walk_ahead(root, &[start], options, threads);
        walk.map(|item| item.unwrap().path.display().to_string()).collect()
    };
    let alone = found(0);
    for threads in [1, 3] {
        assert_eq!(found(threads), alone, "{threads}");
    }
    alone
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
fn a_missing_start_is_one_failure() {
    let root = tree();
    let options = Options::default();
    let items: Vec<Item> = walk(root.path(), Path::new("nope"), &options).collect();
    assert!(matches!(&items[..], [Err(failure)] if failure.error.kind() == io::ErrorKind::NotFound));
}

#[test]
fn a_name_that_is_gone_is_a_failure_but_for_one_that_is_left_out() {
    let root = tree();
    let mut options = Options::default();
    options.excludes.add("*.partial").unwrap();
    options.excludes.add("build/").unwrap();
    let looker = stretch::Looker::new(root.path(), &options);
    let names = Some([".list.partial", "build", "gone.md"].map(Into::into).to_vec());
    let seen = looker.look(stretch::Stretch { start: 0, folder: "a".into(), names });
    let [stretch::Step::Item(Err(failure))] = &seen.steps[..] else { panic!("{:?}", seen.steps) };
    assert_eq!(failure.path, Path::new("a/gone.md"));
}

#[test]
fn a_large_folder_and_a_deep_one_come_in_order() {
    let root = tempfile::tempdir().unwrap();
    let mut folder = root.path().to_owned();
    for _ in 0..100 {
        folder.push("deep");
        std::fs::create_dir(&folder).unwrap();
        std::fs::write(folder.with_file_name("z"), "").unwrap();
    }
    for number in 0..2 * stretch::LENGTH + 2 {
        // Files and folders, at the border of a stretch too.
        let path = root.path().join(format!("n{number:05}"));
        if number % 3 == 0 {
            std::fs::create_dir(&path).unwrap();
            std::fs::write(path.join("inside"), "").unwrap();
        } else {
            std::fs::write(path, "").unwrap();
        }
    }
    let mut expected: Vec<Vec<u8>> = std::process::Command::new("find")
        .args([".", "-mindepth", "1", "-printf", "%P\\0"])
        .current_dir(root.path())
        .output()
        .unwrap()
        .stdout
        .split(|&byte| byte == 0)
        .map(<[u8]>::to_vec)
        .filter(|path| !path.is_empty())
        .collect();
    expected.sort_by_key(|path| path.split(|&byte| byte == b'/').map(<[u8]>::to_vec).collect::<Vec<_>>());
    let found = paths(root.path(), "", &Options::default());
    assert_eq!(found.iter().map(|path| path.as_bytes().to_vec()).collect::<Vec<_>>(), expected);
}

#[test]
fn starts_come_in_the_order_they_are_named() {
    let root = tree();
    let options = Options::default();
    for threads in [0, 2] {
        let walk = walk_ahead(root.path(), &["cache", "nope", "b", "a"], &options, threads);
        let found: Vec<_> = walk
            .map(|item| match item {
                Ok(found) => found.path.display().to_string(),
                Err(failure) => format!("no {}", failure.path.display()),
            })
            .collect();
        let expected = [
            "cache",
            "cache/CACHEDIR.TAG",
            "cache/big",
            "no nope",
            "b",
            "a",
            "a/deep",
            "a/deep/y.tmp",
            "a/x.md",
        ];
        assert_eq!(found, expected, "{threads}");
    }
}

#[test]
fn a_walk_that_is_given_up_ends_its_threads() {
    let root = tree();
    let mut walk = walk_ahead(root.path(), &[""], &Options::default(), 3);
    assert!(walk.next().is_some());
    let shared = std::sync::Arc::downgrade(&walk.shared);
    drop(walk);
    assert!(shared.upgrade().is_none());
}
