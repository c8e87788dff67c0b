# shellcheck shell=bash
# The tree that the benchmarks of pai-backup work on.

# make_tree MB: home/tree, at least so many megabytes of source text: that of the local cargo registry, as often as it takes.
# No copy repeats another: each file begins with the number of its copy.
make_tree() {
  local sources=${CARGO_HOME:-$HOME/.cargo}/registry/src
  python3 - "$sources" "$1" <<'PYTHON'
import os, sys

sources, wanted = sys.argv[1], int(sys.argv[2]) * 1_000_000
text = (".rs", ".md", ".toml", ".txt", ".c", ".h", ".json", ".S", ".py", ".asm", ".yml")
files = [os.path.join(folder, name) for folder, _, names in os.walk(sources) for name in names if name.endswith(text)]
copy = total = 0
while total < wanted:
    if copy > 0 and total == 0:
        sys.exit(f"no source text in {sources}")
    copy += 1
    for file in sorted(files):
        with open(file, "rb") as source:
            content = b"// copy %d\n" % copy + source.read()
        target = os.path.join("home/tree", f"copy-{copy}", os.path.relpath(file, sources))
        os.makedirs(os.path.dirname(target), exist_ok=True)
        with open(target, "wb") as out:
            out.write(content)
        total += len(content)
PYTHON
  printf '\n%s files, %s MB, %s cores\n' "$(find home/tree -type f | wc -l)" \
    "$(du -sm --apparent-size home/tree | cut -f1)" "$(nproc)"
}

# some_of SEED COUNT FILE: so many of its lines, which ones only the seed decides.
some_of() {
  shuf -n "$2" --random-source=<(openssl enc -aes-256-ctr -pass "pass:$1" -nosalt </dev/zero 2>/dev/null) "$3"
}
