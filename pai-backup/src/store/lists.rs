//! Lists of archives: found and opened whatever their form, and compared with what this machine remembers.

use anyhow::ensure;
use pai_common::clock::Zone;
use pai_common::hint::Hinted;

use super::cache::Remembered;
use super::layout::{self, Form};
use super::list::List;
use super::{Kind, LONGEST, Series, Store};
use crate::Context;
use crate::archive::open::Archive;
use crate::crypt::open::{OpenError, kind_of, open};

impl Store {
    /// Fetches an archive's list. Returns it with the bytes of its object in the store.
    pub(crate) fn list_of(&self, archive: &str) -> anyhow::Result<(List, Vec<u8>)> {
        let (form, bytes) = self.find_list(archive)?;
        let text = match form {
            Form::Plain => List::unpack(&bytes, archive)?,
            Form::Sealed => List::unpack(&self.unseal(&bytes, archive)?, archive)?,
        };
        Ok((List { form, ..text }, bytes))
    }

    /// Fetches the object of an archive's list, encrypted or not.
    fn find_list(&self, archive: &str) -> anyhow::Result<(Form, Vec<u8>)> {
        let get = |form| self.backend.get(&layout::list_name(archive, form), 0, LONGEST);
        let forms: &[Form] = match (self.state.is_pinned(), self.keys.are_named()) {
            (true, _) => &[Form::Sealed],
            (false, true) => &[Form::Sealed, Form::Plain],
            (false, false) => &Form::ALL,
        };
        let mut missing = None;
        for &form in forms {
            match get(form) {
                Ok(bytes) => return Ok((form, bytes)),
                Err(error) if error.kind == Kind::Missing => missing = missing.or(Some(error)),
                Err(error) => return Err(error.into()),
            }
        }
        Err(missing.map_or_else(|| anyhow::anyhow!("there is no such archive"), Into::into))
    }

    /// Decrypts the list of an archive.
    fn unseal(&self, bytes: &[u8], archive: &str) -> anyhow::Result<Vec<u8>> {
        let identities = self.keys.get(&format_args!("{archive} in {}", self.shown))?;
        open(bytes, &identities).map_err(|error| {
            if kind_of(&error) != Some(OpenError::NotForUs) {
                return anyhow::Error::new(error).context(format!("could not read the list of {archive}"));
            }
            let hint = format!(
                "the identity that was given opens what is for {}",
                identities.recipients().join(", ")
            );
            let for_whom = match self.backend.get(layout::RECIPIENTS, 0, LONGEST) {
                Ok(text) => String::from_utf8_lossy(&text).trim().replace('\n', ", "),
                Err(_) => "recipients that it does not name".to_owned(),
            };
            Hinted::new(anyhow::anyhow!("{} is encrypted for {for_whom}", self.shown), hint).into()
        })
    }

    /// Fails if this machine remembers another archive of this name.
    pub(crate) fn check_memory(&self, list: &List) -> anyhow::Result<()> {
        let Some(known) = self.cache.recall(&list.archive) else { return Ok(()) };
        is_the_same(&known, &self.open_list(list)?)
    }

    /// The complaint to make if this machine remembers a later archive of the series than the store has, though it did not
    /// remove that one itself.
    pub(crate) fn set_back(
        &self,
        series: &Series,
        mut there: impl Iterator<Item = impl AsRef<str>>,
    ) -> Option<String> {
        let remembered = self.cache.archives();
        let newest = series.newest(remembered.iter().map(String::as_str))?;
        let is_there = there.any(|archive| archive.as_ref() == newest);
        (!is_there).then(|| {
            format!(
                "{} does not have {newest} any more, which this machine sent last: was it forgotten elsewhere, or was the store set back to an earlier state?",
                self.shown
            )
        })
    }

    /// Notes that an identity has opened all of this archive: in this machine's state, and in the store for the machine that
    /// sends archives.
    pub(crate) fn note_tested(&self, list: &List, run: &Context<'_>) {
        if list.form == Form::Plain {
            return;
        }
        let now = run.clock.now();
        let text = format!("{} {}\n", now.rfc3339(Zone::Utc), list.archive);
        let noted = self.state.note_tested(now);
        let told = self.backend.put(layout::TESTED, text.as_bytes());
        // A key that may only read is as good: then the other machine asks again.
        if let Some(error) = noted.err().or_else(|| told.err().map(Into::into)) {
            run.console.detail(format_args!("could not note that the identity was tried: {error:#}"));
        }
    }
}

/// Fails unless an opened archive is the remembered one: somebody who can write to the store may have replaced it. Index and
/// footer are compared; they hold the digests of everything else.
pub(super) fn is_the_same(known: &Remembered, opened: &Archive) -> anyhow::Result<()> {
    let file = opened.file();
    let is_same =
        file.size() == known.list.runs.size() && file.tail(known.tail_start())? == known.tail.read()?;
    ensure!(is_same, "it is not the archive that this machine sent: its index is another");
    Ok(())
}
