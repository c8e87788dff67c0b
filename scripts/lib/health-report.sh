# shellcheck shell=bash
# shellcheck disable=SC2154 # health-check.sh sets what is read here
# The three faces of a health check's result. They read health-check.sh's arrays types, names, at (the
# level), status, took, detail, and count, errors, warnings, failed_names.

# The first line is the verdict: it is what a mail's reader sees.
print_table() {
  local i when checks=checks
  when=$(date -Iseconds)
  [ "$count" -ne 1 ] || checks=check
  if [ "$errors" -gt 0 ]; then
    echo "$when FAILED: $errors of $count $checks, error in: $failed_names"
  elif [ "$warnings" -gt 0 ]; then
    echo "$when healthy: $count $checks, $warnings with a warning"
  else
    echo "$when healthy: $count $checks"
  fi
  for ((i = 0; i < count; i++)); do
    printf '%-8s %-12s %-24s %-5s %7.3f s  %s\n' \
      "${status[$i]}" "${types[$i]}" "${names[$i]}" "${at[$i]}" "${took[$i]}" "${detail[$i]}"
  done
}

print_json() {
  local i json name
  for ((i = 0; i < count; i++)); do
    json_text "${names[$i]}"
    name=$json
    json_text "${detail[$i]}"
    printf '{"type":"check","check":"%s","name":%s,"level":"%s","status":"%s","seconds":%s,"detail":%s}\n' \
      "${types[$i]}" "$name" "${at[$i]}" "${status[$i]}" "${took[$i]}" "$json"
  done
  printf '{"type":"summary","time":"%s","checks":%d,"errors":%d,"warnings":%d}\n' \
    "$(date -Iseconds)" "$count" "$errors" "$warnings"
}

# Prometheus's text format, written beside and renamed: the collector must never read half a file.
write_prometheus() {
  local i value label target=$1
  beside=$(mktemp "$target.XXXXXX") || die "could not write $target"
  {
    printf '# HELP stack_health_check Result of a check: 1 ok, 0.5 warning, 0 error.\n# TYPE stack_health_check gauge\n'
    for ((i = 0; i < count; i++)); do
      case "${status[$i]}" in
        ok) value=1 ;;
        warning) value=0.5 ;;
        *) value=0 ;;
      esac
      json_text "${names[$i]}"
      label="check=\"${types[$i]}\",name=$json,level=\"${at[$i]}\""
      printf 'stack_health_check{%s} %s\n' "$label" "$value"
    done
    printf '# HELP stack_health_check_seconds How long a check took.\n# TYPE stack_health_check_seconds gauge\n'
    for ((i = 0; i < count; i++)); do
      json_text "${names[$i]}"
      printf 'stack_health_check_seconds{check="%s",name=%s,level="%s"} %s\n' "${types[$i]}" "$json" "${at[$i]}" "${took[$i]}"
    done
    printf '# HELP stack_health_last_run_seconds When the checks last ran.\n# TYPE stack_health_last_run_seconds gauge\n'
    printf 'stack_health_last_run_seconds %(%s)T\n' -1
  } >"$beside"
  chmod 644 "$beside"
  mv -f "$beside" "$target"
}
