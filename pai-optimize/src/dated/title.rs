//! What a heading says beside its date.

use std::sync::LazyLock;

use regex::Regex;

use super::{Order, mentions};

macro_rules! pattern {
    ($name:ident, $pattern:expr) => {
        #[allow(clippy::unwrap_used)] // a literal that the tests compile
        static $name: LazyLock<Regex> = LazyLock::new(|| Regex::new($pattern).unwrap());
    };
}

// A time of day behind a date, with its end and its zone; as `T143000Z` too.
pattern!(
    TIME_BEHIND,
    r"^(?:[T_-]\d{4}(?:\d\d)?Z?(?:\s|$)|[T\s,~@]*(?:at |um |kl\.? ?)?\d{1,2}:\d\d(?::\d\d)?(?:[.,]\d+)?(?:\s*[ap]m)?(?:\s*[-–—→]+\s*\d{1,2}:\d\d(?::\d\d)?(?:\s*[ap]m)?)?(?:\s*(?:UTC|GMT|Z|[A-Z]{2,4}T|Uhr|[+-]\d\d:?\d\d))?)"
);
// `19:33 →` before it.
pattern!(TIME_BEFORE, r"\d{1,2}:\d\d(?::\d\d)?\s*(?:UTC|GMT|Z)?\s*(?:[-–—→]+|,)?\s*$");
pattern!(EMPTY, r"\(\s*\)|\[\s*\]|（\s*）|【\s*】|「\s*」|\*\*\s*\*\*|``");
pattern!(AFTER_OPEN, r"([(\[（【])[\s,;:]+");
pattern!(BEFORE_CLOSE, r"[\s,;:]+([)\]）】])");
pattern!(
    WEEKDAY,
    r"(?i)^(?:[(（][月火水木金土日][)）]|[(（\[]?(?:(?:mon|tues?|wed(?:nes)?|thu(?:rs)?|fri|sat(?:ur)?|sun)(?:day)?|montag|dienstag|mittwoch|donnerstag|freitag|samstag|sonntag|mandag|tirsdag|onsdag|torsdag|fredag|lørdag|søndag|(?:周|星期|週)[一二三四五六日天]|[月火水木金土日]曜日?)[)）\]]?)(?:[\s,.:–—-]+|$)"
);

/// `text` without its dates, their times of day and what they leave behind: empty brackets, a dash.
pub fn title(text: &str, order: Option<Order>) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = 0;
    for mention in mentions(text, order) {
        let before = &text[rest..mention.range.start];
        out.push_str(TIME_BEFORE.find(before).map_or(before, |time| &before[..time.start()]));
        rest = mention.range.end;
        rest += TIME_BEHIND.find(&text[rest..]).map_or(0, |time| time.end());
    }
    out.push_str(&text[rest..]);
    for _ in 0..3 {
        out = EMPTY.replace_all(&out, "").into_owned();
    }
    out = AFTER_OPEN.replace_all(&out, "$1").into_owned();
    out = BEFORE_CLOSE.replace_all(&out, "$1").into_owned();
    let bare = WEEKDAY.replace(out.trim_matches(is_joint), "").into_owned();
    bare.trim_matches(is_joint).split_whitespace().collect::<Vec<_>>().join(" ")
}

fn is_joint(c: char) -> bool {
    c.is_whitespace() || "-–—:|·•,;~→：，、".contains(c)
}
