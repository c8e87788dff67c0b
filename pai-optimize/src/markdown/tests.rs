use std::path::{Path, PathBuf};

use proptest::prelude::*;
use pulldown_cmark::{Event, Options, Parser, Tag};

use super::{items, outline, preface};

/// Line number (from 0) and level of each top-level heading.
type Found = Vec<(usize, u8)>;

fn ours(text: &str) -> Found {
    let found = outline(text.as_bytes()).headings;
    found.iter().map(|heading| (line_of(text, heading.text.start), heading.level)).collect()
}

fn oracle(text: &str) -> Found {
    let skipped = preface(text.as_bytes());
    let mut depth = 0;
    let mut found = Vec::new();
    for (event, range) in Parser::new_ext(&text[skipped..], Options::empty()).into_offset_iter() {
        match event {
            Event::Start(Tag::Heading { level, .. }) if depth == 0 => {
                found.push((line_of(text, skipped + range.start), level as u8));
                depth += 1;
            }
            Event::Start(_) => depth += 1,
            Event::End(_) => depth -= 1,
            _ => {}
        }
    }
    found
}

/// First and last line of each top-level list item.
fn our_items(text: &str) -> Vec<(usize, usize)> {
    items(text.as_bytes())
        .into_iter()
        .map(|item| (line_of(text, item.start), line_of(text, item.end - 1)))
        .collect()
}

fn oracle_items(text: &str) -> Vec<(usize, usize)> {
    let mut depth = 0;
    let mut found = Vec::new();
    for (event, range) in Parser::new_ext(text, Options::empty()).into_offset_iter() {
        match event {
            Event::Start(tag) => {
                if depth == 1 && tag == Tag::Item {
                    let item = text[range.clone()].trim_ascii_end();
                    found.push((line_of(text, range.start), line_of(text, range.start + item.len())));
                }
                depth += 1;
            }
            Event::End(_) => depth -= 1,
            _ => {}
        }
    }
    found
}

fn line_of(text: &str, offset: usize) -> usize {
    memchr::memchr_iter(b'\n', &text.as_bytes()[..offset]).count()
}

#[test]
fn headings_are_where_commonmark_has_them() {
    for (text, expected) in [
        ("## a\n", vec![(0, 2)]),
        ("\u{feff}## a\n", vec![(0, 2)]),
        ("   ## a ##\n", vec![(0, 2)]),
        ("    ## code\n", vec![]),
        ("##\ta\n", vec![(0, 2)]),
        ("##a\n", vec![]),
        ("a\r\n---\r\n", vec![(0, 2)]),
        ("a\nb\n===\n", vec![(0, 1)]),
        ("\u{c}\n## a\n", vec![(1, 2)]),
        ("\r\r\n## a\n", vec![(1, 2)]),
        ("\u{c}## a\n", vec![]),
        ("##\r\r\n", vec![(0, 2)]),
        ("a\n===\u{c}\n", vec![]),
        ("```\n```\u{c}\n## a\n```\n", vec![]),
        ("---\ntitle: x\n---\n## a\n", vec![(3, 2)]),
        ("---\n\n## a\n---\n", vec![(2, 2)]),
        ("```\n## a\n~~~\n````\n## b\n", vec![(4, 2)]),
        ("``` a`b\n## a\n", vec![(1, 2)]),
        ("~~~ a`b\n## a\n", vec![]),
        ("<!--\n## a\n-->\n## b\n", vec![(3, 2)]),
        ("<div>\n## a\n\n## b\n", vec![(3, 2)]),
        ("<PRE>\n\n## a\n</Pre>\n## b\n", vec![(4, 2)]),
        ("- x\n## a\n", vec![(1, 2)]),
        ("- x\n  ## a\n", vec![]),
        ("- ```\n## a\n  ```\n", vec![(1, 2)]),
        ("> ## a\n> b\n---\n", vec![]),
        ("> b\n===\n", vec![]),
        ("[a]: /b\n===\n", vec![]),
        ("[a]: /b\nc\n===\n", vec![(1, 1)]),
        // VT, FF, NEL and U+2028 end no line.
        ("x\u{b}## a\u{c}## b\u{85}## c\u{2028}## d\n", vec![]),
        ("", vec![]),
        ("#", vec![(0, 1)]),
    ] {
        assert_eq!(ours(text), expected, "{text:?}");
    }
}

#[test]
fn an_unclosed_fence_or_comment_is_told_with_its_range() {
    for (text, unclosed) in [
        ("a\n```\nb\n", Some(2..8)),
        ("a\n<!-- b\n", Some(2..9)),
        ("- ```\nb\n", None),
        ("- ```\n", None),
        ("> <!-- b\n", None),
        ("```\n```\n", None),
        ("<div>\n", None),
    ] {
        assert_eq!(outline(text.as_bytes()).unclosed, unclosed, "{text:?}");
    }
}

#[test]
fn an_item_holds_what_is_indented_below_it_and_the_rest_of_its_paragraph() {
    for (text, expected) in [
        ("- a\n- b\n\n* c\n1. d\n", vec![(0, 0), (1, 1), (3, 3), (4, 4)]),
        ("- a\nlazy\n<!1\n-\n", vec![(0, 2), (3, 3)]),
        ("- a\n\n  more\n\n\ntext\n", vec![(0, 2)]),
        ("- a\n  - nested\n\n      code\n<!-- -->\n", vec![(0, 3)]),
        ("- a\n  ```\n  - code\n\n  ```\n```\n- code\n```\n- b", vec![(0, 4), (8, 8)]),
        ("<div>\n- a\n\n    - b\n> - c\n- - d\r\n\r\n", vec![(5, 5)]),
        ("text\n2. not one\n", vec![]),
        ("", vec![]),
    ] {
        assert_eq!(our_items(text), expected, "{text:?}");
    }
}

/// Lines that matter to the block structure, in every mix. One raw tag only: pulldown-cmark 0.13 waits for the
/// end tag of the same name, `CommonMark` takes any of the four.
fn pieces() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec![
        "",
        "",
        "text",
        "more text",
        "## 2025-09-01",
        "   ## 2025-09-02 ##",
        "##\t2025-09-03",
        "# Title",
        "#",
        "###### six",
        "####### seven",
        "#no",
        "    ## code",
        "\t## code",
        " \t## code",
        "===",
        "---",
        "  ---  ",
        "-",
        "--",
        "=",
        "***",
        "- - -",
        "* * *",
        "___",
        "```",
        "````",
        "```rust",
        "``` a`b",
        "~~~",
        "~~~~ x",
        "   ```",
        "    ```",
        "  ~~~",
        "<!--",
        "-->",
        "<!-- one -->",
        "<div>",
        "</div>",
        "<span>",
        "<span a='b' c>",
        "</span >",
        "<pre>",
        "</pre>",
        "<?php",
        "?>",
        "<!DOCTYPE html>",
        "<![CDATA[",
        "]]>",
        "<a",
        "- item",
        "  - nested",
        "-   wide",
        "-      code",
        "* star",
        "+ plus",
        "1. one",
        "2) two",
        "10. ten",
        "  continued",
        "   three",
        "     five",
        "> quote",
        ">",
        ">> deep",
        "> ## in quote",
        "> ```",
        "> - item",
        "- > quote",
        "- ## in item",
        "  ## maybe in item",
        "   ## maybe",
        "- ```",
        "  ```",
        "-\t tab",
        "[a]: /b",
        "[a]: /b 'c'",
        "[a]:",
        "/target",
        "[a]",
        "| a | b |",
        "2025-09-01",
        "\\## no",
        "&#35;# no",
    ])
}

fn document() -> impl Strategy<Value = String> {
    (prop::collection::vec((pieces(), any::<bool>()), 0..14), any::<bool>()).prop_map(|(lines, crlf)| {
        let feed = if crlf { "\r\n" } else { "\n" };
        let mut text = lines.iter().map(|(line, _)| *line).collect::<Vec<_>>().join(feed);
        if lines.last().is_some_and(|(_, ended)| *ended) {
            text.push_str(feed);
        }
        text
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(20_000), failure_persistence: None, ..Default::default() })]

    #[test]
    fn generated_markdown_has_its_headings_where_pulldown_cmark_sees_them(text in document()) {
        prop_assert_eq!(ours(&text), oracle(&text), "{:?}", text);
        prop_assert_eq!(our_items(&text), oracle_items(&text), "{:?}", text);
    }
}

/// `PROPTEST_CASES` wins, for long runs by hand.
fn cases(default: u32) -> u32 {
    std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(default)
}

#[test]
fn every_markdown_file_of_the_cargo_registry_agrees_with_pulldown_cmark() {
    let cargo_home = std::env::var_os("CARGO_HOME").map(PathBuf::from);
    let registry = cargo_home.or_else(|| std::env::home_dir().map(|home| home.join(".cargo")));
    let mut files = Vec::new();
    if let Some(registry) = registry {
        markdown_files(&registry.join("registry/src"), &mut files);
    }
    if files.is_empty() {
        pai_tests::skip("no Markdown in the cargo registry");
        return;
    }
    let mut compared = 0;
    for path in files {
        let text = String::from_utf8_lossy(&std::fs::read(&path).unwrap()).replace("\r\n", "\n");
        // A lone CR ends a line for CommonMark; not for us, see the head of this module.
        if !text.contains('\r') {
            assert_eq!(ours(&text), oracle(&text), "{}", path.display());
            assert_eq!(our_items(&text), oracle_items(&text), "{}", path.display());
            compared += 1;
        }
    }
    assert!(compared > 0);
}

fn markdown_files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        let kind = entry.file_type().unwrap();
        if kind.is_dir() {
            markdown_files(&path, found);
        } else if kind.is_file() && path.extension().is_some_and(|end| end.eq_ignore_ascii_case("md")) {
            found.push(path);
        }
    }
}
