//! `repair`: a damaged archive made whole again from what others hold of it.
//!
//! Thirty nights are thirty copies. What an archive was is told by its index (`blueprint`), or, where that is damaged, by what
//! is left of it and the tar headers (`survey`, `rebuild`, `proof`). Each member that is damaged (`own`) is looked for by its
//! SHA-256 in the other archives of the folder and in the store (`donors`), then made anew from files that did not change; what
//! is found is first a list (`plan`), then a new archive that must verify before it takes the name (`write`). Where index and
//! footer stay as they were, it is verified while it is written (`passing`), and read back.

mod blueprint;
mod donors;
mod own;
mod passing;
mod plan;
mod proof;
mod rebuild;
mod survey;
mod unread;
mod write;

use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, anyhow, bail};
use pai_common::exit::Exit;
use pai_common::hint::Hinted;
use pai_common::lock::DirLock;
use pai_common::output::Output;
use pai_common::sha256;
use pai_common::units::counted;
use serde::Serialize;

use self::blueprint::Blueprint;
use self::donors::Donors;
use self::own::Glance;
use self::plan::Plan;
use self::unread::Unread;
use crate::archive::member::read_full;
use crate::archive::open::{NoIndex, open_to_read};
use crate::cli::Repair;
use crate::{Context, crypt, par2, shelf, verify};

/// What came of a repair.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// There was nothing to mend.
    Good,
    /// All is there again.
    Mended,
    /// What could be; the rest is lost.
    InPart,
}

/// Runs `repair`.
pub(crate) fn run(args: &Repair, run: &Context<'_>) -> anyhow::Result<Exit> {
    let path = run.shelf_path(&args.archive)?;
    let mut out = Output::stdout(args.json);
    let outcome = mend(&path, args.dry_run, &mut out, run)?;
    out.finish()?;
    Ok(Exit::partial_if(outcome == Outcome::InPart || run.console.complaints() > 0))
}

/// Mends the archive at `path`, and tells on `out` what was done, or with `dry_run` what would be.
pub(crate) fn mend(
    path: &Path,
    dry_run: bool,
    out: &mut Output,
    run: &Context<'_>,
) -> anyhow::Result<Outcome> {
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    let _lock = if dry_run { None } else { Some(DirLock::acquire(folder, None)?) };
    let looked = Unread::default();
    let glance = match looked.open(path) {
        Ok(archive) => Glance::at(archive, run)?,
        Err(_) => None,
    };
    let (why, unread) = if let Some(glance) = &glance {
        (format!("{:#}", glance.why), looked)
    } else {
        let Some(why) = verify::why_damaged(path, run)? else {
            tell(out, path, "good", 0, &[], true)?;
            return Ok(Outcome::Good);
        };
        let unread = Unread::default();
        unread.own(&why);
        (format!("{why:#}"), unread)
    };
    run.console.note(format_args!("{} is damaged: {why}", path.display()));
    if is_sealed(path)? {
        return mend_sealed(path, dry_run, out, run);
    }
    let outcome = mend_damaged(path, dry_run, glance, &unread, out, run);
    unread.tell(run.console, outcome.is_err());
    outcome
}

fn mend_damaged(
    path: &Path,
    dry_run: bool,
    glance: Option<Glance>,
    unread: &Unread,
    out: &mut Output,
    run: &Context<'_>,
) -> anyhow::Result<Outcome> {
    let (archive, whole) = match glance {
        Some(Glance { archive, whole, .. }) => (archive, Some(whole)),
        None => (unread.open(path)?, None),
    };
    let donors = Donors::beside(path, unread, run)?;
    let blueprint = Blueprint::of(&archive, &donors, run)?;
    if blueprint.is_empty() && archive.index().is_err() && !shelf::par2(path).exists() {
        let foreign = archive.index().is_err_and(|why| *why == NoIndex::Foreign);
        let what = if foreign { "it is not an archive with an index" } else { "nothing of it can be read" };
        bail!("could not repair {}: {what}", path.display());
    }
    let plan = Plan::make(&archive, blueprint, whole, &donors, run)?;
    if !plan.is_exact() && mended_by_par2(path, dry_run, run)? {
        tell(out, path, "mended by its PAR2 file", 0, &[], true)?;
        return Ok(Outcome::Mended);
    }
    for line in plan.lines(&donors) {
        out.record(&line, |text| line.write(text))?;
    }
    if plan.groups.is_empty() {
        bail!("could not repair {}: nothing of it can be read", path.display());
    }
    let whole = plan.is_whole();
    if !whole && !dry_run && unread.may_hold_more() {
        let error =
            anyhow!("could not repair {}: what could not be read may hold what is lost", path.display());
        let hint = "nothing was changed: try again once it can be read, or after moving it away";
        return Err(Hinted::new(error, hint).into());
    }
    let state = match (whole, dry_run) {
        (true, true) => "mendable",
        (false, true) => "mendable in part",
        (true, false) => "mended",
        (false, false) => "mended in part",
    };
    let as_it_was = if dry_run {
        plan.is_exact()
    } else {
        write::write(path, &archive, &plan, &donors, unread.is_any(), run)?
    };
    unread.tell(run.console, !as_it_was);
    tell(out, path, state, plan.put_in(), &plan.lost, as_it_was)?;
    Ok(if whole { Outcome::Mended } else { Outcome::InPart })
}

/// Whether a file is encrypted as a whole. The name says so where its beginning is damaged.
fn is_sealed(path: &Path) -> anyhow::Result<bool> {
    let mut start = [0; 64];
    let count = open_to_read(path)
        .and_then(|mut file| read_full(&mut file, &mut start))
        .with_context(|| format!("could not read {}", path.display()))?;
    Ok(crypt::open::is_sealed(&start[..count])
        || path.as_os_str().as_bytes().ends_with(crypt::END.as_bytes()))
}

/// Each encrypted file has a key of its own: no other holds the same bytes.
fn mend_sealed(path: &Path, dry_run: bool, out: &mut Output, run: &Context<'_>) -> anyhow::Result<Outcome> {
    if mended_by_par2(path, dry_run, run)? {
        tell(out, path, "mended by its PAR2 file", 0, &[], true)?;
        return Ok(Outcome::Mended);
    }
    let error = anyhow!(
        "could not repair {}: it is encrypted under a key of its own, so no other archive holds the same bytes",
        path.display()
    );
    let hint = "pai-backup restore brings back the files beside the damage; create --par2 10% lets the next one be mended";
    Err(Hinted::new(error, hint).into())
}

/// Lets the archive's PAR2 file do what nobody else could, if there is one.
fn mended_by_par2(path: &Path, dry_run: bool, run: &Context<'_>) -> anyhow::Result<bool> {
    let file = shelf::par2(path);
    if !file.exists() {
        return Ok(false);
    }
    if dry_run {
        run.console.note(format_args!("{} may mend more: it is tried first", file.display()));
        return Ok(false);
    }
    par2::mend(path, |mended| Ok(verify::why_damaged(mended, run)?.is_none()))
}

#[derive(Debug, Serialize)]
struct Row<'a> {
    r#type: &'static str,
    path: std::borrow::Cow<'a, str>,
    state: &'a str,
    members: usize,
    lost: usize,
    /// Whether the archive is, byte for byte, what it was when it was made.
    as_it_was: bool,
}

fn tell(
    out: &mut Output,
    path: &Path,
    state: &str,
    members: usize,
    lost: &[PathBuf],
    as_it_was: bool,
) -> anyhow::Result<()> {
    let row =
        Row { r#type: "repair", path: path.to_string_lossy(), state, members, lost: lost.len(), as_it_was };
    let put_in = counted(members as u64, "member", "members");
    let gone = counted(lost.len() as u64, "file", "files");
    out.record(&row, |text| {
        text.write_all(path.as_os_str().as_encoded_bytes())?;
        write!(text, ": {state}")?;
        match (state, as_it_was) {
            ("good", _) => writeln!(text),
            (_, true) => writeln!(text, " ({put_in} put in, byte for byte as it was)"),
            (_, false) => writeln!(text, " ({put_in} put in, {gone} lost, index made anew)"),
        }
    })
}

/// What `verify` says of an archive that is damaged.
pub(crate) fn hint(path: &Path) -> String {
    format!("pai-backup repair -n {} shows what other archives can mend", path.display())
}

/// The digest that an archive's sidecar gives, if it has one that gives any.
pub(crate) fn sidecar_digest(path: &Path) -> anyhow::Result<Option<sha256::Digest>> {
    let sidecar = shelf::sidecar(path);
    let text = match std::fs::read(&sidecar) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        other => other.with_context(|| format!("could not read {}", sidecar.display()))?,
    };
    let text = text.strip_prefix(b"\\").unwrap_or(&text);
    let mut digest = [0; 32];
    let hex = text.get(..64).unwrap_or_default();
    Ok(hex::decode_to_slice(hex, &mut digest).is_ok().then_some(digest))
}
