# shellcheck shell=bash
# What scripts/install.sh installs, as a Debian package: the same bytes from the same files and the same time.

# deb_maintainer: as Debian's own tools ask for it.
deb_maintainer() {
  printf '%s <%s>' "${DEBFULLNAME:-The pai-tools founders}" "${DEBEMAIL:-pai-tools@users.noreply.github.com}"
}

# deb_depends FOLDER: the C library that the programs in FOLDER were linked with, and what a link of theirs names.
deb_depends() {
  local newest
  # The others in it are scripts.
  local programs=("$1"/pai-{backup,checksum,optimize,rotate})
  newest=$(objdump --dynamic-syms "${programs[@]}" 2>/dev/null | grep -o 'GLIBC_[0-9.]*[0-9]' | sort --version-sort --unique | tail -n 1 || true)
  printf 'libc6%s' "${newest:+ (>= ${newest#GLIBC_})}"
  if objdump --private-headers "${programs[@]}" 2>/dev/null | grep -q 'NEEDED *libgcc_s'; then
    printf ', libgcc-s1'
  fi
}

# deb_tree PREFIX SOURCE ROOT: an installation below PREFIX, where Debian's policy wants it below ROOT.
deb_tree() {
  local prefix=$1 source=$2 root=$3 docs=$3/usr/share/doc/pai-tools
  mkdir -p "$root/usr" "$docs"
  cp -R -- "$prefix/." "$root/usr/"
  # dpkg keeps its own list of files.
  rm -f -- "$root/usr/libexec/pai-tools/installed-files"
  if [ -d "$root/usr/share/zsh/site-functions" ]; then
    mv -- "$root/usr/share/zsh/site-functions" "$root/usr/share/zsh/vendor-completions"
  fi
  cp -R -- "$source/README.md" "$source/CHANGELOG.md" "$source/docs" "$source/examples" "$docs/"
  # They are in copyright.
  rm -f -- "$docs"/LICENSE-*
  {
    printf 'Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/\n\n'
    printf 'Files: *\nCopyright: %s\nLicense: MIT or Apache-2.0\n\n' "$(sed -n 's/^Copyright (c) //p' "$source/LICENSE-MIT")"
    printf 'License: MIT\n%s\n\n' "$(sed -n '5,$p' "$source/LICENSE-MIT" | sed 's/^$/./; s/^/ /')"
    printf 'License: Apache-2.0\n On Debian systems its text is in /usr/share/common-licenses/Apache-2.0.\n'
  } >"$docs/copyright"
  {
    printf 'pai-tools (%s) unstable; urgency=medium\n\n  * CHANGELOG.md beside this file tells what is new.\n\n' "$version"
    printf ' -- %s  %s\n' "$(deb_maintainer)" "$(date --utc --rfc-email --date="@$epoch")"
  } | gzip --no-name --best >"$docs/changelog.gz"
  find "$root/usr/share/man" -type f -name '*.[1-8]' -exec gzip --no-name --best -- {} + 2>/dev/null || true
  # Debian strips its programs; what a panic needs to name a line was never in them.
  strip --strip-unneeded -- "$root"/usr/bin/pai-* 2>/dev/null || true
}

# deb_control ROOT SOURCE: the fields and the scripts that dpkg runs.
deb_control() {
  local root=$1 source=$2
  mkdir -p "$root/DEBIAN"
  cat >"$root/DEBIAN/control" <<TEXT
Package: pai-tools
Version: $version
Architecture: $(dpkg --print-architecture)
Maintainer: $(deb_maintainer)
Installed-Size: $(du --summarize --apparent-size --block-size=1024 "$root/usr" | cut -f 1)
Depends: $(deb_depends "$root/usr/bin")
Recommends: cron | cron-daemon | systemd-sysv, curl, jq, python3, sqlite3
Suggests: age, docker.io, gnuplot-nox, openssl, par2, postgresql-client, python3-yaml, rclone
Section: admin
Priority: optional
Description: backups, checksums, retention and short memory files for personal assistants
 pai-backup archives a workspace as tar.gz that any tar opens, at the cost of
 what changed since the night before, on this disk or in a store beyond it.
 pai-checksum does what sha256sum does, faster, and tells rot from change.
 pai-rotate says what may go and why, and rotates logs. pai-optimize keeps a
 memory.md short and loses nothing. Scripts schedule, watch and report.
TEXT
  install -m 755 -- "$source/scripts/dev/deb/prerm" "$source/scripts/dev/deb/postinst" "$root/DEBIAN/"
  (cd "$root" && find usr -type f -print0 | LC_ALL=C sort -z | xargs -0 md5sum >DEBIAN/md5sums)
}

# make_deb PREFIX SOURCE WORK FILE VERSION EPOCH: the package of the installation below PREFIX, of the sources in SOURCE;
# all in it is as old as EPOCH says.
make_deb() {
  local prefix=$1 source=$2 root=$3/deb file=$4 version=$5 epoch=$6
  deb_tree "$prefix" "$source" "$root"
  deb_control "$root" "$source"
  chmod -R u+rw,go+r,go-w,a+X "$root"
  find "$root" -exec touch --no-dereference --date="@$epoch" -- {} +
  SOURCE_DATE_EPOCH=$epoch dpkg-deb --root-owner-group -Zxz --build "$root" "$file" >/dev/null
}
