//! Where in a store things are, and what they are called.

use anyhow::bail;
use pai_common::sha256::{self, Digest};

/// The folder of lists and `.packs`.
pub(crate) const ARCHIVES: &str = "archives";
/// The folder of packs.
pub(crate) const PACKS: &str = "packs";
/// The folder of prune's marks.
pub(crate) const DOOMED: &str = "doomed";
/// The text that tells how to restore with stock tools alone.
pub(crate) const README: &str = "README.txt";
/// The recipients that new archives are encrypted for. A plain store has no such object.
pub(crate) const RECIPIENTS: &str = "recipients.txt";

/// When an identity last opened a whole archive of an encrypted store.
pub(crate) const TESTED: &str = "tested.txt";

/// What ends the name of a pack.
const PACK_END: &str = ".gz";
/// What ends the name of a list.
const LIST_END: &str = ".list.gz";
/// What ends the name of the file that names an archive's packs.
const NEEDS_END: &str = ".packs";
/// In the mark of a rewritten list, what stands before the digest.
const REWRITTEN: &str = ".rewritten-";

/// How lists and packs lie in a store. An archive is all of one form.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Form {
    /// Not encrypted.
    #[default]
    Plain,
    /// Encrypted. The object's name ends in `.age`.
    Sealed,
}

impl Form {
    /// Both forms.
    pub(crate) const ALL: [Self; 2] = [Self::Plain, Self::Sealed];

    /// What the name of an object of this form ends in.
    fn end(self) -> &'static str {
        match self {
            Self::Plain => "",
            Self::Sealed => crate::crypt::END,
        }
    }

    /// The form that an object's name tells, and the name without that ending.
    pub(crate) fn of(name: &str) -> (Self, &str) {
        let sealed = name.strip_suffix(Self::Sealed.end());
        sealed.map_or((Self::Plain, name), |name| (Self::Sealed, name))
    }
}

/// The name of an archive's list.
pub(crate) fn list_name(archive: &str, form: Form) -> String {
    format!("{ARCHIVES}/{archive}{LIST_END}{}", form.end())
}

/// The name of the file that names the packs an archive needs.
pub(crate) fn needs_name(archive: &str) -> String {
    format!("{ARCHIVES}/{archive}{NEEDS_END}")
}

/// The name of a pack, by the SHA-256 of its bytes as they lie in the store.
pub(crate) fn pack_name(digest: &Digest, form: Form) -> String {
    let hex = sha256::to_hex(digest);
    format!("{PACKS}/{}/{hex}{PACK_END}{}", &hex[..2], form.end())
}

/// The name of the mark of a pack that no archive needs.
pub(crate) fn doomed_name(digest: &Digest) -> String {
    format!("{DOOMED}/{}", sha256::to_hex(digest))
}

/// The name of the mark of a rewritten list. It holds the start of the new list's SHA-256, so that other machines notice that
/// the list they remember is out of date.
pub(crate) fn rewritten_name(archive: &str, list: &Digest) -> String {
    format!("{ARCHIVES}/{archive}{REWRITTEN}{}", &sha256::to_hex(list)[..16])
}

/// The archive that the mark of a rewritten list is about, and the start of the list's SHA-256.
pub(crate) fn rewritten_of(name: &str) -> Option<(&str, &str)> {
    let (archive, start) = name.strip_prefix(ARCHIVES)?.strip_prefix('/')?.rsplit_once(REWRITTEN)?;
    (is_plain(archive) && start.len() == 16).then_some((archive, start))
}

/// The archive that the list of this name belongs to, and the form of it.
pub(crate) fn archive_of_list(name: &str) -> Option<(&str, Form)> {
    let (form, name) = Form::of(name);
    archive_in(name, LIST_END).map(|archive| (archive, form))
}

/// Whether an archive in a store can have this name.
pub(crate) fn is_archive(name: &str) -> bool {
    is_plain(name)
}

/// The archive that the `.packs` file of this name belongs to.
pub(crate) fn archive_of_needs(name: &str) -> Option<&str> {
    archive_in(name, NEEDS_END)
}

/// The digest of the pack of this name, and the form of it.
pub(crate) fn pack_of(name: &str) -> Option<(Digest, Form)> {
    let (form, stem) = Form::of(name);
    let hex = stem.strip_prefix(PACKS)?.strip_prefix('/')?.get(3..)?.strip_suffix(PACK_END)?;
    digest(hex).filter(|digest| pack_name(digest, form) == name).map(|digest| (digest, form))
}

/// The pack that the mark of this name is about.
pub(crate) fn doomed_of(name: &str) -> Option<Digest> {
    digest(name.strip_prefix(DOOMED)?.strip_prefix('/')?)
}

/// 64 hex digits, small letters.
pub(crate) fn digest(hex: &str) -> Option<Digest> {
    let mut digest = [0; 32];
    let small = hex.len() == 64 && !hex.bytes().any(|byte| byte.is_ascii_uppercase());
    (small && hex::decode_to_slice(hex, &mut digest).is_ok()).then_some(digest)
}

fn archive_in<'a>(name: &'a str, end: &str) -> Option<&'a str> {
    let archive = name.strip_prefix(ARCHIVES)?.strip_prefix('/')?.strip_suffix(end)?;
    is_plain(archive).then_some(archive)
}

/// Whether every kind of store takes this name unchanged, and a shell needs no quotes for it.
fn is_plain(name: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    !name.is_empty() && name.len() <= 200 && !name.starts_with(['.', '-']) && name.bytes().all(plain)
}

/// Refuses a series whose archives could not have their names in every store.
pub(crate) fn check_series(prefix: &str) -> anyhow::Result<()> {
    if !is_plain(prefix) {
        bail!(
            "could not use --name {prefix} with a store: names there are letters, digits, '.', '_' and '-'"
        );
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_lead_back_to_what_they_name() {
        let digest = [0x3f; 32];
        let pack = pack_name(&digest, Form::Plain);
        assert!(pack.starts_with("packs/3f/3f3f") && pack.ends_with("3f.gz"));
        assert_eq!(pack_name(&digest, Form::Sealed), format!("{pack}.age"));
        assert_eq!(doomed_of(&doomed_name(&digest)), Some(digest));
        for form in Form::ALL {
            assert_eq!(pack_of(&pack_name(&digest, form)), Some((digest, form)));
            assert_eq!(archive_of_list(&list_name("pai-1", form)), Some(("pai-1", form)));
        }
        assert_eq!(archive_of_needs(&needs_name("pai-1")), Some("pai-1"));
        assert_eq!(rewritten_of(&rewritten_name("pai-1", &digest)), Some(("pai-1", &"3f".repeat(8)[..])));
        assert_eq!(archive_of_list(&rewritten_name("pai-1", &digest)), None);
    }

    #[test]
    fn what_is_not_ours_is_nothing() {
        let hex = "3f".repeat(32);
        for name in [
            "packs/3f/3f.gz".to_owned(),
            format!("packs/aa/{hex}.gz"),
            format!("packs/3f/{}.gz", hex.to_uppercase()),
            format!("packs/3f/{hex}.gz.age.age"),
            format!("packs/3f/{hex}.gz.gpg"),
            "packs/é".to_owned(),
        ] {
            assert_eq!(pack_of(&name), None, "{name}");
        }
        for name in
            ["archives/../x.list.gz", "archives/.x.list.gz", "archives/.list.gz", "archives/a b.list.gz"]
        {
            assert_eq!(archive_of_list(name), None, "{name}");
        }
        assert_eq!(doomed_of("doomed/x"), None);
        check_series("pai-my.host_1").unwrap();
        check_series("a b").unwrap_err();
    }
}
