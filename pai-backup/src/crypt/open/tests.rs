use super::*;
use crate::crypt::{Recipients, seal};
use age::secrecy::ExposeSecret;

/// A pair.
fn pair() -> (Identities, Recipients) {
    let key = age::x25519::Identity::generate();
    let identities = Identities::of_text(key.to_string().expose_secret()).unwrap();
    (identities, Recipients::parse(&key.to_public().to_string()).unwrap())
}

fn content(length: usize) -> Vec<u8> {
    (0..length).map(|at| (at / 7) as u8 ^ (at >> 13) as u8).collect()
}

#[derive(Debug)]
struct InMemory(Vec<u8>);

impl Bytes for InMemory {
    fn read_exact_at(&self, buf: &mut [u8], offset: u64) -> io::Result<()> {
        let found = self.0.get(offset as usize..offset as usize + buf.len());
        buf.copy_from_slice(found.ok_or(io::ErrorKind::UnexpectedEof)?);
        Ok(())
    }

    fn size(&self) -> u64 {
        self.0.len() as u64
    }
}

/// Lengths around the borders of chunks.
const LENGTHS: [usize; 8] = [0, 1, 65_535, 65_536, 65_537, 131_072, 200_000, 1_500_000];

#[test]
fn what_was_sealed_is_opened_whole_as_a_stream_and_at_any_offset() {
    let (identities, to) = pair();
    let identities = Arc::new(identities);
    for length in LENGTHS {
        let content = content(length);
        let sealed = seal(&content, &to).unwrap().bytes;
        assert!(open(&sealed, &identities).unwrap() == content, "{length}");
        let mut streamed = Vec::new();
        stream(&sealed[..], &identities).unwrap().read_to_end(&mut streamed).unwrap();
        assert!(streamed == content, "{length}");
        let opened = Opened::new(Arc::new(InMemory(sealed.clone())), Arc::clone(&identities)).unwrap();
        assert_eq!(opened.size(), length as u64);
        let head = head_length(&sealed).unwrap();
        for (offset, count) in [
            (0, 1),
            (0, length),
            (65_536, 1),
            (65_535, 2),
            (70_000, 60_000),
            (131_071, 1),
            (length - length / 3, length / 3),
        ] {
            let Some(expected) = content.get(offset..offset + count) else { continue };
            let mut found = vec![0; count];
            opened.read_exact_at(&mut found, offset as u64).unwrap();
            assert!(found == expected, "{count} bytes at {offset} of {length}");
            let (start, size) = place_of(head, offset as u64, count as u64);
            let chunks = &sealed[start as usize..sealed.len().min((start + size) as usize)];
            let mut found = vec![0; count];
            open_part(&sealed[..head], chunks, offset as u64, &mut found, &identities).unwrap();
            assert!(found == expected, "{count} bytes at {offset} of {length}, of their chunks alone");
        }
    }
}

#[test]
fn a_flipped_bit_anywhere_and_a_cut_anywhere_are_noticed() {
    let (identities, to) = pair();
    let identities = Arc::new(identities);
    let sealed = seal(&content(200_000), &to).unwrap().bytes;
    let head = head_length(&sealed).unwrap();
    let mut tried = 0;
    for at in (0..head).chain((head..sealed.len()).step_by(997)) {
        let mut bad = sealed.clone();
        bad[at] ^= 0x10;
        assert!(open(&bad, &identities).is_err(), "flipped at {at}");
        tried += 1;
    }
    let chunk = SEALED_CHUNK as usize;
    for cut in
        [0, 10, head - 1, head, head + 1, head + chunk, head + 2 * chunk, head + 3 * chunk, sealed.len() - 1]
    {
        let cut_off = sealed[..cut].to_vec();
        assert!(open(&cut_off, &identities).is_err(), "cut at {cut}");
        let mut streamed = Vec::new();
        let outcome =
            stream(&cut_off[..], &identities).and_then(|mut input| input.read_to_end(&mut streamed));
        assert!(outcome.is_err(), "cut at {cut}, as a stream");
        assert!(
            Opened::new(Arc::new(InMemory(cut_off)), Arc::clone(&identities)).is_err(),
            "cut at {cut}, by offset"
        );
    }
    assert!(tried > 400);
}

#[test]
fn chunks_of_another_place_or_file_are_noticed() {
    let (identities, to) = pair();
    let content = content(200_000);
    let (one, two) = (seal(&content, &to).unwrap().bytes, seal(&content, &to).unwrap().bytes);
    let head = head_length(&one).unwrap();
    let chunk = SEALED_CHUNK as usize;
    let mut swapped = one.clone();
    swapped[head..head + chunk].copy_from_slice(&one[head + chunk..head + 2 * chunk]);
    assert!(open(&swapped, &identities).is_err());
    let mut found = [0; 10];
    let other = head_length(&two).unwrap();
    assert!(open_part(&one[..head], &two[other..other + chunk], 0, &mut found, &identities).is_err());
    assert!(open_part(&one[..head], &one[head..head + chunk], CHUNK, &mut found, &identities).is_err());
}

#[test]
fn a_head_without_end_is_not_taken_in() {
    let (identities, _) = pair();
    let endless = MAGIC.iter().copied().chain(std::iter::repeat(b'x')).take(10 << 20).collect::<Vec<_>>();
    let lines = [MAGIC, &b"-> x\n\n".repeat(1 << 20)[..]].concat();
    for bytes in [endless, lines] {
        assert_eq!(head_length(&bytes), None);
        assert!(open(&bytes, &identities).is_err());
        assert!(stream(&bytes[..], &identities).is_err());
        assert!(Opened::new(Arc::new(InMemory(bytes)), Arc::new(pair().0)).is_err());
    }
}

#[test]
fn another_identity_is_told_from_damage() {
    let sealed = seal(b"x", &pair().1).unwrap().bytes;
    let error = open(&sealed, &pair().0).unwrap_err();
    assert_eq!(error.to_string(), OpenError::NotForUs.to_string());
    let passphrase = age::secrecy::SecretString::from("x".to_owned());
    let mut recipient = age::scrypt::Recipient::new(passphrase);
    recipient.set_work_factor(2);
    let error = open(&age::encrypt(&recipient, b"x").unwrap(), &pair().0).unwrap_err();
    assert_eq!(error.to_string(), OpenError::Passphrase.to_string());
}
