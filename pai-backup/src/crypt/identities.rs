//! The keys that open what was sealed, from files as `age-keygen`, `age -p` and `ssh-keygen` make them.
//!
//! What is read of a file is wiped when it has been parsed, and no message shows a byte of it.

use std::fmt;
use std::fs::File;
use std::io::{BufReader, Read};
use std::path::{Path, PathBuf};

use age::armor::ArmoredReader;
use age::secrecy::SecretString;
use age::{DecryptError, Decryptor, scrypt, ssh, x25519};
use anyhow::{Context, anyhow, bail, ensure};
use pai_common::hint::Hinted;
use zeroize::Zeroizing;

use super::open::MAGIC;
use super::passphrase;

/// Longest file of identities that is read.
const LONGEST: u64 = 1 << 20;
const ARMOR: &[u8] = b"-----BEGIN AGE ENCRYPTED FILE-----";

type Identity = Box<dyn age::Identity + Send + Sync>;

/// At least one identity.
pub struct Identities {
    all: Vec<Identity>,
    /// The recipients that belong to these identities, as text.
    recipients: Vec<String>,
}

impl fmt::Debug for Identities {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(&self.recipients).finish()
    }
}

impl Identities {
    /// Reads files, and asks for passphrases where they are protected.
    pub(crate) fn read(files: &[PathBuf]) -> anyhow::Result<Self> {
        let mut this = Self { all: Vec::new(), recipients: Vec::new() };
        for path in files {
            let text = text_of(path)?;
            this.parse(&text, path).with_context(|| format!("could not use {}", path.display()))?;
        }
        Ok(this)
    }

    /// Reads identities from a text.
    pub fn of_text(text: &str) -> anyhow::Result<Self> {
        let mut this = Self { all: Vec::new(), recipients: Vec::new() };
        this.parse(text, Path::new("the identity"))?;
        Ok(this)
    }

    /// The recipients that belong to them.
    pub(crate) fn recipients(&self) -> &[String] {
        &self.recipients
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &dyn age::Identity> {
        self.all.iter().map(|identity| &**identity as &dyn age::Identity)
    }

    fn parse(&mut self, text: &str, path: &Path) -> anyhow::Result<()> {
        if text.contains("PRIVATE KEY-----") {
            return self.parse_ssh(text, path);
        }
        let before = self.all.len();
        for (number, line) in text.lines().enumerate() {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let Ok(identity) = line.parse::<x25519::Identity>() else {
                return Err(no_identity(line, number + 1));
            };
            self.recipients.push(identity.to_public().to_string());
            self.all.push(Box::new(identity));
        }
        ensure!(self.all.len() > before, "there is no identity in it");
        Ok(())
    }

    fn parse_ssh(&mut self, text: &str, path: &Path) -> anyhow::Result<()> {
        let identity = ssh::Identity::from_buffer(text.as_bytes(), None).context("it is no key of ssh")?;
        let recipient = ssh::Recipient::try_from(identity.clone())
            .map_err(|_| anyhow!("it is a key of ssh of a kind that age does not know"))?;
        let identity = match identity {
            ssh::Identity::Encrypted(key) => {
                let passphrase = passphrase::ask(&path.display().to_string())?;
                let key = key.decrypt(passphrase).map_err(|_| anyhow!("that is not its passphrase"))?;
                ssh::Identity::Unencrypted(key)
            }
            ssh::Identity::Unsupported(_) => bail!("it is a key of ssh of a kind that age does not know"),
            identity @ ssh::Identity::Unencrypted(_) => identity,
        };
        self.recipients.push(recipient.to_string());
        self.all.push(Box::new(identity));
        Ok(())
    }
}

fn no_identity(line: &str, number: usize) -> anyhow::Error {
    let why = anyhow!("line {number} is no identity");
    let hint = match line {
        _ if line.starts_with("age1") || line.starts_with("ssh-") => {
            "it is a recipient; the identity is the file that belongs to it"
        }
        _ if line.starts_with("AGE-PLUGIN-") || line.starts_with("AGE-SECRET-KEY-PQ-") => {
            "it is of a kind that stock age opens, and pai-backup does not: README.txt of the store has the commands"
        }
        _ => return why,
    };
    Hinted::new(why, hint).into()
}

/// What a file of identities says, behind its passphrase if it has one.
fn text_of(path: &Path) -> anyhow::Result<Zeroizing<String>> {
    let context = || format!("could not read the identity {}", path.display());
    let mut file = File::open(path).with_context(context)?;
    let metadata = file.metadata().with_context(context)?;
    ensure!(metadata.len() <= LONGEST, "could not read the identity {}: it is too long", path.display());
    let bytes = read_secret(&mut file).with_context(context)?;
    if bytes.starts_with(MAGIC) || bytes.starts_with(ARMOR) {
        return unlock(&bytes, path).with_context(context);
    }
    utf8(&bytes).with_context(context)
}

fn utf8(bytes: &[u8]) -> anyhow::Result<Zeroizing<String>> {
    let text = std::str::from_utf8(bytes).map_err(|_| anyhow!("it is no text"))?;
    Ok(Zeroizing::new(text.to_owned()))
}

/// Reads a file into a buffer of fixed size: a growing buffer would leave copies of the secret in memory.
fn read_secret(input: &mut impl Read) -> std::io::Result<Zeroizing<Vec<u8>>> {
    let mut bytes = Zeroizing::new(vec![0; LONGEST as usize]);
    let count = crate::archive::member::read_full(input, &mut bytes)?;
    bytes.truncate(count);
    Ok(bytes)
}

/// Opens a file of identities that is protected by a passphrase.
fn unlock(bytes: &[u8], path: &Path) -> anyhow::Result<Zeroizing<String>> {
    let decryptor = Decryptor::new_buffered(BufReader::new(ArmoredReader::new(bytes)))
        .map_err(|_| anyhow!("it is a damaged age file"))?;
    ensure!(decryptor.is_scrypt(), "it is encrypted, but not by a passphrase");
    unlock_with(decryptor, passphrase::ask(&path.display().to_string())?)
}

fn unlock_with(
    decryptor: Decryptor<impl Read>,
    passphrase: SecretString,
) -> anyhow::Result<Zeroizing<String>> {
    let identity = scrypt::Identity::new(passphrase);
    let mut opened =
        decryptor.decrypt(std::iter::once(&identity as &dyn age::Identity)).map_err(|error| match error {
            DecryptError::ExcessiveWork { .. } => anyhow!("its passphrase would take too long to try"),
            DecryptError::InvalidMac | DecryptError::InvalidHeader => anyhow!("it is a damaged age file"),
            _ => anyhow!("that is not its passphrase"),
        })?;
    utf8(&read_secret(&mut opened).map_err(|_| anyhow!("it is a damaged age file"))?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use age::secrecy::ExposeSecret;

    #[test]
    fn files_of_age_keygen_are_read_and_others_refused_without_a_word_of_them() {
        let key = x25519::Identity::generate();
        let secret = key.to_string();
        let secret = secret.expose_secret();
        let text = format!("# created: now\n# public key: x\n{secret}\n\n");
        assert_eq!(Identities::of_text(&text).unwrap().recipients(), [key.to_public().to_string()]);
        for (text, why) in [
            (String::new(), "no identity in it"),
            (format!("{secret}X"), "line 1 is no identity"),
            (format!("#\n{}", key.to_public()), "line 2 is no identity"),
        ] {
            let error = format!("{:#}", Identities::of_text(&text).unwrap_err());
            assert!(error.contains(why) && !error.contains("SECRET"), "{error}");
        }
    }

    #[test]
    fn a_passphrase_opens_its_file_and_another_does_not() {
        let key = x25519::Identity::generate();
        let mut recipient = scrypt::Recipient::new(SecretString::from("right".to_owned()));
        recipient.set_work_factor(2);
        let locked = age::encrypt(&recipient, key.to_string().expose_secret().as_bytes()).unwrap();
        let unlock = |word: &str| {
            let decryptor = Decryptor::new_buffered(&locked[..]).unwrap();
            unlock_with(decryptor, SecretString::from(word.to_owned()))
        };
        assert_eq!(
            Identities::of_text(&unlock("right").unwrap()).unwrap().recipients()[0],
            key.to_public().to_string()
        );
        assert_eq!(unlock("wrong").unwrap_err().to_string(), "that is not its passphrase");
    }
}
