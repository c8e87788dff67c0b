//! `pull`: archives of a store back into the archive folder, the same bytes.

use std::io::{Read, Write};
use std::sync::Arc;

use anyhow::{Context as _, bail};
use pai_common::atomic::AtomicFile;
use pai_common::exit::Exit;
use pai_common::home::ensure_private_folder;
use pai_common::lock::DirLock;
use pai_common::output::Output;
use pai_common::progress::Progress;
use pai_common::sha256::Sha256;

use super::list::List;
use super::{Series, Store};
use crate::Context;
use crate::archive::open::{FromStart, open_to_read};
use crate::cli::Pull;
use crate::shelf::EXTENSION;
use crate::verify::verify_stream;

/// Runs `pull`.
pub(crate) fn run(args: &Pull, run: &Context<'_>) -> anyhow::Result<Exit> {
    let store = run.store()?;
    let series = Series::new(&run.place.prefix)?;
    let folder = run.shelf(None)?.folder().to_owned();
    ensure_private_folder(&folder)?;
    let _lock = DirLock::acquire(&folder, None)?;
    let mut out = Output::stdout(false);
    for named in &args.archives {
        let name = store.resolve(named, &series)?;
        let target = folder.join(format!("{name}{EXTENSION}"));
        if target.symlink_metadata().is_ok() {
            bail!("could not pull {name}: {} is there already", target.display());
        }
        let (list, _) = store.list_of(&name)?;
        let mut file = AtomicFile::create(&target, 0o600)?;
        fetch(&store, &list, &mut file, run).with_context(|| format!("could not pull {name}"))?;
        file.commit()?;
        out.line(target.as_os_str().as_encoded_bytes())?;
    }
    out.finish()?;
    store.report(run.console);
    Ok(Exit::Done)
}

/// Writes the archive to `file`, then verifies every byte that was written.
fn fetch(store: &Store, list: &List, file: &mut AtomicFile, run: &Context<'_>) -> anyhow::Result<()> {
    let progress = Progress::bytes(run.console, "fetching", Some(list.runs.size()));
    let mut hasher = Sha256::new();
    copy(store, list, |bytes| {
        hasher.update(bytes);
        progress.add(bytes.len() as u64);
        file.write_all(bytes)
    })?;
    if list.digest.is_some_and(|digest| digest != hasher.finish()) {
        bail!("its SHA-256 is not the one that its list gives");
    }
    let written = open_to_read(file.temp())?;
    verify_stream(written, run.threads(), None, &Progress::bytes(run.console, "verifying", None), run.console)
}

/// Passes all bytes of an archive to `take`, in order.
pub(super) fn copy(
    store: &Store,
    list: &List,
    mut take: impl FnMut(&[u8]) -> std::io::Result<()>,
) -> anyhow::Result<()> {
    let mut bytes = FromStart::new(Arc::new(store.checked(list)));
    let mut buffer = vec![0; 1 << 20];
    loop {
        pai_common::signal::check()?;
        match bytes.read(&mut buffer)? {
            0 => return Ok(()),
            count => take(&buffer[..count])?,
        }
    }
}
