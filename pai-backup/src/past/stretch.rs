//! Versions, deletions and returns, from what each night tells of a path.

use super::catalogue::Thing;
use super::line::Seen;

/// A part of a path's history. Nights are numbers, the oldest is 0.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Stretch<'a> {
    /// The same content, in every archive of this time that tells of the path.
    Version {
        /// The first archive that has it.
        first: usize,
        /// The last one.
        last: usize,
        /// How many have it.
        archives: usize,
        /// What it is, as the last one has it.
        thing: &'a Thing,
    },
    /// Not there.
    Gone {
        /// The last archive that had it.
        last: usize,
        /// The first that did not.
        by: usize,
        /// The archive that has it again.
        back: Option<usize>,
    },
}

/// A path's history, oldest first. It begins and may end with a version.
pub(crate) fn stretches<'a>(seen: &[Seen<'a>]) -> Vec<Stretch<'a>> {
    let mut history: Vec<Stretch<'a>> = Vec::new();
    for (night, seen) in seen.iter().enumerate() {
        match (seen, history.last_mut()) {
            (Seen::There(now), Some(Stretch::Version { last, archives, thing, .. }))
                if thing.same_content(now) =>
            {
                (*last, *archives, *thing) = (night, *archives + 1, now);
            }
            (Seen::There(thing), last) => {
                if let Some(Stretch::Gone { back, .. }) = last {
                    *back = Some(night);
                }
                history.push(Stretch::Version { first: night, last: night, archives: 1, thing });
            }
            (Seen::Absent, Some(&mut Stretch::Version { last, .. })) => {
                history.push(Stretch::Gone { last, by: night, back: None });
            }
            (Seen::Absent | Seen::Untold, _) => {}
        }
    }
    history
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entry::Kind;
    use pai_common::clock::Timestamp;
    use std::path::PathBuf;

    #[test]
    fn each_stretch_of_a_history_is_told() {
        let file = |digest: u8, mtime| Thing {
            kind: Kind::File,
            mode: 0o644,
            size: 1,
            mtime: Timestamp::new(mtime, 0),
            link: PathBuf::new(),
            device: (0, 0),
            digest: Some([digest; 32]),
        };
        let things = [file(1, 1), file(2, 2), file(1, 3)];
        // Letters are things; a dot is an absence, a question mark a night that tells nothing.
        for (nights, expected) in [
            ("", ""),
            ("..??", ""),
            ("a", "a0-0x1"),
            (".aa", "a1-2x2"),
            ("a?a", "a0-2x2"),
            ("ab", "a0-0x1 b1-1x1"),
            ("aca", "a0-2x3"),
            ("a.", "a0-0x1 -0by1"),
            ("a?.?.", "a0-0x1 -0by2"),
            ("a.?a", "a0-0x1 -0by1back3 a3-3x1"),
            ("a..b?", "a0-0x1 -0by1back3 b3-3x1"),
        ] {
            let seen: Vec<Seen<'_>> = nights
                .bytes()
                .map(|night| match night {
                    b'.' => Seen::Absent,
                    b'?' => Seen::Untold,
                    letter => Seen::There(&things[usize::from(letter - b'a')]),
                })
                .collect();
            let shown: Vec<String> = stretches(&seen)
                .iter()
                .map(|stretch| match stretch {
                    Stretch::Version { first, last, archives, thing } => {
                        let letter = if thing.digest == Some([1; 32]) { 'a' } else { 'b' };
                        format!("{letter}{first}-{last}x{archives}")
                    }
                    Stretch::Gone { last, by, back } => {
                        format!("-{last}by{by}{}", back.map_or(String::new(), |back| format!("back{back}")))
                    }
                })
                .collect();
            assert_eq!(shown.join(" "), expected, "{nights}");
        }
    }
}
