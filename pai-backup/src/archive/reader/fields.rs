//! The fields of a header block, as anyone writes them.

use crate::archive::header::BLOCK;
use crate::entry::Kind;

/// The kind of entry that a type flag stands for.
pub(super) fn kind_of(flag: u8, path: &[u8]) -> Option<Kind> {
    Some(match flag {
        // v7 knows no folders but by their slash.
        b'0' | 0 if path.ends_with(b"/") => Kind::Folder,
        b'0' | 0 | b'7' | b'S' => Kind::File,
        b'1' => Kind::HardLink,
        b'2' => Kind::Symlink,
        b'3' => Kind::CharDevice,
        b'4' => Kind::BlockDevice,
        b'5' | b'D' => Kind::Folder,
        b'6' => Kind::Fifo,
        _ => return None,
    })
}

/// Whether the block has a valid header checksum.
pub(super) fn checksum_holds(block: &[u8; BLOCK]) -> bool {
    let sum: u32 =
        block.iter().enumerate().map(|(i, &b)| if (148..156).contains(&i) { 32 } else { u32::from(b) }).sum();
    number(&block[148..156]) == Some(i64::from(sum))
}

/// A header's number: octal text, or base-256 when the first bit is set. Blank is zero.
pub(super) fn number(field: &[u8]) -> Option<i64> {
    if field[0] & 0x80 != 0 {
        // The first byte's second bit is the sign.
        let start =
            if field[0] & 0x40 == 0 { i128::from(field[0] & 0x7f) } else { i128::from(field[0] as i8) };
        let value = field[1..]
            .iter()
            .try_fold(start, |value, &byte| value.checked_mul(256).map(|value| value + i128::from(byte)))?;
        return i64::try_from(value).ok();
    }
    let text: Vec<u8> =
        field.iter().copied().skip_while(|&b| b == b' ').take_while(|&b| b != 0 && b != b' ').collect();
    text.iter().try_fold(0i64, |value, &digit| {
        (b'0'..=b'7')
            .contains(&digit)
            .then(|| value.checked_mul(8))
            .flatten()
            .map(|value| value + i64::from(digit - b'0'))
    })
}

/// A number in decimal text.
pub(super) fn decimal(text: &[u8]) -> Option<u64> {
    if text.is_empty() || !text.iter().all(u8::is_ascii_digit) {
        return None;
    }
    std::str::from_utf8(text).ok()?.parse().ok()
}

/// A name that ends with a NUL.
pub(super) fn until_nul(mut bytes: Vec<u8>) -> Vec<u8> {
    if let Some(nul) = bytes.iter().position(|&b| b == 0) {
        bytes.truncate(nul);
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_octal_or_base_256() {
        assert_eq!(number(b"0000755\0"), Some(0o755));
        assert_eq!(number(b"   755 \0"), Some(0o755));
        assert_eq!(number(b"\0\0\0\0\0\0\0\0"), Some(0));
        assert_eq!(number(b"0009\0\0\0\0"), None);
        assert_eq!(number(&[0x80, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0]), Some(1 << 25));
        assert_eq!(number(&[0xff; 12]), Some(-1));
    }
}
