//! What is encrypted, on any bytes: a reader gives what was sealed, or nothing.

use std::sync::OnceLock;

use pai_backup::crypt::{Identities, Recipients};
use pai_backup::probe::{self, Archive};

/// A key that everybody knows.
const IDENTITY: &str = "AGE-SECRET-KEY-1GQ9778VQXMMJVE8SK7J6VT8UJ4HDQAJUVSFCWCM02D8GEWQ72PVQ2Y5J33";

fn identities() -> Identities {
    Identities::of_text(IDENTITY).unwrap()
}

fn recipients() -> &'static Recipients {
    static KNOWN: OnceLock<Recipients> = OnceLock::new();
    KNOWN.get_or_init(|| {
        Recipients::parse("age1t7rxyev2z3rw82stdlrrepyc39nvn86l5078zqkf5uasdy86jp6svpy7pa").unwrap()
    })
}

/// Where the bytes steer to, in something of this length.
fn place(steer: [u8; 3], length: usize) -> usize {
    (usize::from(steer[0]) << 16 | usize::from(steer[1]) << 8 | usize::from(steer[2])) % length.max(1)
}

/// The first byte says what is made of the rest: an age file as it stands, or a content that is sealed, and then changed where
/// the next bytes say.
pub(crate) fn file(bytes: &[u8]) {
    let Some((&[how, change, a, b, c], rest)) = bytes.split_first_chunk() else { return };
    if how % 4 == 0 {
        let file = if how & 4 == 0 { rest.to_vec() } else { [b"age-encryption.org/v1\n", rest].concat() };
        let opened = probe::open(&file, identities(), u64::from(a), usize::from(b));
        assert!(opened.whole.is_none_or(|whole| whole == opened.streamed));
        return;
    }
    let content = rest.repeat(if how & 8 == 0 { 1 } else { 1 + 150_000 / rest.len().max(1) });
    let sealed = probe::seal(&content, recipients());
    let at = place([a, b, c], sealed.len());
    let mut file = sealed.clone();
    match how % 4 {
        1 => file[at] ^= change,
        2 => file.truncate(at),
        _ => file.insert(at, change),
    }
    let (offset, length) = (place([c, b, a], content.len()), usize::from(change) * 300);
    let opened = probe::open(&file, identities(), offset as u64, length);
    let expected = content.get(offset..offset + length);
    assert!(content.starts_with(&opened.streamed), "what comes out is what went in, as far as it comes");
    assert!(opened.part.is_none_or(|part| Some(&part[..]) == expected));
    assert_eq!(opened.whole.is_some(), file == sealed, "what was changed is noticed");
    assert!(opened.whole.is_none_or(|whole| whole == content));
}

/// Text that may be a list, or the lines of packs.
pub(crate) fn list(bytes: &[u8]) {
    probe::packs(bytes);
    let Some(text) = probe::list(bytes, "a") else { return };
    assert_eq!(probe::list(text.as_bytes(), "a").as_ref(), Some(&text), "what is read is read again");
}

/// Packs, an archive that is made of runs of them, and a change to one of them.
pub(crate) fn packs(bytes: &[u8]) {
    let Some((&[how, change, a, b, c], rest)) = bytes.split_first_chunk() else { return };
    let pieces: Vec<Vec<u8>> = rest
        .chunks(rest.len().div_ceil(3).max(1))
        .map(|piece| piece.repeat(if how & 8 == 0 { 1 } else { 1 + 70_000 / piece.len() }))
        .collect();
    if pieces.is_empty() {
        return;
    }
    let mut runs = Vec::new();
    let mut whole = Vec::new();
    for steer in rest.chunks_exact(4).take(8) {
        let number = usize::from(steer[0]) % pieces.len();
        let offset = place([steer[1], steer[2], steer[3]], pieces[number].len());
        let length = (pieces[number].len() - offset).min(1 + usize::from(steer[3]) * 40);
        runs.push((number, offset as u64, length as u64));
        whole.extend_from_slice(&pieces[number][offset..offset + length]);
    }
    let sealed = how & 1 == 1;
    let mut archive = Archive::new(&pieces, &runs, sealed.then(|| (identities(), recipients())));
    let offset = place([a, b, c], whole.len());
    let length = place([c, a, b], whole.len() - offset);
    let expected = Some(whole[offset..offset + length].to_vec());
    assert_eq!(archive.read(offset as u64, length, how & 2 == 2), expected);
    assert_eq!(archive.read(offset as u64, whole.len() + 1, false), None);
    archive.tamper(usize::from(c) % pieces.len(), |object| match (how >> 4) % 3 {
        0 if !object.is_empty() => {
            let at = place([b, c, a], object.len());
            object[at] ^= change;
        }
        1 => object.truncate(place([b, c, a], object.len())),
        _ => object.extend_from_slice(&[change; 3]),
    });
    // A range of a pack that is not encrypted is checked by what is in it, and not here.
    let checked = sealed || how & 2 == 2;
    let found = archive.read(offset as u64, length, how & 2 == 2);
    assert!(!checked || found.is_none() || found == expected, "what was changed came out");
}
