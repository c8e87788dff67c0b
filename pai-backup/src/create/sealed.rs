//! An archive that is encrypted on its way into a file, or to stdout.

use std::io::Write;
use std::path::Path;

use anyhow::{Context, bail};
use pai_common::atomic::AtomicFile;
use pai_common::hint::Hinted;
use pai_common::sha256::Digest;

use super::Plan;
use crate::Context as Run;
use crate::archive::index::{About, Totals};
use crate::cli::{Create, Format};
use crate::crypt::{self, Recipients, SealWriter};
use crate::diff;

/// What came of an archive in a file.
pub(super) struct Made {
    pub(super) file: AtomicFile,
    pub(super) about: About,
    pub(super) totals: Totals,
    /// SHA-256 of the file's bytes, if asked for.
    pub(super) digest: Option<Digest>,
}

/// Whom the archive is for, if it is to be encrypted. `beyond`: it goes into a store.
pub(super) fn recipients(args: &Create, beyond: bool) -> anyhow::Result<Option<Recipients>> {
    let named = Recipients::named(&args.seal.recipient, &args.seal.recipients_file)?;
    match &args.output {
        _ if named.is_some() && args.format == Format::Zip => {
            bail!("a zip cannot be encrypted: its sizes are written after its data")
        }
        Some(output) if output.as_os_str() != "-" => crypt::for_name(output, named),
        None if named.is_some() && !beyond => Err(Hinted::new(
            anyhow::anyhow!(
                "the archive folder is not encrypted: the next archive is made from the last one there"
            ),
            "pass --store FOLDER for a folder that is, or --output FILE.tar.gz.age",
        )
        .into()),
        _ => Ok(named),
    }
}

impl Plan<'_> {
    /// Makes the archive in `file`, encrypted if it is to be.
    pub(super) fn write_file(
        &self,
        file: AtomicFile,
        own: Option<&Path>,
        run: &Run<'_>,
    ) -> anyhow::Result<Made> {
        let Some(to) = &self.recipients else {
            let reader = file.file().try_clone().context("could not read back what is written")?;
            let written = self.write(file, Some(reader), own, run)?;
            let (about, totals, digest) = (written.about, written.totals, written.digest);
            return Ok(Made { file: written.out, about, totals, digest });
        };
        let sealer = SealWriter::new(file, to).context("could not write the archive")?;
        let written = self.write(sealer, None, own, run)?;
        let file = written.out.finish().context("could not write the archive")?;
        // The sidecar is of the bytes as they lie there.
        let digest = self.wants_digest().then(|| diff::digest_of(file.temp())).transpose()?;
        Ok(Made { file, about: written.about, totals: written.totals, digest })
    }

    /// The same for what can only be written once.
    pub(super) fn write_stream(&self, out: impl Write, run: &Run<'_>) -> anyhow::Result<()> {
        let context = "could not write the archive to stdout";
        let mut out = match &self.recipients {
            None => return self.write(out, None, None, run)?.out.flush().context(context),
            Some(to) => {
                let sealer = SealWriter::new(out, to).context(context)?;
                self.write(sealer, None, None, run)?.out.finish().context(context)?
            }
        };
        out.flush().context(context)
    }
}
