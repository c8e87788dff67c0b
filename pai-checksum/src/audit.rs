//! A manifest against its folder: everything they disagree on.

use std::collections::HashSet;
use std::ffi::OsStr;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path, PathBuf};

use anyhow::{Context, bail};
use pai_common::output::Output;
use pai_common::progress::Progress;

use crate::cli::Args;
use crate::compare::{Comparison, Now, Unlisted, Verdict, compare};
use crate::hash::{self, Hashed, Sink};
use crate::input::{self, Input, Own};
use crate::manifest::{Malformed, Manifest};
use crate::record::Record;
use crate::stamp::Stamp;
use crate::talk::Talk;

/// Prints how the folder differs from `path`; true if it does not.
pub(crate) fn run(args: &Args, path: &Path, talk: &Talk<'_>) -> anyhow::Result<bool> {
    let (manifest, _) = read(path)?;
    let survey = survey(args, path, &manifest, Depth::Everything, talk)?;
    let comparison = compare(&manifest.entries, &survey.now, &survey.unlisted);
    let differences = report(args, &manifest, &survey, &comparison, talk)?;
    Ok(differences == 0)
}

/// A manifest and its bytes.
pub(crate) fn read(path: &Path) -> anyhow::Result<(Manifest, Vec<u8>)> {
    let bytes = input::read(path).with_context(|| format!("could not read {}", path.display()))?;
    match Manifest::parse(&bytes) {
        Err(Malformed(line)) => {
            bail!("could not read {}: line {line} is no SHA-256 checksum line", path.display())
        }
        Ok(manifest) if manifest.entries.is_empty() => {
            bail!("could not read {}: no checksum lines in it", path.display())
        }
        Ok(manifest) => Ok((manifest, bytes)),
    }
}

/// How much is read again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Depth {
    /// Every file.
    Everything,
    /// Files whose recorded size, mtime and ctime still hold are taken as they are.
    Touched,
}

/// The files of a manifest, and those of its folder that it does not list, as they are now.
#[derive(Debug)]
pub(crate) struct Survey {
    /// One for each file of the manifest.
    pub now: Vec<Now>,
    /// The others.
    pub unlisted: Vec<Unlisted>,
}

/// Looks at the folder of the manifest at `path`.
pub(crate) fn survey(
    args: &Args,
    path: &Path,
    manifest: &Manifest,
    depth: Depth,
    talk: &Talk<'_>,
) -> anyhow::Result<Survey> {
    let root = root(args, path)?;
    let mut now = vec![Now::Untouched; manifest.entries.len()];
    let mut inputs = Vec::new();
    let mut slots = Vec::new();
    for (n, recorded) in manifest.entries.iter().enumerate() {
        let input = Input::file(recorded.entry.name.clone(), &root);
        if depth == Depth::Everything || recorded.stamp.is_none() || stamp(&input) != recorded.stamp {
            inputs.push(input);
            slots.push(n);
        }
    }
    inputs.extend(unlisted(args, path, manifest, &root, talk)?);

    let progress = Progress::bytes(talk.console(), "auditing", None);
    let mut outcomes = Outcomes(Vec::with_capacity(inputs.len()));
    hash::in_order(&inputs, args.jobs, &progress, &mut outcomes)?;

    let mut survey = Survey { now: Vec::new(), unlisted: Vec::new() };
    for (n, (input, outcome)) in inputs.into_iter().zip(outcomes.0).enumerate() {
        let seen = judge(&input, outcome, talk);
        match (slots.get(n), seen) {
            (Some(&slot), seen) => now[slot] = seen,
            (None, Now::Hashed(digest, stamp)) => {
                survey.unlisted.push(Unlisted { name: input.name, digest, stamp });
            }
            (None, _) => {}
        }
    }
    survey.now = now;
    Ok(survey)
}

fn judge(input: &Input, outcome: io::Result<Hashed>, talk: &Talk<'_>) -> Now {
    match outcome {
        Ok(hashed) => {
            if hashed.changed {
                talk.complain(format_args!("{}: changed while it was hashed", talk.name(&input.name)));
            }
            Now::Hashed(hashed.digest, hashed.stamp.filter(|_| !hashed.changed))
        }
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
            Now::Missing
        }
        Err(error) => {
            talk.trouble(&input.name, &error);
            Now::Unreadable
        }
    }
}

fn stamp(input: &Input) -> Option<Stamp> {
    let metadata = std::fs::metadata(input.path.as_deref()?).ok()?;
    metadata.is_file().then(|| Stamp::of(&metadata))
}

/// The folder that names are relative to: the one given, otherwise the one the manifest is in.
fn root(args: &Args, path: &Path) -> anyhow::Result<PathBuf> {
    let base = args.directory.as_deref();
    let root = match &args.files[..] {
        [] => match base.or(path.parent()) {
            Some(folder) if !folder.as_os_str().is_empty() => folder.to_owned(),
            _ => PathBuf::from("."),
        },
        [folder] => base.unwrap_or(Path::new("")).join(folder),
        [_, second, ..] => bail!("{} is one folder too many", second.display()),
    };
    let metadata = std::fs::metadata(&root).with_context(|| format!("could not read {}", root.display()))?;
    if !metadata.is_dir() {
        bail!("could not read {}: not a folder", root.display());
    }
    Ok(root)
}

/// The regular files below `root` that the manifest does not list; the manifest itself is not one of them.
fn unlisted(
    args: &Args,
    path: &Path,
    manifest: &Manifest,
    root: &Path,
    talk: &Talk<'_>,
) -> anyhow::Result<Vec<Input>> {
    // Names from the root of the file system may lead into the folder, whatever that is called here.
    let full: Vec<PathBuf> = [std::path::absolute(root), root.canonicalize()].into_iter().flatten().collect();
    let listed: HashSet<PathBuf> =
        manifest.entries.iter().map(|recorded| plain(&recorded.entry.name, &full)).collect();
    let files = input::files_below(root, &input::walk_options(args)?, &Own::of(path)?, talk);
    let unlisted = files.into_iter().filter(|file| !listed.contains(file));
    Ok(unlisted.map(|file| Input { path: Some(root.join(&file)), name: input::listed_name(file) }).collect())
}

/// `a/b` for `./a/./b`, and for `/folder/a/b` if that is the folder.
fn plain(name: &[u8], full: &[PathBuf]) -> PathBuf {
    let name = Path::new(OsStr::from_bytes(name));
    let below = full.iter().find_map(|folder| name.strip_prefix(folder).ok()).unwrap_or(name);
    below.components().filter(|component| *component != Component::CurDir).collect()
}

/// Prints the differences and, for people, how many there are.
pub(crate) fn report(
    args: &Args,
    manifest: &Manifest,
    survey: &Survey,
    comparison: &Comparison,
    talk: &Talk<'_>,
) -> anyhow::Result<usize> {
    let mut out = Output::stdout(args.json);
    let findings = comparison.findings(&manifest.entries, &survey.unlisted);
    for finding in &findings {
        out.record(&finding.to_record(), |out| {
            out.write_all(&finding.to_line())?;
            out.write_all(b"\n")
        })?;
    }
    let count = |kind| findings.iter().filter(|finding| finding.kind() == kind).count();
    let [changed, rotted, new, missing, moved] = ["CHANGED", "ROTTED", "NEW", "MISSING", "MOVED"].map(count);
    let unreadable = survey.now.iter().filter(|now| **now == Now::Unreadable).count();
    let same = comparison.verdicts.iter().filter(|verdict| **verdict == Verdict::Same).count() - unreadable;
    if args.json {
        let summary = Record::Summary { same, changed, rotted, new, missing, moved, unreadable };
        out.record(&summary, |_| Ok(()))?;
    }
    out.finish()?;
    let unread = if unreadable > 0 { format!(", {unreadable} unreadable") } else { String::new() };
    talk.console().note(format_args!(
        "{same} as listed, {changed} changed, {rotted} rotted, {new} new, {missing} missing, {moved} moved{unread}"
    ));
    Ok(findings.len())
}

struct Outcomes(Vec<io::Result<Hashed>>);

impl Sink for Outcomes {
    fn take(&mut self, _: usize, outcome: io::Result<Hashed>) -> anyhow::Result<()> {
        self.0.push(outcome);
        Ok(())
    }
}
