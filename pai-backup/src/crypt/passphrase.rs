//! Passphrases are asked for on the terminal, and come from nowhere else: not from arguments, variables or files.

use age::secrecy::{ExposeSecret, SecretString};
use anyhow::{Context, ensure};

/// Asks for the passphrase of a file.
pub(super) fn ask(of: &str) -> anyhow::Result<SecretString> {
    let typed = rpassword::prompt_password(format!("Passphrase of {of}: "))
        .with_context(|| format!("could not ask for the passphrase of {of} on a terminal"))?;
    Ok(SecretString::from(typed))
}

/// Asks for a new passphrase, twice.
pub(super) fn choose(of: &str) -> anyhow::Result<SecretString> {
    let first = ask(of)?;
    ensure!(
        !first.expose_secret().is_empty(),
        "could not protect {of}: an empty passphrase protects nothing"
    );
    let second = ask(&format!("{of}, once more"))?;
    ensure!(
        first.expose_secret() == second.expose_secret(),
        "could not protect {of}: the two passphrases differ"
    );
    Ok(first)
}
