//! Dates in headings, on any text.

use pai_optimize::dated::{Order, Verdict, leading, read, title};

/// A day that is found is the only one; it stays found in front of a title, and a second one makes it none.
pub(crate) fn holds(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let text = text.lines().next().unwrap_or_default();
    for order in [None, Some(Order::Dmy), Some(Order::Mdy)] {
        let verdict = read(text, order);
        let title = title(text, order);
        assert!(title.len() <= text.len() + 2, "{title}");
        if let Verdict::Day(date) = verdict {
            let (year, month, day) = date.civil();
            assert!((1..=12).contains(&month) && (1..=31).contains(&day) && year < 10_000);
            let other = if date.to_string() == "2001-02-03" { "2001-02-04" } else { "2001-02-03" };
            let two = read(&format!("{other} {text}"), order);
            assert!(matches!(two, Verdict::Several | Verdict::Range), "{text}");
        }
        if let Some(date) = leading(text, order) {
            assert!(
                matches!(read(text, order), Verdict::Day(found) if found == date)
                    || read(text, order) != Verdict::Undated
            );
        }
    }
}
