use proptest::prelude::*;

use super::*;

fn day(text: &str) -> Verdict {
    Verdict::Day(Date::parse(text.as_bytes()).unwrap())
}

#[test]
fn every_form_that_people_use_gives_its_day_and_leaves_its_title() {
    for (heading, title) in [
        ("2026-03-06", ""),
        ("2026-03-06 — Daily log", "Daily log"),
        ("2026-03-06 - title", "title"),
        ("2026-03-06: what happened", "what happened"),
        ("Recent activity summary (2026-03-06)", "Recent activity summary"),
        ("Memory 2026-03-06", "Memory"),
        ("2026-03-06 ~14:27 UTC", ""),
        ("Session: 2026-03-06 16:30:56 UTC", "Session"),
        ("19:33 → 2026-03-06 02:13 UTC — Night shift", "Night shift"),
        ("name (2026-03-06 added)", "name (added)"),
        ("[2026-03-06] - title", "title"),
        ("[2026-03-06 15:30] - title", "title"),
        ("[1.2.0] - 2026-03-06", "[1.2.0]"),
        ("[2026-03-06 14:21:00] - title", "title"),
        ("2026/03/06 title", "title"),
        ("2026/3/6", ""),
        ("2026-3-6", ""),
        ("2026.03.06", ""),
        ("20260306", ""),
        ("20260306T143000Z title", "title"),
        ("6 March 2026", ""),
        ("6. März 2026: Umzug", "Umzug"),
        ("6. mars 2026 – flytting", "flytting"),
        ("6th of March, 2026", ""),
        ("March 6, 2026", ""),
        ("Mar 6 2026 moved", "moved"),
        ("Mar. 6th, 2026", ""),
        ("Friday, March 6, 2026", ""),
        ("2026-03-06 (Friday)", ""),
        ("Title （2026-03-06）", "Title"),
        ("部署完成（2026-03-06）", "部署完成"),
        ("2026-03-06部署完成", "部署完成"),
        ("2026年3月6日 部署完成", "部署完成"),
        ("2026年03月06日（金）", ""),
        ("2026年3月6日（金） 会議", "会議"),
        ("[[2026-03-06]]", ""),
        ("[[2026-03-06]] Trip", "Trip"),
        ("[Trip](notes/2026-03-07.md) 2026-03-06", "[Trip](notes/2026-03-07.md)"),
        ("**2026-03-06** Trip", "Trip"),
        ("2026-03-06T14:27:00Z", ""),
        ("2026-03-06 10:00-11:30 Meeting", "Meeting"),
        ("2026-03-06 — Friday, March 6, 2026", ""),
        ("2026-03-06 - 3 bugs fixed", "3 bugs fixed"),
        ("🚀 Launch (2026-03-06)", "🚀 Launch"),
        ("memory-2026-03-06", "memory"),
    ] {
        assert_eq!(read(heading, None), day("2026-03-06"), "{heading}");
        assert_eq!(super::title(heading, None), title, "{heading}");
    }
}

#[test]
fn versions_addresses_times_and_parts_of_names_are_no_dates() {
    for heading in [
        "[1.2.0]",
        "v2025.1.1",
        "2025.1.1",
        "v2025.01.01",
        "2025.01.01.2",
        "2025.01.01-beta",
        "1.2025.01.02",
        "192.168.1.1",
        "10:00-11:30",
        "20:26-03:10",
        "19:33 → 02:13 UTC",
        "2026-03",
        "March 2026",
        "2026",
        "Week 10",
        "https://x.org/2026/03/06/post",
        "notes/2026-03-06.md",
        "2026-03-06.md",
        "#20260306",
        "20261399",
        "120260306",
        "12345678",
        "+20260306",
        "2026-03-06-draft",
        "a2026-03-06",
        "2025-09-011",
        "[Trip](2026-03-06.md)",
        "<https://x.org/?d=2026-03-06>",
        "May 5",
        "6 of 2026",
        "Projects",
        "",
    ] {
        assert_eq!(read(heading, None), Verdict::Undated, "{heading}");
    }
}

#[test]
fn what_could_be_two_days_is_none_and_says_why() {
    for (heading, verdict) in [
        ("2026-03-01 to 2026-03-07", Verdict::Several),
        ("2026-03-01, 2026-03-02", Verdict::Several),
        ("2026-03-01–07", Verdict::Range),
        ("2026-03-01/07", Verdict::Range),
        ("2026-03-01..07", Verdict::Range),
        ("Sprint (2026-03-01 – 07)", Verdict::Range),
        ("March 1-7, 2026", Verdict::Range),
        ("1.–7. März 2026", Verdict::Range),
        ("2025-02-30", Verdict::Impossible),
        ("31 April 2026", Verdict::Impossible),
        ("06.03.2026", Verdict::Unclear),
        ("6/3/2026", Verdict::Unclear),
    ] {
        assert_eq!(read(heading, None), verdict, "{heading}");
    }
    assert_eq!(read("06.03.2026", Some(Order::Dmy)), day("2026-03-06"));
    assert_eq!(read("03/06/2026", Some(Order::Mdy)), day("2026-03-06"));
    assert_eq!(read("13/06/2026", Some(Order::Mdy)), Verdict::Impossible);
}

#[test]
fn an_entry_of_a_list_begins_with_its_day() {
    for (text, found) in [
        ("2026-03-06: learned", true),
        ("**2026-03-06**: learned, lease until 2027-03-06", true),
        ("[2026-03-06] learned", true),
        ("(2026-03-06) learned", true),
        ("March 6, 2026 learned", true),
        ("learned 2026-03-06", false),
        ("[ ] 2026-03-06 pay the rent", false),
        ("2026-03-01 – 2026-03-07: holiday", false),
        ("2026-03-06.md", false),
        ("[2026-03-06.md](x)", false),
        ("20260306://host/ learned on 2026-03-07", false),
    ] {
        assert_eq!(leading(text, None).is_some(), found, "{text}");
    }
}

/// `day` in one of the forms.
fn written(form: usize, (year, month, day): (i32, u32, u32)) -> String {
    const NAMES: [&str; 12] = [
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
    let name = NAMES[month as usize - 1];
    match form {
        0 => format!("{year:04}-{month:02}-{day:02}"),
        1 => format!("{year:04}/{month:02}/{day:02}"),
        2 => format!("{year:04}.{month:02}.{day:02}"),
        3 => format!("{year:04}{month:02}{day:02}"),
        4 => format!("{day} {name} {year}"),
        5 => format!("{name} {day}, {year}"),
        6 => format!("{} {day} {year}", &name[..3]),
        7 => format!("{year}年{month}月{day}日"),
        _ => format!("{day:02}.{month:02}.{year:04}"),
    }
}

proptest! {
    #[test]
    fn a_heading_made_from_a_day_gives_that_day_and_one_made_from_two_none(
        days in [0_i64..20_000, 0_i64..20_000],
        forms in [0_usize..9, 0_usize..9],
        around in prop::sample::select(vec![("", ""), ("Title (", ")"), ("[", "] - title"), ("", " - title"), ("（", "）"), ("[[", "]]"), ("", " ~14:27 UTC"), ("Session: ", " 16:30:56"), ("标题 ", "")]),
    ) {
        let dates = days.map(|days| Date::new(1970, 1, 1).unwrap().minus(u32::try_from(20_000 - days).unwrap()));
        let texts: Vec<String> = dates.iter().zip(forms).map(|(date, form)| {
            let (year, month, day) = date.civil();
            written(form, (year + 55, month, day.min(28)))
        }).collect();
        let expected: Vec<Date> = dates.iter().map(|date| {
            let (year, month, day) = date.civil();
            Date::new(year + 55, month, day.min(28)).unwrap()
        }).collect();
        let order = Some(Order::Dmy);
        let one = format!("{}{}{}", around.0, texts[0], around.1);
        prop_assert_eq!(read(&one, order), Verdict::Day(expected[0]), "{}", one);
        let two = format!("{}{}{}, {}", around.0, texts[0], around.1, texts[1]);
        if expected[0] != expected[1] {
            prop_assert_eq!(read(&two, order), Verdict::Several, "{}", two);
        }
    }

    #[test]
    fn any_text_is_read_and_has_a_title(text in "\\PC{0,60}", digits in "[0-9./: -]{0,40}") {
        for text in [text, digits] {
            let _ = (read(&text, None), leading(&text, Some(Order::Mdy)), super::title(&text, None));
        }
    }
}
