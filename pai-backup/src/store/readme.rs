//! `README.txt` of a store: how a stranger gets everything back.

use super::layout::Form;

/// Its text. Tests take the script out of it and run it.
pub(crate) fn text(form: Form) -> String {
    let (programs, end, key, script, note) = match form {
        Form::Plain => ("sh, gzip, tar and sha256sum", "", "", PLAIN_SCRIPT, ""),
        Form::Sealed => ("sh, gzip, tar, sha256sum and age", ".age", " KEYFILE", SEALED_SCRIPT, SEALED_NOTE),
    };
    TEXT.replace("@PROGRAMS", programs)
        .replace("@END", end)
        .replace("@KEY", key)
        .replace("@SCRIPT", script)
        .replace("@NOTE", note)
}

const TEXT: &str = r#"This is a store of backups, made by pai-backup. You need no program of ours to
get them back: @PROGRAMS will do. Copy this place to a disk
first, with whatever reaches it (rclone, aws, mc, cp).
@NOTE
What lies here

  archives/NAME.list.gz@END
                          what the archive NAME is made of. Each line says: take
                          this pack, from this byte on (counted from 0), so many
                          bytes. One after another they are a .tar.gz.
  archives/NAME.packs     the packs that the archive needs, for sha256sum
  packs/                  the packs: parts of archives, named after their SHA-256
  doomed/                 packs that no archive needs, marked to be deleted

To see which archives there are, here in the top folder:

  ls archives

To check that an archive is whole:

  sha256sum -c archives/NAME.packs

To restore one, save the lines between the marks as restore.sh and run
"sh restore.sh NAME FOLDER@KEY" here:

---- begin
#!/bin/sh
# Restores an archive of this store: sh restore.sh NAME FOLDER@KEY
set -eu
mkdir -p "$2"
@SCRIPT
---- end

Which files are in it, without restoring: put "tar -tf -" for the last tar
command. One file alone: add its path to it.
"#;

const PLAIN_SCRIPT: &str = r#"gzip -dc "archives/$1.list.gz" | grep -v '^#' | while read -r pack offset length; do
  folder=${pack%"${pack#??}"}
  tail -c "+$((offset + 1))" "packs/$folder/$pack.gz" | head -c "$length"
done | gzip -dc | tar -xf - -C "$2""#;

const SEALED_NOTE: &str = r"
Everything is encrypted by age (https://age-encryption.org) for those named in
recipients.txt, and only a key file of one of them opens it: a file with a line
AGE-SECRET-KEY-1..., or a private key of ssh. If a passphrase protects yours,
age asks for it again and again; make a copy without, for the time:
age -d -o PLAINKEY KEYFILE
";

const SEALED_SCRIPT: &str = r#"work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
age -d -i "$3" -o "$work/list.gz" "archives/$1.list.gz.age"
gzip -dc "$work/list.gz" | grep -v '^#' >"$work/list"
cut -d ' ' -f 1 "$work/list" | sort -u >"$work/packs"
while read -r pack; do
  folder=${pack%"${pack#??}"}
  age -d -i "$3" -o "$work/$pack" "packs/$folder/$pack.gz.age" </dev/null
done <"$work/packs"
while read -r pack offset length; do
  tail -c "+$((offset + 1))" "$work/$pack" | head -c "$length"
done <"$work/list" | gzip -dc | tar -xf - -C "$2""#;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_fits_a_screen() {
        for form in Form::ALL {
            let text = text(form);
            assert!(text.is_ascii() && !text.contains('@'), "{text}");
            let long: Vec<&str> = text.lines().filter(|line| line.len() > 88).collect();
            assert!(long.is_empty(), "{long:?}");
        }
    }
}
