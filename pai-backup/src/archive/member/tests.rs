use super::*;
use pai_common::sha256::digest;

#[test]
fn a_sealed_payload_opens_and_every_flipped_byte_shows() {
    let payload: Vec<u8> = (0..5000u32).flat_map(|n| (n / 3).to_le_bytes()).collect();
    let (member, info) = Sealer::new(6).seal(&payload, digest(&payload));
    assert_eq!(info.size as usize, member.len());
    let (opened, announced) = Opener::default().open(&member).unwrap();
    assert_eq!((opened, announced), (payload.clone(), info.digest));
    for at in 0..member.len() {
        let mut damaged = member.clone();
        damaged[at] ^= 0x10;
        let noticed = match Opener::default().open(&damaged) {
            Err(_) => true,
            Ok((bytes, announced)) => digest(&bytes) != announced || crc32fast::hash(&damaged) != info.crc,
        };
        assert!(noticed, "byte {at}");
    }
}

#[test]
fn members_are_read_back_from_a_stream() {
    let payload = b"some tar bytes".repeat(100);
    let piece = vec![7; INDEX_PART + 5];
    let footer = Footer {
        version: VERSION,
        index_offset: 1 << 40,
        members: 3,
        index_deflated: 4,
        index_inflated: 5,
        index_digest: [7; 32],
    };
    let (data, _) = Sealer::new(6).seal(&payload, digest(&payload));
    let stream = [data.clone(), index_members(&piece), footer_member(&footer), b"junk".to_vec()].concat();
    assert_eq!(footer_member(&footer).len(), FOOTER_LENGTH);
    let mut input = &stream[..];
    let mut next = || read_member(&mut input).unwrap();
    assert!(matches!(next(), Some(NextMember::Ours(Announced::Data { .. }, bytes)) if bytes == data));
    for (length, ends) in [(INDEX_PART, false), (5, true)] {
        let Some(NextMember::Ours(Announced::Index(part), _)) = next() else { panic!("no part of {length}") };
        assert_eq!((part.bytes.len(), part.ends_piece), (length, ends));
    }
    assert!(matches!(next(), Some(NextMember::Ours(Announced::Footer(read), _)) if read == footer));
    assert!(matches!(next(), Some(NextMember::Foreign(bytes)) if bytes == b"junk"));
    assert!(next().is_none());
}

#[test]
fn a_plain_member_is_gzip() {
    let mut sealer = Sealer::new(6);
    let joined = [sealer.gzip(b"first "), sealer.gzip(b""), sealer.gzip(&vec![7; 100_000])].concat();
    let mut out = Vec::new();
    flate2::read::MultiGzDecoder::new(&joined[..]).read_to_end(&mut out).unwrap();
    assert_eq!(out, [b"first ".to_vec(), vec![7; 100_000]].concat());
}

#[test]
fn the_deflate_stream_of_an_empty_member_is_empty() {
    let mut out = Vec::new();
    flate2::read::MultiGzDecoder::new(&index_members(b"abc")[..]).read_to_end(&mut out).unwrap();
    assert!(out.is_empty());
}
