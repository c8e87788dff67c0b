//! An archive in a store: every pack against its name, then every byte as in a file.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use anyhow::bail;
use pai_common::hint::Hinted;
use pai_common::progress::Progress;
use pai_common::sha256::Digest;

use super::{differences, verify_stream};
use crate::Context;
use crate::archive::open::FromStart;
use crate::cli::Verify;
use crate::store::{Series, Store, bad_pack};

/// The archives to verify; none at all is trouble, never a pass.
pub(super) fn which(store: &Store, args: &Verify, run: &Context<'_>) -> anyhow::Result<Vec<String>> {
    let series = Series::new(&run.place.prefix)?;
    if args.all {
        let all = store.archives(&series)?;
        if all.is_empty() {
            bail!("no archive of the series {} in {}", series.prefix(), store.shown());
        }
        return Ok(all.into_iter().map(|entry| entry.name).collect());
    }
    if args.archives.is_empty() {
        return Ok(vec![store.resolve(Path::new("latest"), &series)?]);
    }
    args.archives.iter().map(|named| store.resolve(named, &series)).collect()
}

/// Says what is wrong with an archive, if anything is, and adds the pack to blame to `bad`. An error is trouble of another kind,
/// such as a signal.
pub(super) fn why_bad(
    store: &Store,
    archive: &str,
    args: &Verify,
    bad: &mut BTreeSet<Digest>,
    run: &Context<'_>,
) -> anyhow::Result<Option<String>> {
    let (list, object) = match store.list_of(archive) {
        Err(error) if error.chain().any(<dyn std::error::Error>::is::<Hinted>) => return Err(error),
        Err(error) => return Ok(Some(format!("{error:#}"))),
        Ok(found) => found,
    };
    let progress = Progress::bytes(run.console, "verifying", Some(list.runs.size()));
    let bytes = FromStart::new(Arc::new(store.checked(&list)));
    if let Err(error) = verify_stream(bytes, run.threads(), list.digest, &progress, run.console) {
        pai_common::signal::check()?;
        bad.extend(bad_pack(&error));
        return Ok(Some(format!("{error:#}")));
    }
    if let Err(error) = store.check_memory(&list) {
        return Ok(Some(format!("{error:#}")));
    }
    store.note_tested(&list, run);
    match store.mend_needs(&list, &object) {
        Ok(false) => {}
        Ok(true) => run.console.warn(format_args!("{archive}.packs was missing or damaged: written anew")),
        Err(error) => return Ok(Some(format!("{error:#}"))),
    }
    if args.against_disk { differences(&store.open_archive(archive)?, run) } else { Ok(None) }
}
