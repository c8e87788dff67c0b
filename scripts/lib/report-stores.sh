# shellcheck shell=bash
# shellcheck disable=SC2034,SC2154 # shared with the report; settings are stack.sh's
# The vector stores in the maintenance report: their sizes over time, and what the last defragmentation did.

# gather_stores: a line a store, from the actions of all time; and what each of them was before and after, for the picture.
gather_stores() {
  printf 'Store\tSizes over time\tBefore\tAfter\tVectors\tAnswers before\tAnswers after\tFound before\tFound after\tLast\tResult\n' >"$scratch/stores"
  : >"$scratch/store-figures"
  [ -s "$scratch/actions.jsonl" ] || return 0
  # shellcheck disable=SC2016 # jq's own variables
  jq -Rrn 'def size: if . == null then "" elif . < 1024 then "\(.)B" elif . < 1048576 then "\(. / 102.4 | round / 10)KB"
      elif . < 1073741824 then "\(. / 104857.6 | round / 10)MB" else "\(. / 107374182.4 | round / 10)GB" end;
    def ms: if . == null then "" else "\(. * 100 | round / 100) ms" end;
    def share: if . == null then "" else "\(. * 1000 | round / 10) %" end;
    [inputs | fromjson? | objects | select(.task == "defragment" and (.target | type) == "string" and (.time | type) == "string")]
    | group_by(.target)[] | (map(select(.after_bytes | type == "number"))) as $sized | .[-1] as $last
    | ($sized[-1] // {}) as $one
    | [$last.target, ($sized[-6:] | map("\(.time[5:10]) \(.after_bytes | size)") | join(", ")), ($one.before_bytes | size), ($one.after_bytes | size),
       ($one.vectors // ""), ($one.p95_ms_before | ms), ($one.p95_ms | ms), ($one.recall_before | share), ($one.recall | share), ($last.time[0:16] | sub("T"; " ")), $last.result] | @tsv' "$scratch/actions.jsonl" >>"$scratch/stores"
  # shellcheck disable=SC2016 # jq's own variables
  jq -Rrn '[inputs | fromjson? | objects | select(.task == "defragment" and (.before_bytes | type) == "number" and (.after_bytes | type) == "number"
      and .result == "ok")] | group_by(.target)[] | .[-1] | [.target, .before_bytes, .after_bytes, .p95_ms_before // "", .p95_ms // ""] | @tsv' \
    "$scratch/actions.jsonl" >"$scratch/store-figures"
}

# html_stores: a bar for each store's size, and for the time within which 95 of 100 queries are answered, before and after, as
# shares of the longer of both.
html_stores() {
  [ -s "$scratch/store-figures" ] || return 0
  printf '<section><h2>Vector stores before and after</h2>\n<p class="faint">%s</p>\n' \
    'By the last defragmentation. Answers: 95 of 100 queries are answered within that time. Found: of the ten nearest vectors.'
  awk -F'\t' '
    function safe(s) { gsub(/&/, "\\&amp;", s); gsub(/</, "\\&lt;", s); gsub(/>/, "\\&gt;", s); gsub(/"/, "\\&quot;", s); return s }
    function bar(y, what, value, longest, colour) {
      printf "<text x=\"0\" y=\"%d\">%s</text><rect x=\"110\" y=\"%d\" width=\"%.1f\" height=\"12\" fill=\"%s\"/>\n", \
        y + 11, what, y, (longest > 0 ? 340 * value / longest : 0), colour
    }
    function size(n) { return n < 1048576 ? sprintf("%.1f KB", n / 1024) : n < 1073741824 ? sprintf("%.1f MB", n / 1048576) : sprintf("%.1f GB", n / 1073741824) }
    {
      timed = $4 != "" && $5 != ""
      name = safe($1)
      printf "<figure class=\"store\"><figcaption><b>%s</b> %s before, %s after%s</figcaption><svg role=\"img\" viewBox=\"0 0 460 %d\" font-size=\"12\" fill=\"currentColor\"><title>%s: %s bytes before, %s after</title>\n", \
        name, size($2), size($3), (timed ? sprintf("; answers within %.2f ms before, %.2f ms after", $4, $5) : ""), (timed ? 72 : 36), name, $2, $3
      longest = $2 > $3 ? $2 : $3
      bar(0, "size before", $2, longest, "#a9b4c0")
      bar(16, "size after", $3, longest, "#3b78c3")
      if (timed) {
        longest = $4 + 0 > $5 + 0 ? $4 : $5
        bar(36, "answers before", $4, longest, "#a9b4c0")
        bar(52, "answers after", $5, longest, "#3b78c3")
      }
      printf "</svg></figure>\n"
    }' "$scratch/store-figures"
  printf '</section>\n'
}
