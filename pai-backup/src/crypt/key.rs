//! `key`: a new pair, and the public half of one.

use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use age::armor::{ArmoredWriter, Format};
use age::secrecy::{ExposeSecret, SecretString};
use age::{Encryptor, x25519};
use anyhow::{Context as _, bail};
use pai_common::atomic;
use pai_common::clock::{Timestamp, Zone};
use pai_common::exit::Exit;
use pai_common::output::Output;
use zeroize::Zeroizing;

use super::identities::Identities;
use super::passphrase;
use crate::Context;
use crate::cli::{Key, KeyCommand};

/// Runs `key`.
pub(crate) fn run(args: &Key, run: &Context<'_>) -> anyhow::Result<Exit> {
    let mut out = Output::stdout(false);
    match &args.command {
        KeyCommand::New(args) => {
            let recipient = new(&args.file, args.passphrase, run.clock.now())?;
            out.line(recipient.as_bytes())?;
            out.flush()?;
            run.console.note(format_args!(
                "wrote {}: keep a copy of it elsewhere; without it nothing that is encrypted for {recipient} can be read",
                args.file.display()
            ));
        }
        KeyCommand::Public(args) => {
            for recipient in Identities::read(std::slice::from_ref(&args.file))?.recipients() {
                out.line(recipient.as_bytes())?;
            }
        }
    }
    out.finish()?;
    Ok(Exit::Done)
}

/// Makes a pair, writes the identity to `path` as `age-keygen` does, and gives the recipient.
pub(crate) fn new(path: &Path, protect: bool, now: Timestamp) -> anyhow::Result<String> {
    if path.symlink_metadata().is_ok() {
        bail!("could not write {}: it exists, and what it opens would be lost with it", path.display());
    }
    let identity = x25519::Identity::generate();
    let recipient = identity.to_public().to_string();
    let secret = identity.to_string();
    let made = now.rfc3339(Zone::Local);
    let text =
        Zeroizing::new(format!("# created: {made}\n# public key: {recipient}\n{}\n", secret.expose_secret()));
    if protect {
        let passphrase = passphrase::choose(&path.display().to_string())?;
        write(path, &locked(text.as_bytes(), passphrase).context("could not encrypt the identity")?)?;
    } else {
        write(path, text.as_bytes())?;
    }
    Ok(recipient)
}

/// Protects an identity with a passphrase, as `age -p -a` does.
fn locked(text: &[u8], passphrase: SecretString) -> std::io::Result<Vec<u8>> {
    let armored = ArmoredWriter::wrap_output(Vec::new(), Format::AsciiArmor)?;
    let mut writer = Encryptor::with_user_passphrase(passphrase).wrap_output(armored)?;
    writer.write_all(text)?;
    writer.finish()?.finish()
}

/// Writes a new file at once under its name: a temporary one would be a second place for the secret.
fn write(path: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    let context = || format!("could not write {}", path.display());
    let mut file =
        OpenOptions::new().write(true).create_new(true).mode(0o600).open(path).with_context(context)?;
    if let Err(error) = file.write_all(bytes).and_then(|()| file.sync_all()) {
        let _ = std::fs::remove_file(path);
        return Err(error).with_context(context);
    }
    atomic::sync_folder(path)
}
