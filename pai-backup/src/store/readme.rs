//! `README.txt` of a store: how a stranger gets everything back.

/// Its text. Tests take the script out of it and run it.
pub(crate) const TEXT: &str = r#"This is a store of backups, made by pai-backup. You need no program of ours to
get them back: sh, gzip, tar and sha256sum will do. Copy this place to a disk
first, with whatever reaches it (rclone, aws, mc, cp).

What lies here

  archives/NAME.list.gz   what the archive NAME is made of. Each line says: take
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
"sh restore.sh NAME FOLDER" here:

---- begin
#!/bin/sh
# Restores an archive of this store: sh restore.sh NAME FOLDER
set -eu
mkdir -p "$2"
gzip -dc "archives/$1.list.gz" | grep -v '^#' | while read -r pack offset length; do
  folder=${pack%"${pack#??}"}
  tail -c "+$((offset + 1))" "packs/$folder/$pack.gz" | head -c "$length"
done | gzip -dc | tar -xf - -C "$2"
---- end

Which files are in it, without restoring: put "tar -tf -" for the last tar
command. One file alone: add its path to it.
"#;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_fits_a_screen() {
        assert!(TEXT.is_ascii());
        let long: Vec<&str> = TEXT.lines().filter(|line| line.len() > 88).collect();
        assert!(long.is_empty(), "{long:?}");
    }
}
