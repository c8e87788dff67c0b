# Whether series of figures grow: `X Y` lines in order of X, a blank line between two series. For each series a line
#   POINTS SLOPE Z LEVEL AUTOCORRELATION FIRST VERDICT
# of what came after its last restart, which was at FIRST: Theil and Sen's slope, Mann and Kendall's test, the height
# of the line at the last X, and whether it grows, shrinks or neither (stays). A daily cycle is taken out first, if X is
# in days. Quadratic: give it a few hundred points a series.

# select(a, n, k): the k-th smallest of a[1..n]; a is reordered so that smaller ones stand before it (Hoare).
function select(a, n, k,   low, high, i, j, pivot, t) {
  low = 1
  high = n
  while (low < high) {
    pivot = a[int((low + high) / 2)]
    i = low
    j = high
    while (i <= j) {
      while (a[i] < pivot) i++
      while (a[j] > pivot) j--
      if (i <= j) {
        t = a[i]
        a[i++] = a[j]
        a[j--] = t
      }
    }
    if (k <= j) high = j
    else if (k >= i) low = i
    else return a[k]
  }
  return a[k]
}

function median(a, n,   k, upper, lower, i) {
  if (n == 0) return 0
  k = int(n / 2) + 1
  upper = select(a, n, k)
  if (n % 2) return upper
  lower = a[1]
  for (i = 2; i < k; i++) if (a[i] > lower) lower = a[i]
  return (lower + upper) / 2
}

# The median of y[from..to], which stays as it is.
function median_of(y, from, to,   i, part, n) {
  for (i = from; i <= to; i++) part[++n] = y[i]
  return median(part, n)
}

function size(v) { return v < 0 ? -v : v }

# restart(y, n): where the last restart left the series: the first point after it, else 1. A restart is a fall of the
# level (medians of five on either side, so that a spike is none) by a twentieth and by more than the noise. A fall
# that a rise of half its size answers, before it or after it, is the edge of a hump or a dip, or of a daily cycle.
function restart(y, n,   i, d, noise, before, step, least, rise, fall, at) {
  for (i = 2; i <= n; i++) d[i - 1] = size(y[i] - y[i - 1])
  noise = 1.4826 * median(d, n - 1)
  at = 1
  for (i = 6; i + 4 <= n; i++) {
    step = y[i] - y[i - 1]
    if (size(step) <= 3 * noise || size(step) <= size(y[i - 1]) / 40) continue
    before = median_of(y, i - 5, i - 1)
    step = median_of(y, i, i + 4) - before
    least = size(before) / 20
    if (least < 6 * noise) least = 6 * noise
    if (step > rise) rise = step
    if (step < -least && i + 9 <= n) fall[i] = -step
  }
  for (i in fall) if (rise < fall[i] / 2 && i + 0 > at) at = i + 0
  return at
}

# slope(x, y, n): the median slope of all pairs; in the globals score, Kendall's S, and spread, its variance if the
# points were independent of each other. Ties lower it.
function slope(x, y, n,   i, j, m, pair, count, v) {
  score = 0
  for (i = 1; i < n; i++) for (j = i + 1; j <= n; j++) {
    if (x[j] > x[i]) pair[++m] = (y[j] - y[i]) / (x[j] - x[i])
    score += (y[j] > y[i]) - (y[j] < y[i])
  }
  for (i = 1; i <= n; i++) count[y[i]]++
  spread = n * (n - 1) * (2 * n + 5)
  for (v in count) spread -= count[v] * (count[v] - 1) * (2 * count[v] + 5)
  spread /= 18
  return median(pair, m)
}

# persistence(e, n): the correlation of neighbouring residuals, by their ranks so that outliers do not decide it, with
# the bias removed that fitting a line to few points brings (to first order the mean of r is p - (2 + 4 p) / n).
function persistence(e, n,   i, j, rank, middle, above, all, p) {
  for (i = 1; i <= n; i++) rank[i] = 1
  for (i = 1; i < n; i++) for (j = i + 1; j <= n; j++) {
    if (e[j] > e[i]) rank[j]++
    else if (e[j] < e[i]) rank[i]++
    else {
      rank[i] += 0.5
      rank[j] += 0.5
    }
  }
  middle = (n + 1) / 2
  for (i = 1; i <= n; i++) {
    all += (rank[i] - middle) ^ 2
    if (i > 1) above += (rank[i] - middle) * (rank[i - 1] - middle)
  }
  if (all == 0 || n < 6) return 0
  p = (n * above / all + 2) / (n - 4)
  return p < 0 ? 0 : p > 0.99 ? 0.99 : p
}

# inflation(p, n): by how much neighbours that resemble each other widen S (Hamed and Rao 1998, with the
# autocorrelations p^lag of a first-order process; their ranks correlate by 6/pi asin(p^lag / 2)).
function inflation(p, n,   lag, r, half, sum) {
  r = 1
  for (lag = 1; lag < n - 2 && r > 0.0001; lag++) {
    r *= p
    half = r / 2
    sum += (n - lag) * (n - lag - 1) * (n - lag - 2) * 6 / 3.14159265358979 * atan2(half, sqrt(1 - half * half))
  }
  return 1 + 2 * sum / (n * (n - 1) * (n - 2))
}

# score_of(n, p): Kendall's S in standard deviations; p is estimated, and the less the points are worth the less is
# known of it: what Student's t has for n / inflation points is brought to the normal scale.
function score_of(n, p,   wide, t, worth) {
  if (n < 3 || spread <= 0) return 0
  wide = inflation(p, n)
  t = (score - (score > 0) + (score < 0)) / sqrt(spread * wide)
  worth = n / wide - 2
  if (worth < 1) worth = 1
  return (t < 0 ? -1 : 1) * sqrt(worth * log(1 + t * t / worth))
}

# deviation(e, n): how far the residuals typically lie from their middle.
function deviation(e, n,   i, middle, far) {
  middle = median_of(e, 1, n)
  for (i = 1; i <= n; i++) far[i] = size(e[i] - middle)
  return median(far, n)
}

# even_out(x, y, e, n): takes the daily cycle out of y: of each hour its typical residual. Only where there are three
# days of hours, and if the cycle is plain to see; returns whether it did. X is in days.
function even_out(x, y, e, n,   i, hour, count, part, middle, typical, rest) {
  if (x[n] - x[1] < 3 || n < 6 * (x[n] - x[1])) return 0
  middle = median_of(e, 1, n)
  for (i = 1; i <= n; i++) {
    hour[i] = int((x[i] - int(x[i])) * 24)
    part[hour[i], ++count[hour[i]]] = e[i]
  }
  for (i in count) typical[i] = middle_of(part, i, count[i]) - middle
  for (i = 1; i <= n; i++) rest[i] = e[i] - typical[hour[i]]
  if (deviation(rest, n) > 0.6 * deviation(e, n)) return 0
  for (i = 1; i <= n; i++) y[i] -= typical[hour[i]]
  return 1
}

function middle_of(part, row, n,   i, a) {
  for (i = 1; i <= n; i++) a[i] = part[row, i]
  return median(a, n)
}

function judge(   i, at, n, b, middle, e, line, p, z) {
  at = total < 10 ? 1 : restart(all_y, total)
  for (i = at; i <= total; i++) {
    x[++n] = all_x[i]
    y[n] = all_y[i]
  }
  b = slope(x, y, n)
  for (i = 1; i <= n; i++) e[i] = y[i] - b * x[i]
  if (even_out(x, y, e, n)) b = slope(x, y, n)
  for (i = 1; i <= n; i++) line[i] = e[i] = y[i] - b * x[i]
  middle = median(line, n)
  # Residuals of a line that is all but perfect (points that were taken late, a slow bend) resemble their neighbours, and
  # say nothing about it: not even a random walk rises by that many times its residuals.
  p = size(b) * (x[n] - x[1]) > 60 * deviation(e, n) ? 0 : persistence(e, n)
  z = score_of(n, p)
  # The 1 % level, two-sided.
  printf "%d %.12g %.3f %.12g %.2f %.13g %s\n", n, b, z, middle + b * x[n], p, x[1], (z > 2.576 ? "grows" : z < -2.576 ? "shrinks" : "stays")
  total = 0
}

NF == 0 { if (total) judge(); next }
{ all_x[++total] = $1; all_y[total] = $2 }
END { if (total) judge() }
