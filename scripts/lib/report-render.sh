# shellcheck shell=bash
# shellcheck disable=SC2154 # the parts come from report-gather.sh
# The maintenance report's parts as text and as one page of HTML.

# text_table FILE [LINES]: a table of tabs as columns, the first LINES of it.
text_table() {
  head -n "$((${2:-100} + 1))" -- "$1" | awk -F'\t' '
    { rows = NR; for (i = 1; i <= NF; i++) { cell[NR, i] = $i; if (length($i) > wide[i]) wide[i] = length($i) }; if (NF > columns) columns = NF }
    END {
      for (r = 1; r <= rows; r++) {
        line = " "
        for (i = 1; i <= columns; i++) line = line sprintf(" %-*s ", wide[i], cell[r, i])
        sub(/ +$/, "", line)
        print line
      }
    }'
  local more=$(($(wc -l <"$1") - 1 - ${2:-100}))
  [ "$more" -le 0 ] || printf '  ... and %d more\n' "$more"
}

# part FILE: whether the table has a line below its header.
part() { [ "$(wc -l <"$1")" -gt 1 ]; }

# text_part TITLE FILE NOTHING [LINES]
text_part() {
  printf '\n%s\n' "$1"
  # shellcheck disable=SC2310 # its only result is its status
  if part "$2"; then text_table "$2" "${4:-100}"; else printf '  %s\n' "$3"; fi
}

text_list() {
  printf '\n%s\n' "$1"
  shift
  [ $# -gt 0 ] || set -- 'nothing'
  printf '  %s\n' "$@"
}

render_text() {
  printf 'Maintenance Report - Generated %s\n' "$generated"
  printf '=%.0s' {1..60}
  printf '\n'
  text_list 'Needs a look' "${attention[@]}"
  text_part "Recent Maintenance Actions ($REPORT_DAYS days)" "$scratch/actions" 'none recorded' 40
  text_part 'Last Run of Each Task' "$scratch/runs" 'none recorded'
  text_part 'Metrics' "$scratch/metrics" 'no figures'
  text_part 'Trends' "$scratch/trends" 'no figures'
  text_part 'Vector Stores' "$scratch/stores" 'none defragmented'
  text_part 'Backups' "$scratch/backups" 'none found'
  text_part 'Load Tests' "$scratch/results" 'no results'
  text_part 'Calls of Language Models' "$scratch/calls" 'none found'
  text_list 'Missing Inputs' "${missing[@]}"
}

# escaped TEXT: as HTML, in $html_text.
escaped() {
  html_text=${1//&/'&amp;'}
  html_text=${html_text//</'&lt;'}
  html_text=${html_text//>/'&gt;'}
}

# html_table FILE [LINES]: each cell says which column it is, for screens that have no room for columns.
html_table() {
  head -n "$((${2:-100} + 1))" -- "$1" | awk -F'\t' '
    function safe(s) { gsub(/&/, "\\&amp;", s); gsub(/</, "\\&lt;", s); gsub(/>/, "\\&gt;", s); gsub(/"/, "\\&quot;", s); return s }
    NR == 1 {
      print "<table><thead><tr>"
      for (i = 1; i <= NF; i++) { name[i] = safe($i); print "<th scope=\"col\">" name[i] "</th>" }
      print "</tr></thead><tbody>"
      columns = NF
      next
    }
    {
      line = "<tr>"
      for (i = 1; i <= columns; i++) {
        cell = safe($i)
        if (name[i] == "State" || name[i] == "Result") cell = "<span class=\"state " (cell ~ /^[a-z]+$/ ? cell : "") "\">" cell "</span>"
        line = line "<td data-label=\"" name[i] "\"" ($i ~ /^[0-9.]+( %| s| h| d| min|[KMGT]?B)?$/ || $i ~ /^[0-9-]+ [0-9:]+$/ ? " class=\"number\"" : "") ($i == "" ? " hidden" : "") ">" cell "</td>"
      }
      print line "</tr>"
    }
    END { print "</tbody></table>" }'
  local more=$(($(wc -l <"$1") - 1 - ${2:-100}))
  [ "$more" -le 0 ] || printf '<p class="faint">... and %d more</p>\n' "$more"
}

# html_part TITLE FILE NOTHING [LINES]
html_part() {
  printf '<section><h2>%s</h2>\n' "$1"
  # shellcheck disable=SC2310 # its only result is its status
  if part "$2"; then html_table "$2" "${4:-100}"; else printf '<p class="faint">%s</p>\n' "$3"; fi
  printf '</section>\n'
}

# html_list TITLE CLASS NOTHING LINE...
html_list() {
  local line
  printf '<section class="%s">%s\n' "$2" "${1:+<h2>$1</h2>}"
  if [ $# -eq 3 ]; then
    printf '<p>%s</p></section>\n' "$3"
    return 0
  fi
  printf '<ul>\n'
  for line in "${@:4}"; do
    escaped "$line"
    printf '<li>%s</li>\n' "$html_text"
  done
  printf '</ul></section>\n'
}

html_plots() {
  local column picture sentence
  printf '<section><h2>Trends</h2>\n<div class="plots">\n'
  while IFS=$'\t' read -r column sentence; do
    picture=$scratch/$column.svg
    escaped "$sentence"
    printf '<figure>'
    [ ! -s "$picture" ] || cat -- "$picture"
    printf '<figcaption><b>%s</b> %s</figcaption></figure>\n' "$column" "$html_text"
  done < <(tail -n +2 "$scratch/trends")
  printf '</div></section>\n'
}

render_html() {
  local verdict='Nothing needs a look' mood=good name
  case "${#attention[@]}" in
    0) ;;
    1) verdict='One thing needs a look' mood=bad ;;
    *) verdict="${#attention[@]} things need a look" mood=bad ;;
  esac
  escaped "${STACK_HOME##*/} on $(uname -n)"
  name=$html_text
  cat <<TEXT
<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<link rel="icon" href="data:,">
<title>Maintenance: $name</title>
<style>
$(cat -- "$figures_folder/report.css")
</style>
</head>
<body>
<header class="$mood"><h1>$verdict</h1>
<p>Maintenance Report of $name, generated <time datetime="$generated">${generated:0:10} ${generated:11:5}</time></p></header>
<main>
TEXT
  [ "${#attention[@]}" -eq 0 ] || html_list '' attention '' "${attention[@]}"
  # shellcheck disable=SC2310 # its only result is its status
  if part "$scratch/trends"; then html_plots; fi
  html_part 'Last run of each task' "$scratch/runs" 'none recorded'
  html_part "Recent actions ($REPORT_DAYS days)" "$scratch/actions" 'none recorded' 40
  html_stores
  html_part 'Vector stores' "$scratch/stores" 'none defragmented'
  html_part 'Backups' "$scratch/backups" 'none found'
  html_part 'Metrics' "$scratch/metrics" 'no figures'
  html_part 'Load tests' "$scratch/results" 'no results'
  html_part 'Calls of language models' "$scratch/calls" 'none found'
  html_list 'Missing inputs' missing 'none' "${missing[@]}"
  printf '</main>\n</body>\n</html>\n'
}
