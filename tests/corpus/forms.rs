//! The forms in which people write a date into a heading or before a list item's text.

/// A day as numbers: year, month, day of the month.
pub type Civil = (i32, u32, u32);

/// Headings; those of the first list begin with their date, so that one of level 1 is an entry too.
pub const LEADING: &[&str] = &[
    "{iso}",
    "{iso} — {title}",
    "{iso} - {title}",
    "{iso}: {title}",
    "{iso} ~14:27 UTC",
    "[{iso}] - {title}",
    "[{iso} 15:30] - {title}",
    "[{iso} 14:21:00] - {title}",
    "[[{iso}]] {title}",
    "{y}/{mm}/{dd} {title}",
    "{y}.{mm}.{dd}: {title}",
    "{y}{mm}{dd} {title}",
    "{d} {month} {y}: {title}",
    "{month} {d}, {y} {title}",
    "{d}. {monat} {y} – {title}",
    "{y}年{m}月{d}日 {title}",
    "{dd}.{mm}.{y} {title}",
];

/// Headings with something before their date.
pub const INNER: &[&str] = &[
    "{title} ({iso})",
    "{title}（{iso}）",
    "{title} ({iso} added)",
    "Memory {iso}",
    "Session: {iso} 16:30:56 UTC",
    "19:33 → {iso} 02:13 UTC — {title}",
    "[1.2.0] - {iso}",
    "{title} {month} {d}, {y}",
];

/// Beginnings of a list item.
pub const ITEMS: &[&str] =
    &["- {iso}: ", "- **{iso}** ", "* [{iso}] ", "- {iso} – ", "- {d}. {monat} {y}: ", "+ {y}年{m}月{d}日："];

const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];
const MONATE: [&str; 12] = [
    "Januar",
    "Februar",
    "März",
    "April",
    "Mai",
    "Juni",
    "Juli",
    "August",
    "September",
    "Oktober",
    "November",
    "Dezember",
];

/// `form` with a day and a title.
pub fn written(form: &str, (year, month, day): Civil, title: &str) -> String {
    form.replace("{iso}", &format!("{year:04}-{month:02}-{day:02}"))
        .replace("{y}", &format!("{year:04}"))
        .replace("{mm}", &format!("{month:02}"))
        .replace("{dd}", &format!("{day:02}"))
        .replace("{m}", &month.to_string())
        .replace("{d}", &day.to_string())
        .replace("{month}", MONTHS[month as usize - 1])
        .replace("{monat}", MONATE[month as usize - 1])
        .replace("{title}", title)
}
