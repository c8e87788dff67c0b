//! `pai-checksum`: files to SHA-256 lines and back by sha256sum's contract, and audits of whole folders.
//!
//! | file | what |
//! | --- | --- |
//! | `quote.rs`, `talk.rs` | messages in sha256sum's words |
//! | `input.rs` | what to hash: names, lists, folders |
//! | `hash.rs` | many files on all cores, outcomes in order |
//! | `stamp.rs` | size and times: was a file written to? |
//! | `generate.rs`, `check.rs` | the two halves of sha256sum |
//! | `manifest.rs` | a checksum file that also remembers sizes and times (pure) |
//! | `compare.rs` | manifest against folder: what changed, rotted, moved (pure) |
//! | `audit.rs`, `update.rs` | the two things to do with that comparison |

mod audit;
mod check;
pub mod cli;
mod compare;
mod generate;
mod hash;
mod input;
pub mod manifest;
mod quote;
mod record;
mod stamp;
mod talk;
mod update;

use pai_common::console::Console;
use pai_common::exit::Exit;
use pai_common::signal;

use crate::cli::Args;
use crate::talk::Talk;

/// Runs the tool.
pub fn run(args: &Args, console: &Console) -> anyhow::Result<Exit> {
    if let Some(contradiction) = args.contradiction() {
        anyhow::bail!("{contradiction}");
    }
    // Nothing is on disk before the last step of a run, so an interrupt may end a read that blocks.
    signal::end_at_once(true);
    let talk = Talk::new(console);
    let fine = if args.check {
        check::run(args, &talk)?
    } else if let Some(manifest) = &args.audit {
        audit::run(args, manifest, &talk)?
    } else if let Some(manifest) = &args.update {
        update::run(args, manifest, &talk)?
    } else {
        generate::run(args, &talk)?;
        true
    };
    Ok(Exit::partial_if(!fine || console.complaints() > 0))
}
