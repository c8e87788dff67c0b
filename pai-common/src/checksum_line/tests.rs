//! Lines read as sha256sum reads them, and written as it writes them.

use super::*;

const HEX: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

/// One line by a fresh parser, with @ standing for the digest.
fn name_of(line: &str) -> Option<String> {
    match Parser::default().parse(line.replace('@', HEX).as_bytes()) {
        Parsed::Entry(entry) => {
            assert_eq!(to_hex(&entry.digest), HEX);
            Some(String::from_utf8(entry.name).unwrap())
        }
        Parsed::Malformed => None,
        Parsed::Nothing => Some("nothing".to_owned()),
    }
}

#[test]
fn every_line_is_read_as_sha256sum_reads_it() {
    for (line, expected) in [
        ("", Some("nothing")),
        ("\r", Some("nothing")),
        ("# @  f", Some("nothing")),
        (" # @  f", None),
        ("@  f", Some("f")),
        ("@ *f", Some("f")),
        (" \t@  f", Some("f")),
        ("@\t f", Some("f")),
        ("@\t*f", Some("f")),
        ("@ f", Some("f")),
        // One byte after the blank is a name, though it looks like a marker.
        ("@  ", Some(" ")),
        ("@ *", Some("*")),
        ("@  f\r", Some("f")),
        ("@   f ", Some(" f ")),
        ("@", None),
        ("@ ", None),
        ("@f  f", None),
        ("@f", None),
        ("\\@  a\\nb\\\\c\\r", Some("a\nb\\c\r")),
        ("\\@  a\\tb", None),
        ("\\@  a\\", None),
        ("\\@  a\0b", None),
        ("\\\\@  f", None),
        ("@  a\\nb", Some("a\\nb")),
        ("@  f\0junk", Some("f")),
        ("SHA256 (f) = @", Some("f")),
        ("SHA256(f)= @", Some("f")),
        ("SHA256 (f)=@", Some("f")),
        ("SHA256 (f) \t=\t @", Some("f")),
        ("\\SHA256 (a\\nb) = @", Some("a\nb")),
        ("SHA256 (a) = (b) = @", Some("a) = (b")),
        ("SHA256 () = @", Some("")),
        ("SHA256 (f) = @ ", None),
        ("SHA256 (f) = @f", None),
        ("SHA256 (f) = @\0junk", Some("f")),
        ("SHA256  (f) = @", None),
        ("SHA256 f = @", None),
        ("SHA256-256 (f) = @", None),
        ("SHA2-256(f)= @", None),
        ("sha256 (f) = @", None),
        ("MD5 (f) = @", None),
    ] {
        assert_eq!(name_of(line).as_deref(), expected, "{line:?}");
    }
    assert_eq!(name_of(&format!("{}  f", HEX.to_uppercase())).as_deref(), Some("f"));
    assert_eq!(name_of(&format!("{}  f", "g".repeat(64))), None);
}

#[test]
fn the_first_untagged_line_decides_whether_lines_are_reversed() {
    let parse = |lines: [&str; 3]| {
        let mut parser = Parser::default();
        lines.map(|line| match parser.parse(line.replace('@', HEX).as_bytes()) {
            Parsed::Entry(entry) => Some(String::from_utf8(entry.name).unwrap()),
            _ => None,
        })
    };
    let some = |name: &str| Some(name.to_owned());
    assert_eq!(parse(["@  a", "@ b", "@ *c"]), [some("a"), None, some("c")]);
    assert_eq!(parse(["@ a", "@  b", "@ *c"]), [some("a"), some(" b"), some("*c")]);
    assert_eq!(parse(["SHA256 (t) = @", "@ a", "SHA256 (t) = @"]), [some("t"), some("a"), some("t")]);
}

#[test]
fn lines_are_written_as_sha256sum_writes_them() {
    let digest = from_hex(HEX.as_bytes()).unwrap();
    for (name, style, expected) in [
        ("a b", Style::Text, "@  a b"),
        ("a", Style::Binary, "@ *a"),
        ("a)", Style::Tag, "SHA256 (a)) = @"),
        ("a\nb", Style::Text, "\\@  a\\nb"),
        ("a\\\r", Style::Tag, "\\SHA256 (a\\\\\\r) = @"),
    ] {
        let line = String::from_utf8(format(&digest, name.as_bytes(), style)).unwrap();
        assert_eq!(line.replace(HEX, "@"), expected);
    }
    assert_eq!(format_raw(&digest, b"a\nb", Style::Text), format!("{HEX}  a\nb").into_bytes());
}

#[test]
fn the_last_line_may_lack_its_end() {
    assert_eq!(lines(b"a\n\nb").collect::<Vec<_>>(), [&b"a"[..], b"", b"b"]);
    assert_eq!(lines(b"a\n").count(), 1);
    assert_eq!(lines(b"").count(), 0);
}

proptest::proptest! {
    #[test]
    fn what_is_written_is_read_back(
        digest: [u8; 32],
        name in proptest::collection::vec(1u8.., 1..40),
        style in 0..3,
    ) {
        let style = [Style::Text, Style::Binary, Style::Tag][style as usize];
        let line = format(&digest, &name, style);
        let parsed = Parser::default().parse(&line);
        proptest::prop_assert_eq!(parsed, Parsed::Entry(Entry { digest, name, style }));
    }

    #[test]
    fn no_line_makes_the_parser_panic(line: Vec<u8>) {
        let _ = Parser::default().parse(&line);
    }
}
