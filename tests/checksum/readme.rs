//! The examples of the crate's README print what it says.

use pai_tests::{repository, scratch, sh};

use crate::write;

#[test]
fn the_examples_of_the_readme_print_what_it_says() {
    let readme = std::fs::read_to_string(repository().join("pai-checksum/README.md")).unwrap();
    let folder = scratch();
    write(folder.path(), &[("a.zip", "a\n"), ("d/b.zip", "b\n")]);
    let mut ran = 0;
    for block in readme.split("```console\n").skip(1) {
        let block = block.split("```").next().unwrap();
        let mut shown = block.split("$ ").skip(1).map(|step| step.split_once('\n').unwrap());
        for (line, expected) in &mut shown {
            let outcome = sh(&format!("{line} 2>&1"), folder.path());
            assert_eq!(outcome.stdout, expected, "{line}");
            ran += 1;
        }
    }
    assert!(ran >= 3);
}

#[test]
fn the_readme_shows_every_option_of_the_help() {
    let readme = std::fs::read_to_string(repository().join("pai-checksum/README.md")).unwrap();
    let help = pai_tests::run(&mut crate::checksum(repository(), &["--help"])).expect(0).stdout;
    let words = help.split(|c: char| !(c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-'));
    for option in words.filter(|word| word.len() > 3 && word.starts_with("--")) {
        assert!(readme.contains(option), "{option}");
    }
    for section in ["Exit status:", "Environment:", "Examples:"] {
        assert!(help.contains(section), "{section}");
    }
}
