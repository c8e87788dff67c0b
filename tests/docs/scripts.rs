//! Man pages of the scripts that are installed into `bin/`: what their `--help` prints, as sections.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, bail};

use crate::{escaped, fold, title};

/// Headings of a help text that are sections of the page. Their text follows on the same line, or indented below it.
const HEADINGS: [&str; 3] = ["Exit status:", "Environment:", "Examples:"];

/// The page of each script in `bin/` below `prefix`: its file name and what stands in it.
pub(crate) fn pages(prefix: &Path) -> anyhow::Result<Vec<(String, String)>> {
    let bin = prefix.join("bin");
    if !bin.is_dir() {
        return Ok(Vec::new());
    }
    let mut pages = Vec::new();
    for file in fs::read_dir(&bin)? {
        let name = file?.file_name().to_string_lossy().into_owned();
        if let Some(script) = script_of(&bin.join(&name)) {
            let page = page_of(&name, &script, prefix).with_context(|| format!("could not show {name}"))?;
            pages.push((format!("{name}.1"), page));
        }
    }
    Ok(pages)
}

/// The script below `libexec/pai-tools` that a command in `bin/` runs, if it runs one.
fn script_of(command: &Path) -> Option<String> {
    let text = fs::read_to_string(command).ok()?;
    let comment = text.strip_prefix("#!/usr/bin/env bash\n# A command of pai-tools: libexec/pai-tools/")?;
    Some(comment.split_once(".\n")?.0.to_owned())
}

fn page_of(name: &str, script: &str, prefix: &Path) -> anyhow::Result<String> {
    let source = fs::read_to_string(prefix.join("libexec/pai-tools").join(script))?;
    let summary = source.lines().nth(1).and_then(|line| line.strip_prefix("# "));
    let help = Command::new("bash").arg(prefix.join("bin").join(name)).arg("--help").output()?;
    if !help.status.success() {
        bail!("--help ended with {}: {}", help.status, String::from_utf8_lossy(&help.stderr));
    }
    // Help speaks of the script as it is called in a checkout.
    let help = String::from_utf8(help.stdout)?.replace(script, name);
    Ok(page(name, summary.with_context(|| format!("{script} has no summary in its second line"))?, &help))
}

/// The page of a script with this summary and this help.
fn page(name: &str, summary: &str, help: &str) -> String {
    let summary = summary.split_once(". ").map_or(summary, |(first, _)| first).trim_end_matches('.');
    let mut page = Page { text: title(name), place: Place::Nowhere };
    let _ = writeln!(page.text, ".SH NAME\n{}", folded(&format!("{name} - {summary}")));
    page.section("SYNOPSIS");
    let mut lines = help.lines().peekable();
    while let Some(line) = lines.next_if(|line| !line.is_empty()) {
        page.verbatim(line.strip_prefix("Usage:").unwrap_or(line).trim_start());
    }
    page.section("DESCRIPTION");
    for line in lines {
        page.line(line);
    }
    page.end_block();
    page.text
}

/// What the line before was part of.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    Nowhere,
    Paragraph,
    /// Lines shown as they stand.
    Verbatim,
    /// The text of a term whose line was indented so far.
    Definition(usize),
}

struct Page {
    text: String,
    place: Place,
}

impl Page {
    fn line(&mut self, line: &str) {
        let indent = line.len() - line.trim_start().len();
        if let Some(heading) = HEADINGS.iter().find(|heading| line.starts_with(**heading)) {
            self.section(heading.trim_end_matches(':'));
            self.paragraph(line[heading.len()..].trim_start());
        } else if line.is_empty() {
            self.end_block();
        } else if indent == 0 {
            self.paragraph(line);
        } else if matches!(self.place, Place::Definition(term) if indent > term + 4) {
            let _ = writeln!(self.text, "{}", folded(line.trim()));
        } else if let Some((term, text)) = line.trim().split_once("  ").filter(|_| !self.shows_examples()) {
            self.end_block();
            let text = folded(text.trim_start());
            let _ = writeln!(self.text, ".TP\n\\fB{}\\fR\n{text}", escaped(term));
            self.place = Place::Definition(indent);
        } else {
            self.verbatim(line.trim_start());
        }
    }

    fn section(&mut self, heading: &str) {
        self.end_block();
        let _ = writeln!(self.text, ".SH {}", heading.to_uppercase());
    }

    fn paragraph(&mut self, text: &str) {
        if text.is_empty() {
            return;
        }
        if self.place != Place::Paragraph {
            self.end_block();
            let is_first = self.text.lines().last().is_some_and(|line| line.starts_with(".SH "));
            self.text.push_str(if is_first { "" } else { ".PP\n" });
            self.place = Place::Paragraph;
        }
        let _ = writeln!(self.text, "{}", folded(text));
    }

    fn verbatim(&mut self, line: &str) {
        if self.place != Place::Verbatim {
            self.end_block();
            self.text.push_str(".nf\n");
            self.place = Place::Verbatim;
        }
        // troff reads two source lines of which the first ends so as one.
        let _ = writeln!(self.text, "{}", folded(line).replace('\n', " \\\n"));
    }

    fn end_block(&mut self) {
        if self.place == Place::Verbatim {
            self.text.push_str(".fi\n");
        }
        self.place = Place::Nowhere;
    }

    fn shows_examples(&self) -> bool {
        self.text.rsplit(".SH ").next().is_some_and(|section| section.starts_with("EXAMPLES"))
    }
}

/// Text as troff shows it, in source lines that are not too long.
fn folded(text: &str) -> String {
    let mut lines = String::new();
    fold(&escaped(text), &mut lines);
    lines.trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_part_of_a_help_has_its_place() {
        let help = "Usage: it.sh [--all] FILE\n       it.sh --none\n\nLooks at FILE\nonce.\n\n  \
            --all   every byte,\n          and more\n  -h      this text\n\nExit status: 0 good,\n2 bad.\n\n\
            Examples:\n  it.sh a  b\n";
        let page = page("it", "Looks. Or not.", help);
        let body = page.split_once('\n').unwrap().1;
        let expected = ".SH NAME\nit \\- Looks\n.SH SYNOPSIS\n.nf\nit.sh [\\-\\-all] FILE\nit.sh \\-\\-none\n.fi\n\
            .SH DESCRIPTION\nLooks at FILE\nonce.\n.TP\n\\fB\\-\\-all\\fR\nevery byte,\nand more\n\
            .TP\n\\fB\\-h\\fR\nthis text\n.SH EXIT STATUS\n0 good,\n2 bad.\n.SH EXAMPLES\n.nf\nit.sh a  b\n.fi\n";
        assert_eq!(body, expected);
    }
}
