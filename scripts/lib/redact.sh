# shellcheck shell=bash
# Blanks out secrets: the values of .env, and what looks like a secret wherever it stands.

# read_secrets: the values of .env that are long enough to be secrets, in the array secrets, longest first.
read_secrets() {
  local key
  local -A env=()
  secrets=()
  [ ! -e "$ENV_FILE" ] || dotenv_read "$ENV_FILE" env
  for key in "${!env[@]}"; do
    case "$key" in
      *PASS* | *SECRET* | *KEY* | *TOKEN* | *CREDENTIAL* | *DSN* | *_URL | *_URI) ;;
      *) continue ;;
    esac
    [ "${#env[$key]}" -lt 4 ] || secrets+=("${env[$key]}")
  done
}

# redact: stdin to stdout. The secrets are handed to awk in its environment: an argument would show in ps.
redact() {
  REDACT=$(printf '%s\n' "${secrets[@]}" | grep . | awk '{ print length($0) "\t" $0 }' | sort -rn | cut -f2-) \
    awk '
    BEGIN { n = split(ENVIRON["REDACT"], secret, "\n") }
    function blank(line, word,   out, at) {
      out = ""
      while ((at = index(line, word)) > 0) {
        out = out substr(line, 1, at - 1) "[redacted]"
        line = substr(line, at + length(word))
      }
      return out line
    }
    { line = $0; for (i = 1; i <= n; i++) if (secret[i] != "") line = blank(line, secret[i]); print line }' |
    sed -E \
      -e 's/(([Pp]ass(word|wd)?|[Ss]ecret|[Tt]oken|[Aa]pi[_-]?[Kk]ey)["'\'']?[[:blank:]]*[=:][[:blank:]]*["'\'']?)[^[:blank:],;"'\'']+/\1[redacted]/g' \
      -e 's/((PASS(WORD|WD)?|SECRET|TOKEN|KEY)["'\'']?=["'\'']?)[^[:blank:],;"'\'']+/\1[redacted]/g' \
      -e 's/([Bb]earer|[Bb]asic) [A-Za-z0-9._~+\/=-]{8,}/\1 [redacted]/g' \
      -e 's/\b(sk-[A-Za-z0-9_-]{8,}|AIzaSy[A-Za-z0-9_-]{8,}|gh[pousr]_[A-Za-z0-9]{20,}|eyJ[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]*)/[redacted]/g' \
      -e 's#([a-z][a-z0-9+]*://[^:/@[:blank:]]+):[^@/[:blank:]]+@#\1:[redacted]@#g'
}
