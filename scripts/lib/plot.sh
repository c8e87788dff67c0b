# shellcheck shell=bash
# shellcheck disable=SC2154 # growth.sh's results
# A column of the metrics as an SVG picture that follows the reader's light or dark scheme. See growth.sh.

# plot_growth COLUMN FILE TARGET: the points of FILE (those before the last restart faint), the slope, the limit.
plot_growth() {
  local part=$3.part
  plot_script "$1" "$2" | gnuplot - >"$part" || die "gnuplot: could not draw $3"
  plot_style "$1 $summary" <"$part" >"$part.styled"
  mv -f -- "$part.styled" "$3"
  rm -f -- "$part"
}

# plot_script COLUMN FILE: what gnuplot is told. A limit far away from the points would press them flat: it is drawn at
# the edge then, and says so.
plot_script() {
  local head=$1${unit_of[$1]:+ (${unit_of[$1]})}
  awk -v limit="$limit" -v slope="$slope" -v level="$level" -v first="$first" '
    { x[NR] = $1; y[NR] = $2; if (NR == 1 || $2 < low) low = $2; if (NR == 1 || $2 > high) high = $2 }
    END {
      room = high - low
      if (room < high / 50) room = high / 50
      if (room == 0) room = 1
      top = high + 0.25 * room
      base = low - 0.15 * room
      near = limit != "" && limit <= high + 2 * room && limit >= low - 2 * room
      if (near && limit + 0.1 * room > top) top = limit + 0.1 * room
      if (near && limit - 0.1 * room < base) base = limit - 0.1 * room
      if (base < 0) base = 0
      printf "set yrange [%.10g:%.10g]\nset xrange [%.0f:%.0f]\n", base, top, x[1] * 86400, x[NR] * 86400 + (x[NR] - x[1] > 0 ? 0 : 1)
      printf "set format x \"%s\"\n", (x[NR] - x[1] > 2 ? "%d %b" : "%H:%M")
      printf "first = %.0f\n", first * 86400
      printf "set arrow 3 from %.0f, %.10g to %.0f, %.10g nohead front lc rgb \"#aa0002\" lw 1.8\n", \
        first * 86400, level - slope * (x[NR] - first), x[NR] * 86400, level
      if (limit != "") {
        at = near ? "first " limit : limit > high ? "graph 1" : "graph 0"
        said = near ? "" : limit > high ? " is far above" : " is far below"
        printf "set arrow 1 from graph 0, %s to graph 1, %s nohead front lc rgb \"#aa0003\" lw 1.5 dt (6,4)\n", at, at
        printf "set label 1 \"limit %s%s\" at graph 0.99, %s right offset 0,%s textcolor rgb \"#aa0003\"\n", limit, said, at, \
          (at == "graph 1" ? "-0.75" : "0.55")
      }
      if (first > x[1]) {
        printf "set arrow 2 from %.0f, graph 0 to %.0f, graph 1 nohead lc rgb \"#aa0004\" lw 1 dt (2,3)\n", first * 86400, first * 86400
        printf "set label 2 \"restart\" at %.0f, graph 1.07 center textcolor rgb \"#aa0004\"\n", first * 86400
      }
    }' "$2"
  cat <<TEXT
set terminal svg size 460,240 dynamic font "sans-serif,13" name "$1"
set xdata time
set timefmt "%s"
set label 4 "$head" at screen 0.012, screen 0.945 left textcolor rgb "#aa0000" noenhanced
set tmargin 2.6
set rmargin 1
set border 1 lc rgb "#aa0004"
set tics nomirror textcolor rgb "#aa0004"
set xtics scale 0.4
set ytics scale 0
set mxtics 1
set grid ytics lc rgb "#aa0005" lw 1 dt solid
set lmargin 7
set key off
plot '$2' using (\$1*86400):(\$1*86400 < first ? \$2 : 1/0) with lines lc rgb "#aa0006" lw 1.2, \\
  '$2' using (\$1*86400):(\$1*86400 >= first ? \$2 : 1/0) with lines lc rgb "#aa0001" lw 1.5
TEXT
}

# plot_style DESCRIPTION: gnuplot's SVG without what only its own viewers need, its colours #aa000N as names, which the
# reader's scheme decides.
plot_style() {
  local described=${1//&/&amp;}
  described=${described//</&lt;}
  awk -v described="$described" -v style="$plot_colours" '
    /<defs>/ { skip = 1 }
    skip { if (/<\/defs>/) skip = 0; next }
    /^<\?xml/ { next }
    /^<title>/ { print "<title>" described "</title>\n<style>" style "</style>"; next }
    /^<desc>/ { next }
    { print }' | sed -Ez \
    -e 's/<title>"[^<]*<\/title>//g' \
    -e "s/(stroke|fill)=['\"]rgb\\(170, *0, *([0-9])\\)['\"]/style='\\1:var(--plot\\2)'/g" \
    -e "s/stroke-dasharray='2,4' class=\"gridline\"//g" \
    -e 's/<g [^>]*>\n<\/g>\n//g' -e 's/\n+/\n/g' -e 's/<svg ?/<svg role="img"/'
}

# Ink, points, slope, limit, axes, grid, points before the restart.
plot_colours='svg{--plot0:#1b1f24;--plot1:#3b78c3;--plot2:#d9822b;--plot3:#c0392b;--plot4:#667080;--plot5:#dde2e8;--plot6:#a9b4c0}
@media(prefers-color-scheme:dark){svg{--plot0:#e8eaed;--plot1:#6ea8f0;--plot2:#f0a55a;--plot3:#ff7b6b;--plot4:#9aa4b2;--plot5:#343b45;--plot6:#5d6875}}'
