//! Names in every form of stamp that is read unasked.

use pai_common::clock::{Timestamp, Zone};
use pai_rotate::reading::Reading;

/// A form that is read unasked: how it is written, and how much of a time it tells.
type KnownForm = (&'static str, Told);

/// How much of a time a form tells.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Told {
    Week,
    Day,
    Minute,
    Second,
}

/// In strftime's words, which is how people write them.
pub(crate) const KNOWN: &[KnownForm] = &[
    ("%G-W%V", Told::Week),
    ("%Y%m%d", Told::Day),
    ("%Y-%m-%d", Told::Day),
    ("%Y_%m_%d", Told::Day),
    ("%Y%m%d-%H%M", Told::Minute),
    ("%Y%m%d_%H%M", Told::Minute),
    ("%Y%m%dT%H%MZ", Told::Minute),
    ("%Y%m%d%H%M", Told::Minute),
    ("%Y-%m-%d_%H-%M", Told::Minute),
    ("%Y-%m-%d_%H%M", Told::Minute),
    ("%Y-%m-%d-%H%M", Told::Minute),
    ("%Y-%m-%dT%H:%M", Told::Minute),
    ("%Y-%m-%d %H:%M", Told::Minute),
    ("%Y-%m-%d_%Hh%Mm", Told::Minute),
    ("%Y_%m_%d_%H-%M", Told::Minute),
    ("%Y%m%d-%H%M%S", Told::Second),
    ("%Y%m%d_%H%M%S", Told::Second),
    ("%Y%m%dT%H%M%SZ", Told::Second),
    ("%Y%m%d%H%M%S", Told::Second),
    ("%Y%m%d_%H-%M-%S", Told::Second),
    ("%Y-%m-%d_%H-%M-%S", Told::Second),
    ("%Y-%m-%d-%H-%M-%S", Told::Second),
    ("%Y-%m-%d %H.%M.%S", Told::Second),
    ("%Y-%m-%dT%H:%M:%SZ", Told::Second),
    ("%Y-%m-%dT%H:%M:%S+00:00", Told::Second),
    ("%Y-%m-%dT%H:%M:%S.123Z", Told::Second),
    ("%Y_%m_%d_%H_%M_%S", Told::Second),
];

/// Whatever stands around it, a name made in a known form gives the time it was made of, and the series of a name
/// made at another time.
pub(crate) fn is_read_whole((form, told): KnownForm, around: (&str, &str), times: [i64; 2]) {
    let reading = Reading { zone: Zone::Utc, ..Reading::default() };
    let made = times.map(|secs| {
        let time = Timestamp::new(secs, 0);
        let name = format!("{}{}{}", around.0, written(form, time), around.1);
        assert_eq!(reading.stamped(name.as_bytes()).1, Some(cut(time, told)), "{name}");
        name
    });
    let [one, other] =
        made.each_ref().map(|name| reading.entry(name.as_bytes(), || None).series_name().unwrap());
    assert_eq!(one, other, "{made:?}");
    assert_eq!(one, format!("{}*{}", around.0, around.1).as_bytes());
}

fn written(form: &str, time: Timestamp) -> String {
    let civil = time.civil(Zone::Utc);
    [
        ("%Y", civil.year as u32),
        ("%m", civil.month),
        ("%d", civil.day),
        ("%H", civil.hour),
        ("%M", civil.minute),
        ("%S", civil.second),
        ("%G", civil.iso_year as u32),
        ("%V", civil.iso_week),
    ]
    .iter()
    .fold(form.to_owned(), |text, (word, number)| text.replace(word, &format!("{number:02}")))
}

/// The time without what the form does not tell.
fn cut(time: Timestamp, told: Told) -> Timestamp {
    let secs = time.secs();
    let day = secs.div_euclid(86_400);
    Timestamp::new(
        match told {
            // 1970-01-05 was a Monday.
            Told::Week => ((day - 4).div_euclid(7) * 7 + 4) * 86_400,
            Told::Day => day * 86_400,
            Told::Minute => secs.div_euclid(60) * 60,
            Told::Second => secs,
        },
        0,
    )
}
