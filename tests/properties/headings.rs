//! Headings made of a day, in every form that people use.

use pai_optimize::date::Date;
use pai_optimize::dated::{Order, Verdict, read};
use pai_tests::corpus::forms::{Civil, written};

/// A form of the corpus, and a day.
type Made = (&'static str, Civil);

/// A heading made of one day gives that day, whatever its title; one made of two different days gives none.
pub(crate) fn is_read(made: [Made; 2], title: &str) {
    let order = Some(Order::Dmy);
    let texts = made.map(|(form, civil)| written(form, civil, title));
    let days = made.map(|(_, (year, month, day))| Date::new(year, month, day).unwrap());
    for (text, day) in texts.iter().zip(days) {
        assert_eq!(read(text, order), Verdict::Day(day), "{text}");
    }
    let both = texts.join(" and ");
    let verdict = read(&both, order);
    if days[0] == days[1] {
        assert_eq!(verdict, Verdict::Day(days[0]), "{both}");
    } else {
        assert_eq!(verdict, Verdict::Several, "{both}");
    }
}
