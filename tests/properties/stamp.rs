//! Stamps in names, on any bytes.

use pai_common::clock::Zone;
use pai_common::stamp::{self, Stamp};

/// A stamp that is found lies in the last component that has one, is found there alone too, and written again it
/// names the same second.
pub(crate) fn holds(name: &[u8]) {
    let Some(Stamp { range, time }) = stamp::find(name, Zone::Utc) else { return };
    let text = &name[range.clone()];
    assert!(!text.contains(&b'/'), "{:?}", String::from_utf8_lossy(text));
    assert_eq!(stamp::find(text, Zone::Utc), Some(Stamp { range: 0..text.len(), time }));
    let last = name.iter().rposition(|&byte| byte == b'/').map_or(0, |slash| slash + 1);
    assert!(range.start >= last || stamp::find(&name[last..], Zone::Utc).is_none());
    let again = stamp::find(stamp::compact(time, Zone::Utc).as_bytes(), Zone::Utc);
    // A dashed date may have a year that bare figures do not.
    if time.civil(Zone::Utc).year >= 1970 {
        assert_eq!(again.map(|stamp| stamp.time.secs()), Some(time.secs()));
    }
}
