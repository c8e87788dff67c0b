# shellcheck shell=bash
# shellcheck disable=SC2154 # dry_run is the task's
# Command lines that the settings name: what only the operator knows.

# run_hook NAME: the command line in the setting NAME, in the stack's folder; none if it is empty. $hook_status
# is its exit status; trouble is complained of. The settings are trusted: nobody else may write their file.
run_hook() {
  hook_status=0
  [ -n "${!1}" ] || return 0
  if [ "$dry_run" = yes ]; then
    printf 'would run: %s\n' "${!1}"
    return 0
  fi
  printf 'run: %s\n' "${!1}"
  (cd "$STACK_HOME" && exec bash -c "${!1}") </dev/null || hook_status=$?
  [ "$hook_status" -eq 0 ] || complain "exit $hook_status: ${!1} ($1)"
}
