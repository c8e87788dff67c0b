//! A mistyped command that was taken for something else: `pai-backup lst` would archive a file of that name.

use std::path::Path;

use clap::{Command, CommandFactory};

/// The command of `A` that `word` was probably meant to be, if it is near to one and no file has its name.
pub(super) fn meant<A: CommandFactory>(word: &str) -> Option<String> {
    if word.starts_with('-') || Path::new(word).symlink_metadata().is_ok() {
        return None;
    }
    let tool = A::command();
    let names: Vec<&str> = tool.get_subcommands().map(Command::get_name).collect();
    nearest(word, &names).map(|name| format!("did you mean {} {name}?", tool.get_name()))
}

/// The first of the `names` with the fewest slips, if those are few for its length; none if `word` is itself one.
fn nearest<'a>(word: &str, names: &[&'a str]) -> Option<&'a str> {
    if names.contains(&word) {
        return None;
    }
    let slips = |name: &&&str| distance(word.as_bytes(), name.as_bytes());
    let near = names.iter().filter(|name| slips(name) <= if name.len() < 5 { 1 } else { 2 });
    near.min_by_key(slips).copied()
}

/// How many letters must be put in, left out, exchanged, or swapped with their neighbour.
fn distance(a: &[u8], b: &[u8]) -> usize {
    let mut before: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=b.len()).collect();
    for i in 1..=a.len() {
        let mut row = vec![i];
        for j in 1..=b.len() {
            let differs = usize::from(a[i - 1] != b[j - 1]);
            let mut least = (last[j - 1] + differs).min(last[j] + 1).min(row[j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                least = least.min(before[j - 2] + 1);
            }
            row.push(least);
        }
        before = std::mem::replace(&mut last, row);
    }
    last[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_of_the_finger_is_near_and_another_word_is_not() {
        let names = ["create", "capture", "list", "verify", "restore", "diff", "cat"];
        for (word, name) in [
            ("lst", Some("list")),
            ("lsit", Some("list")),
            ("verfiy", Some("verify")),
            ("restor", Some("restore")),
            ("rsetoer", Some("restore")),
            ("ct", Some("cat")),
            ("list", None),
            ("projects", None),
            ("tools", None),
            ("memory.md", None),
            ("a", None),
            ("", None),
        ] {
            assert_eq!(nearest(word, &names), name, "{word}");
        }
    }
}
