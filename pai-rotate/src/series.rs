//! What of a name makes its series: names that share it are copies of one thing, and the policy holds for them alone.
//! Pure: a name and where its stamp stands in, a series out.

use std::ops::Range;

use regex::bytes::Regex;

/// How names are grouped into series.
#[derive(Debug, Clone, Default)]
pub enum Grouping {
    /// All of the name but its stamp.
    #[default]
    Name,
    /// Names of which this pattern, or its groups, match the same text are one series.
    Pattern(Regex),
    /// Nothing: there is one series.
    One,
}

/// The series of one name. Beside the name, it need not hold what it has in common with others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Series {
    /// All of a folder is one series, or all of its names without a stamp.
    Folder,
    /// Names that are equal outside this range, which is the stamp, are one series.
    Around(Range<u32>),
    /// The one with this name; behind a thin pointer, as there is one of these for each of a million names.
    Named(Box<Box<[u8]>>),
}

/// The text that all names of a series share. Series are ordered by it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Key<'a> {
    /// The key of [`Series::Folder`].
    Folder,
    /// The key of [`Series::Around`]: the text before the stamp, and the text after it.
    Around(&'a [u8], &'a [u8]),
    /// The key of [`Series::Named`].
    Named(&'a [u8]),
}

impl Grouping {
    /// Reads a pattern.
    pub fn pattern(text: &str) -> Result<Regex, String> {
        Regex::new(text).map_err(|error| error.to_string())
    }

    /// The series of `name`, whose stamp stands at `stamp`; `None` if the pattern matches nothing of it.
    pub fn series_of(&self, name: &[u8], stamp: Option<&Range<u32>>) -> Option<Series> {
        match self {
            Self::Name => Some(stamp.map_or(Series::Folder, |stamp| Series::Around(stamp.clone()))),
            Self::Pattern(pattern) => captured(pattern, name).map(|series| Series::Named(Box::new(series))),
            Self::One => Some(Series::Folder),
        }
    }
}

/// The text that the groups of `pattern` matched, joined; the whole match if the pattern has no group.
fn captured(pattern: &Regex, name: &[u8]) -> Option<Box<[u8]>> {
    if pattern.captures_len() == 1 {
        return pattern.find(name).map(|found| found.as_bytes().into());
    }
    let captures = pattern.captures(name)?;
    let groups: Vec<&[u8]> = captures.iter().skip(1).flatten().map(|group| group.as_bytes()).collect();
    Some(groups.concat().into())
}

impl Series {
    /// The text that `name` shares with the other names of this series.
    pub fn key<'a>(&'a self, name: &'a [u8]) -> Key<'a> {
        match self {
            Self::Folder => Key::Folder,
            Self::Around(stamp) => Key::Around(&name[..stamp.start as usize], &name[stamp.end as usize..]),
            Self::Named(named) => Key::Named(named),
        }
    }
}

impl Key<'_> {
    /// The series as people see it: `pai-*.tar.gz`, or `*` for all of a folder.
    pub fn shown(&self) -> Vec<u8> {
        match self {
            Self::Folder => b"*".to_vec(),
            Self::Around(before, after) => [before, &b"*"[..], after].concat(),
            Self::Named(name) => name.to_vec(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(rule: &Grouping, name: &str, stamp: Option<&Range<u32>>) -> Option<String> {
        let series = rule.series_of(name.as_bytes(), stamp)?;
        Some(String::from_utf8(series.key(name.as_bytes()).shown()).unwrap())
    }

    #[test]
    fn what_of_a_name_makes_its_series() {
        let pattern = |text: &str| Grouping::Pattern(Grouping::pattern(text).unwrap());
        let name = "dump-20261101-020000-11e2d8.sql.gz";
        for (rule, stamp, expected) in [
            (Grouping::Name, Some(5..20), Some("dump-*-11e2d8.sql.gz")),
            (Grouping::Name, None, Some("*")),
            (Grouping::One, Some(5..20), Some("*")),
            (Grouping::One, None, Some("*")),
            (pattern("^[a-z]+"), Some(5..20), Some("dump")),
            (pattern(r"^([a-z]+-).*(\.sql.*)"), Some(5..20), Some("dump-.sql.gz")),
            (pattern("^(x)?dump"), Some(5..20), Some("")),
            (pattern(""), None, Some("")),
            (pattern("^db"), Some(5..20), None),
        ] {
            assert_eq!(shown(&rule, name, stamp.as_ref()).as_deref(), expected, "{rule:?}");
        }
        assert!(Grouping::pattern("(").is_err());
    }

    #[test]
    fn series_of_different_kinds_never_meet() {
        let name = b"*";
        let keys = [Series::Folder, Series::Around(0..1), Series::Named(Box::new(b"*"[..].into()))];
        let keys: Vec<Key<'_>> = keys.iter().map(|series| series.key(name)).collect();
        assert!(keys[0] != keys[1] && keys[1] != keys[2] && keys[0] != keys[2]);
    }

    #[test]
    fn an_entry_is_as_small_as_with_a_stamp_alone() {
        assert!(size_of::<Option<Series>>() <= 16);
    }
}
