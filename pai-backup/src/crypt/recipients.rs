//! Whom something is sealed for: native age recipients (X25519), and public keys of ssh (Ed25519, RSA).

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use age::{ssh, x25519};
use anyhow::{Context, bail, ensure};
use pai_common::hint::Hinted;

/// Most recipients of one file. With more, its head would be longer than readers accept.
const MOST: usize = 64;
/// Longest file of recipients that is read.
const LONGEST: u64 = 1 << 20;

/// A recipient, as the crate takes it.
pub(super) type Recipient = Arc<dyn age::Recipient + Send + Sync>;

/// At least one recipient, each once.
#[derive(Clone)]
pub struct Recipients {
    /// The recipients by their text without comment.
    known: BTreeMap<String, Recipient>,
}

impl Recipients {
    /// The recipients that `--recipient` and `--recipients-file` name; `None` if they name none.
    pub fn named(texts: &[String], files: &[PathBuf]) -> anyhow::Result<Option<Self>> {
        let mut all = BTreeMap::new();
        for text in texts {
            let (text, recipient) = parse(text).context("could not use a --recipient")?;
            all.insert(text, recipient);
        }
        for file in files {
            all.extend(Self::read(file)?.known);
        }
        match all.len() {
            0 => Ok(None),
            1..=MOST => Ok(Some(Self { known: all })),
            count => bail!("could not encrypt for {count} recipients: {MOST} are the most"),
        }
    }

    fn read(path: &Path) -> anyhow::Result<Self> {
        let context = || format!("could not read recipients from {}", path.display());
        let length = path.metadata().with_context(context)?.len();
        ensure!(length <= LONGEST, "could not read recipients from {}: it is too long", path.display());
        Self::parse(&std::fs::read_to_string(path).with_context(context)?).with_context(context)
    }

    /// Reads recipients, one a line. Empty lines and lines that begin with `#` are skipped.
    pub fn parse(text: &str) -> anyhow::Result<Self> {
        let mut known = BTreeMap::new();
        for (number, line) in text.lines().enumerate() {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let (text, recipient) = parse(line).with_context(|| format!("line {}", number + 1))?;
            known.insert(text, recipient);
        }
        ensure!(!known.is_empty(), "there is no recipient in it");
        ensure!(known.len() <= MOST, "there are more than {MOST} recipients in it");
        Ok(Self { known })
    }

    /// The recipients as [`Recipients::parse`] reads them, one a line.
    pub fn text(&self) -> String {
        self.known.keys().flat_map(|text| [text, "\n"]).collect()
    }

    /// The recipients as `age -r` takes them.
    pub(crate) fn texts(&self) -> impl Iterator<Item = &str> {
        self.known.keys().map(String::as_str)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &dyn age::Recipient> {
        self.known.values().map(|recipient| &**recipient as &dyn age::Recipient)
    }
}

impl PartialEq for Recipients {
    fn eq(&self, other: &Self) -> bool {
        self.known.keys().eq(other.known.keys())
    }
}

impl Eq for Recipients {}

impl fmt::Display for Recipients {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.known.keys().map(String::as_str).collect::<Vec<_>>().join(", "))
    }
}

impl fmt::Debug for Recipients {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.known.keys()).finish()
    }
}

/// Reads one recipient. An error does not repeat the text: it may be a secret key.
fn parse(text: &str) -> anyhow::Result<(String, Recipient)> {
    let text = text.trim();
    if let Ok(recipient) = text.parse::<x25519::Recipient>() {
        return Ok((recipient.to_string(), Arc::new(recipient)));
    }
    if let Ok(recipient) = text.parse::<ssh::Recipient>() {
        return Ok((recipient.to_string(), Arc::new(recipient)));
    }
    if text.contains("SECRET-KEY-") || text.contains("PRIVATE KEY") {
        return Err(Hinted::new(
            anyhow::anyhow!("it is a secret key, which a recipient never is"),
            "pai-backup key public FILE prints the recipient that belongs to it",
        )
        .into());
    }
    if ["age1pq1", "age1tag1", "age1tagpq1"].iter().any(|known| text.starts_with(known)) {
        bail!("it is of a kind that could be encrypted for, but not opened again here");
    }
    bail!("it is neither age1... nor an ssh-ed25519 or ssh-rsa public key")
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: &str = "age1ysxuaeqlk7xd8uqsh8lsnfwt9jzzjlqf49ruhpjrrj5yatlcuf7qke4pqe";

    #[test]
    fn recipients_are_a_set_whatever_their_order_and_comments() {
        let other = age::x25519::Identity::generate().to_public().to_string();
        let one = Recipients::parse(&format!("# ours\n{ONE}\n\n{other}\n")).unwrap();
        let two = Recipients::named(&[other.clone(), ONE.to_owned(), ONE.to_owned()], &[]).unwrap().unwrap();
        assert_eq!(one, two);
        assert_eq!(Recipients::parse(&one.text()).unwrap(), one);
        assert_ne!(Recipients::parse(ONE).unwrap(), one);
        assert_eq!(Recipients::named(&[], &[]).unwrap(), None);
    }

    #[test]
    fn an_ssh_key_is_one_without_its_comment() {
        let key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHsKLqeplhpW+uObz5dvMgjz1OxfM/XXUB+VHtZ6isGN";
        let parsed = Recipients::parse(&format!("{key} alice@host\n")).unwrap();
        assert_eq!(parsed.text(), format!("{key}\n"));
    }

    #[test]
    fn what_is_no_recipient_is_refused_and_never_repeated() {
        for (text, why) in [
            ("", "no recipient"),
            ("age1qqqq", "neither age1"),
            ("AGE-SECRET-KEY-1GQ9778VQXMMJVE8SK7J6VT8UJ4HDQAJUVSFCWCM02D8GEWQ72PVQ2Y5J33", "secret key"),
            ("age1pq1qqqq", "not opened again"),
        ] {
            let error = format!("{:#}", Recipients::parse(text).unwrap_err());
            assert!(error.contains(why), "{error}");
            assert!(!error.contains("1GQ9778"), "{error}");
        }
        let new = || age::x25519::Identity::generate().to_public().to_string();
        let many = std::iter::repeat_with(new).take(MOST + 1).collect::<Vec<_>>().join("\n");
        assert!(Recipients::parse(&many).unwrap_err().to_string().contains("more than 64"));
    }
}
