//! What a run prints: names for the next tool, a line an item for a person, JSON for a program.

use std::borrow::Cow;
use std::cell::RefCell;
use std::io;
use std::path::Path;

use pai_common::clock::{Timestamp, Zone};
use pai_common::console::escape_control;
use pai_common::output::Output;
use serde::Serialize;

use crate::calendar;
use crate::plan::{Entry, Plan, Verdict};

/// The items of a plan, as they are shown.
#[derive(Debug)]
pub(crate) struct View<'a> {
    /// The entries that the plan decides on.
    pub entries: &'a [Entry<'a>],
    /// The verdicts.
    pub plan: &'a Plan,
    /// For each folder number in [`Entry::folder`], the text to print before a name. It is empty for a listing.
    prefixes: Vec<Vec<u8>>,
    /// The clock that shows instants.
    pub zone: Zone,
    json: bool,
    reasons: LastReasons,
}

/// The end of a text line. Most items share their reasons with the one before, and writing an instant is slow.
#[derive(Debug, Default)]
struct LastReasons(RefCell<(Option<Verdict>, String)>);

impl LastReasons {
    fn with<R>(&self, view: &View<'_>, entry: usize, print: impl FnOnce(&[u8]) -> R) -> R {
        let mut last = self.0.borrow_mut();
        let verdict = &view.plan.verdicts[entry];
        if last.0.as_ref() != Some(verdict) {
            let text = format!("  ({})\n", view.plan.reasons(entry, view.zone).join(", "));
            *last = (Some(verdict.clone()), text);
        }
        print(last.1.as_bytes())
    }
}

#[derive(Serialize)]
struct Record<'a> {
    r#type: &'static str,
    path: Cow<'a, str>,
    /// The path's bytes, if it is no UTF-8.
    #[serde(skip_serializing_if = "Option::is_none")]
    path_hex: Option<String>,
    series: Option<String>,
    time: Option<String>,
    keep: bool,
    reasons: Vec<String>,
    result: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<&'a str>,
}

/// The last line of `--json`.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Summary {
    /// Always `summary`.
    pub r#type: &'static str,
    /// Items the policy decided on; sidecars do not count.
    pub items: usize,
    /// How many of them the plan deletes.
    pub to_delete: usize,
    /// Files and folders deleted, sidecars among them.
    pub deleted: usize,
    /// Files and folders that could not be deleted.
    pub failed: usize,
    /// Bytes that the deleted files held.
    pub bytes: u64,
    /// Whether this was a dry run, which changes nothing.
    pub dry_run: bool,
}

impl<'a> View<'a> {
    /// A view of `plan` over `entries`, as JSON lines if `json`.
    pub(crate) fn new(
        entries: &'a [Entry<'a>],
        plan: &'a Plan,
        prefixes: Vec<Vec<u8>>,
        zone: Zone,
        json: bool,
    ) -> Self {
        Self { entries, plan, prefixes, zone, json, reasons: LastReasons::default() }
    }

    /// The path of an entry.
    pub(crate) fn path(&self, entry: usize) -> Cow<'_, [u8]> {
        self.located(self.entries[entry].folder, Cow::Borrowed(self.entries[entry].name))
    }

    fn located<'n>(&self, folder: u32, name: Cow<'n, [u8]>) -> Cow<'n, [u8]> {
        match self.prefixes.get(folder as usize) {
            Some(prefix) => Cow::Owned([prefix, name.as_ref()].concat()),
            None => name,
        }
    }

    /// One item and its verdict; `result` is what became of it and `error` why it is still there.
    pub(crate) fn item(
        &self,
        out: &mut Output,
        entry: usize,
        result: &'static str,
        error: Option<&str>,
    ) -> anyhow::Result<()> {
        let path = self.path(entry);
        let keep = self.plan.keeps(entry);
        if !self.json {
            out.bytes(if keep { b"keep    " } else { b"delete  " })?;
            out.bytes(shown(&path).as_bytes())?;
            return self.reasons.with(self, entry, |reasons| out.bytes(reasons));
        }
        let reasons = self.plan.reasons(entry, self.zone);
        let item = &self.entries[entry];
        let record = Record {
            r#type: "item",
            path: String::from_utf8_lossy(&path),
            path_hex: std::str::from_utf8(&path).is_err().then(|| hex::encode(&path)),
            series: item.time.and_then(|_| self.series(entry)),
            time: item.time.map(|time| time.rfc3339(self.zone)),
            keep,
            reasons,
            result,
            error,
        };
        out.record(&record, |_| Ok(()))
    }

    /// A path that the policy did not decide on.
    pub(crate) fn skipped(out: &mut Output, path: &Path, why: &str) -> anyhow::Result<()> {
        use std::os::unix::ffi::OsStrExt;
        let bytes = path.as_os_str().as_bytes();
        let record = Record {
            r#type: "item",
            path: String::from_utf8_lossy(bytes),
            path_hex: std::str::from_utf8(bytes).is_err().then(|| hex::encode(bytes)),
            series: None,
            time: None,
            keep: true,
            reasons: vec![why.to_owned()],
            result: "skipped",
            error: None,
        };
        out.record(&record, |out| writeln!(out, "skip    {}  ({why})", shown(bytes)))
    }

    /// The calendars of all series.
    pub(crate) fn calendar(&self, out: &mut Output, now: Timestamp) -> anyhow::Result<()> {
        for members in &self.plan.series {
            let items: Vec<(Timestamp, bool)> =
                members.iter().filter_map(|&i| Some((self.entries[i].time?, self.plan.keeps(i)))).collect();
            let Some(&first) = members.first() else { continue };
            let kept = items.iter().filter(|(_, keep)| *keep).count();
            let title = self.series(first).unwrap_or_default();
            let title = shown(title.as_bytes());
            out.line(format!("{title}: {kept} kept, {} deleted", items.len() - kept).as_bytes())?;
            out.line(calendar::render(&items, now, self.zone).as_bytes())?;
        }
        out.line(calendar::LEGEND.as_bytes())
    }

    fn series(&self, entry: usize) -> Option<String> {
        let item = &self.entries[entry];
        let name = self.located(item.folder, Cow::Owned(item.series_name()?));
        Some(String::from_utf8_lossy(&name).into_owned())
    }
}

impl Summary {
    /// The record, with `--json` only: a person has seen the lines.
    pub(crate) fn print(&self, out: &mut Output) -> anyhow::Result<()> {
        out.record(self, |_| io::Result::Ok(()))
    }
}

/// A path on one line, whatever is in it.
pub(crate) fn shown(path: &[u8]) -> Cow<'_, str> {
    match std::str::from_utf8(path) {
        Ok(text) if !path.contains(&b'\n') => escape_control(text),
        _ => Cow::Owned(escape_control(&String::from_utf8_lossy(path)).replace('\n', "\\n")),
    }
}
