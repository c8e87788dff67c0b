//! Files to checksum lines: printed, or as a manifest that is replaced in one step.

use std::io;
use std::path::Path;

use anyhow::bail;
use pai_common::output::Output;
use pai_common::progress::Progress;
use pai_common::sha256::to_hex;
use pai_common::{atomic, signal};

use crate::cli::Args;
use crate::hash::{self, Hashed, Sink};
use crate::input::{self, Input};
use crate::manifest::{Manifest, Recorded};
use crate::record::{Name, Record};
use crate::talk::Talk;
use pai_common::checksum_line::{self, Style};

/// Hashes what the command line names.
pub(crate) fn run(args: &Args, talk: &Talk<'_>) -> anyhow::Result<()> {
    let inputs = input::gather(args, talk)?;
    let progress = Progress::bytes(talk.console(), "hashing", None);
    let style = match (args.tag, args.binary) {
        (true, _) => Style::Tag,
        (false, true) => Style::Binary,
        (false, false) => Style::Text,
    };
    if let Some(target) = &args.output {
        let mut list = List { inputs: &inputs, talk, style, manifest: Manifest::default() };
        hash::in_order(&inputs, args.jobs, &progress, &mut list)?;
        return write(&list.manifest, target, args.plain);
    }
    let out = Output::stdout(args.json);
    let mut lines = Lines { inputs: &inputs, talk, style, zero: args.zero, json: args.json, out };
    hash::in_order(&inputs, args.jobs, &progress, &mut lines)?;
    lines.out.finish()
}

/// Replaces `target`, unless there is nothing to put there: an empty list would pass every check.
pub(crate) fn write(manifest: &Manifest, target: &Path, plain: bool) -> anyhow::Result<()> {
    if manifest.entries.is_empty() {
        bail!("could not write {}: nothing was hashed, so it stays as it is", target.display());
    }
    signal::end_at_once(false);
    // 0644: checksums are no secret.
    atomic::write(target, 0o644, &manifest.to_bytes(plain))
}

/// Reports what went wrong with a file, for both kinds of list. Returns the digest if there is one.
fn heard(talk: &Talk<'_>, name: &[u8], outcome: io::Result<Hashed>) -> Option<Hashed> {
    match outcome {
        Err(error) => {
            talk.trouble(name, &error);
            None
        }
        Ok(hashed) => {
            if hashed.changed {
                talk.complain(format_args!("{}: changed while it was hashed", talk.name(name)));
            }
            Some(hashed)
        }
    }
}

struct Lines<'a> {
    inputs: &'a [Input],
    talk: &'a Talk<'a>,
    style: Style,
    zero: bool,
    json: bool,
    out: Output,
}

impl Sink for Lines<'_> {
    fn take(&mut self, n: usize, outcome: io::Result<Hashed>) -> anyhow::Result<()> {
        if !matches!(&outcome, Ok(hashed) if !hashed.changed) {
            // Both streams may end in one file: there the order of the arguments must show.
            self.out.flush()?;
        }
        let name = &self.inputs[n].name;
        let Some(hashed) = heard(self.talk, name, outcome) else { return Ok(()) };
        if self.json {
            let sha256 = to_hex(&hashed.digest);
            let record = Record::Digest { name: Name::of(name), sha256, bytes: hashed.bytes };
            return self.out.record(&record, |_| Ok(()));
        }
        if self.zero {
            self.out.bytes(&checksum_line::format_raw(&hashed.digest, name, self.style))?;
            self.out.bytes(b"\0")
        } else {
            self.out.line(&checksum_line::format(&hashed.digest, name, self.style))
        }
    }

    fn wait(&mut self) -> anyhow::Result<()> {
        self.out.flush()
    }
}

struct List<'a> {
    inputs: &'a [Input],
    talk: &'a Talk<'a>,
    style: Style,
    manifest: Manifest,
}

impl Sink for List<'_> {
    fn take(&mut self, n: usize, outcome: io::Result<Hashed>) -> anyhow::Result<()> {
        let name = &self.inputs[n].name;
        if let Some(hashed) = heard(self.talk, name, outcome) {
            let entry = checksum_line::Entry { digest: hashed.digest, name: name.clone(), style: self.style };
            // A stamp taken while the file changed would make the next change look like rot.
            let stamp = hashed.stamp.filter(|_| !hashed.changed);
            self.manifest.entries.push(Recorded { entry, stamp });
        }
        Ok(())
    }
}
