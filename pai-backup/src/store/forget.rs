//! `forget`: archives that a store need not keep. Their packs go with `prune`.

use std::collections::BTreeSet;
use std::io::{BufRead, stdin};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use pai_common::exit::Exit;
use pai_common::hint::Hinted;
use pai_common::output::Output;

use super::layout::{self, Form};
use super::needs::Needs;
use super::{Kind, LONGEST, Series, Store};
use crate::Context;
use crate::cli::Forget;
use crate::create::shrink;

/// What will happen to the archives that the user named.
#[derive(Debug, Default, PartialEq, Eq)]
struct Plan {
    /// Archives that will be removed.
    forget: BTreeSet<String>,
    /// Names of archives that the store does not have.
    missing: BTreeSet<String>,
    /// The newest archive, if it was named: it stays.
    newest: Option<String>,
    /// Archives that stay because the newest one is suspiciously small.
    good: BTreeSet<String>,
}

/// Runs `forget`.
pub(crate) fn run(args: &Forget, run: &Context<'_>) -> anyhow::Result<Exit> {
    let store = run.store()?;
    let series = Series::new(&run.place.prefix)?;
    let named = if args.stdin { from_stdin()? } else { args.archives.clone() };
    let names = named.iter().map(|named| name(&store, named, &series)).collect::<anyhow::Result<_>>()?;
    let there: Vec<String> = store.archives(&series)?.into_iter().map(|entry| entry.name).collect();
    let mut plan = plan(&names, &there, args.all);
    if let (false, false, Some(newest)) = (args.all, plan.forget.is_empty(), there.first())
        && is_shrunk(&store, newest)?
    {
        plan.keep_good(|archive| is_shrunk(&store, archive))?;
    }
    for missing in &plan.missing {
        run.console.complain(format_args!(
            "could not forget {missing}: {} has no such archive of the series {}",
            store.shown(),
            series.prefix()
        ));
    }
    if let Some(newest) = &plan.newest {
        run.console
            .complain(format_args!("kept {newest}: it is the newest of its series (--all forgets it, too)"));
    }
    if !plan.good.is_empty() {
        let good: Vec<&str> = plan.good.iter().map(String::as_str).collect();
        run.console.complain(format_args!(
            "kept {}: the newest archive is suspiciously small beside those before it",
            good.join(", ")
        ));
        run.console
            .warn(format_args!("hint: {} (forget --all forgets good ones all the same)", shrink::HINT));
    }
    let mut out = Output::stdout(false);
    for archive in &plan.forget {
        if args.dry_run {
            run.console.note(format_args!("would forget {archive}"));
        } else {
            forget(&store, archive)?;
        }
        out.line(archive.as_bytes())?;
    }
    out.finish()?;
    Ok(Exit::partial_if(run.console.complaints() > 0))
}

impl Plan {
    /// If the newest archive is suspiciously small, keeps those that are not: nights of a workspace that is not mounted must not
    /// push out the good archives.
    fn keep_good(&mut self, mut is_shrunk: impl FnMut(&str) -> anyhow::Result<bool>) -> anyhow::Result<()> {
        for archive in std::mem::take(&mut self.forget) {
            let kept = if is_shrunk(&archive)? { &mut self.forget } else { &mut self.good };
            kept.insert(archive);
        }
        Ok(())
    }
}

/// Whether an archive was found suspiciously small when it was sent.
fn is_shrunk(store: &Store, archive: &str) -> anyhow::Result<bool> {
    let name = layout::needs_name(archive);
    match store.backend().get(&name, 0, LONGEST) {
        Ok(bytes) => match Needs::parse(&bytes) {
            Some(needs) => Ok(needs.shrunk),
            None => Err(unknown(&name, "is damaged")),
        },
        Err(error) if error.kind == Kind::Missing => Err(unknown(&name, "is missing")),
        Err(error) => Err(error.into()),
    }
}

fn unknown(name: &str, what: &str) -> anyhow::Error {
    let error = anyhow::anyhow!("could not forget anything: {name} {what}");
    Hinted::new(error, "pai-backup verify writes it anew").into()
}

/// Reads names of archives from stdin, one a line. Of a path only the last part is used.
fn from_stdin() -> anyhow::Result<Vec<PathBuf>> {
    let lines: Result<Vec<String>, _> = stdin().lock().lines().collect();
    let lines = lines.context("could not read names from stdin")?;
    let names = lines.iter().filter(|line| !line.is_empty());
    Ok(names.map(|line| Path::new(line).file_name().map_or_else(|| line.into(), PathBuf::from)).collect())
}

fn name(store: &Store, named: &Path, series: &Series) -> anyhow::Result<String> {
    if named.as_os_str() == "latest" {
        bail!("could not forget latest: name the archive");
    }
    store.resolve(named, series)
}

/// `there` is newest first.
fn plan(named: &BTreeSet<String>, there: &[String], all: bool) -> Plan {
    let mut plan = Plan::default();
    for name in named {
        match there.iter().position(|other| other == name) {
            None => plan.missing.insert(name.clone()),
            // The next night takes its members over, perhaps from a machine that cannot see that it is gone.
            Some(0) if !all => {
                plan.newest = Some(name.clone());
                false
            }
            Some(_) => plan.forget.insert(name.clone()),
        };
    }
    plan
}

/// Removes an archive: first its list, without which it is no archive any more, then the other objects of it.
pub(super) fn forget(store: &Store, archive: &str) -> anyhow::Result<()> {
    for form in Form::ALL {
        store.backend().delete(&layout::list_name(archive, form))?;
    }
    store.backend().delete(&layout::needs_name(archive))?;
    store.cache().forget(archive);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(names: &[&str]) -> BTreeSet<String> {
        names.iter().map(|&name| name.to_owned()).collect()
    }

    #[test]
    fn the_newest_stays_unless_all_may_go() {
        let there = ["c", "b", "a"].map(str::to_owned);
        let named = set(&["a", "c", "x"]);
        let expected = Plan {
            forget: set(&["a"]),
            missing: set(&["x"]),
            newest: Some("c".to_owned()),
            ..Plan::default()
        };
        assert_eq!(plan(&named, &there, false), expected);
        let expected =
            Plan { forget: set(&["a", "c"]), missing: set(&["x"]), newest: None, ..Plan::default() };
        assert_eq!(plan(&named, &there, true), expected);
        assert_eq!(plan(&set(&[]), &there, true), Plan::default());
    }
}
