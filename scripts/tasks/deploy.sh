#!/usr/bin/env bash
# Backup, git pull, the deploy command, health and version: the exit status is that of the whole.
# Needs:  git; docker compose or docker-compose unless DEPLOY_COMMAND is set; curl and jq for DEPLOY_VERSION_URL
# Reads:  DEPLOY_*; the settings of the backup and of health-check.sh, which it calls
# Writes: the checkout in STACK_HOME, refs/before-deploy/STAMP, the services; LOG_DIR/deployments.log, LOG_DIR/actions.jsonl, STATE_DIR/deploy.lock
# Exit:   0 deployed, 1 a step after the pull failed, 2 nothing was deployed, 75 another deployment is at work
set -euo pipefail
# shellcheck source=scripts/lib/task.sh
. "$(dirname "${BASH_SOURCE[0]}")/../lib/task.sh"
# shellcheck source=scripts/lib/hooks.sh
. "$scripts_folder/lib/hooks.sh"
# shellcheck source=scripts/lib/action.sh
. "$scripts_folder/lib/action.sh"

usage() {
  cat <<TEXT
Usage: tasks/deploy.sh [--without-backup] [OPTION...]

Brings the checkout in STACK_HOME to its upstream branch and the services with it. Each step only if the one before went
well:
  1. no file that git tracks is changed, the branch has an upstream, no other deployment is at work (75)
  2. DEPLOY_BACKUP (default: sqlite-maintenance backup, or backup.sh where there is no SQLite; and config-backup)
  3. the commit to go back to: a line of LOG_DIR/deployments.log, and refs/before-deploy/STAMP so that git keeps it
  4. git pull --ff-only
  5. DEPLOY_COMMAND (default: ./deploy-production.sh if it is there, else docker compose up -d --build)
  6. until DEPLOY_DEADLINE (5m) is over: health-check.sh passes, and the member version of what DEPLOY_VERSION_URL answers
     is what DEPLOY_VERSION_COMMAND (git describe --tags --always) prints
  7. DEPLOY_TEST, the test suite (none)

      --without-backup  skip step 2
$task_help
TEXT
}

# look_at_tree: the branch in $branch, its commit in $before.
look_at_tree() {
  local changed
  git=(git -C "$STACK_HOME")
  before=$("${git[@]}" rev-parse --verify 'HEAD^{commit}') || die "$STACK_HOME is not a git checkout"
  branch=$("${git[@]}" symbolic-ref --quiet --short HEAD) || die 'no branch is checked out'
  upstream=$("${git[@]}" rev-parse --abbrev-ref '@{upstream}') || die "branch $branch has no upstream"
  changed=$("${git[@]}" status --porcelain --untracked-files=no)
  [ -z "$changed" ] || die "changed files: commit or take back first: $(head -n 5 <<<"$changed" | paste -sd, -)"
}

take_lock() {
  exec 9>"$STATE_DIR/deploy.lock"
  flock --exclusive --nonblock 9 && return 0
  note 'another deployment is at work'
  exit 75
}

# part COMMAND...: a step of another script, without the lock; its status in $part_status.
part() {
  part_status=0
  quoted "$@"
  if [ "$dry_run" = yes ]; then
    echo "would run: $quoted"
  else
    echo "run: $quoted"
    "$@" 9>&- </dev/null || part_status=$?
  fi
}

back_up() {
  if [ -n "$DEPLOY_BACKUP" ]; then
    run_hook DEPLOY_BACKUP 9>&-
    [ "$hook_status" -eq 0 ] || die 'no backup, no deployment: nothing was changed'
    return 0
  fi
  part "$task_folder/sqlite-maintenance.sh" backup
  if [ "$part_status" -eq 75 ]; then part "$scripts_folder/backup.sh" --quiet; fi
  [ "$part_status" -eq 0 ] || die "no backup, no deployment (exit $part_status): nothing was changed"
  part "$task_folder/config-backup.sh"
  [[ $part_status == 0 || $part_status == 75 ]] || die "the configuration could not be backed up (exit $part_status): nothing was changed"
}

# log_line TEXT: what was deployed, by whom, and what to go back to.
log_line() {
  [ "$dry_run" = yes ] ||
    printf '%s %s %s\n' "$(date -Iseconds)" "${SUDO_USER:-$(id -un)}" "$1" >>"$LOG_DIR/deployments.log"
}

# check_version: what is wrong with the running version, in $trouble.
check_version() {
  local expected
  trouble=
  [ -n "$DEPLOY_VERSION_URL" ] || return 0
  expected=$(cd "$STACK_HOME" && bash -c "$DEPLOY_VERSION_COMMAND") || true
  if [ -z "$expected" ]; then
    trouble="DEPLOY_VERSION_COMMAND prints nothing: $DEPLOY_VERSION_COMMAND"
    return 0
  fi
  trouble=$("$scripts_folder/checks/http.sh" version "$DEPLOY_VERSION_URL" "json=version:$expected" within=60s 2>&1) || return 0
  trouble=
}

# wait_until_well: $trouble is empty once the stack is healthy and the version is the new one.
wait_until_well() {
  local until=$((SECONDS + deadline)) report
  while true; do
    trouble=
    report=$("$scripts_folder/health-check.sh" 2>&1 9>&-) || trouble='not healthy'
    [ -n "$trouble" ] || check_version
    if [ -z "$trouble" ] || [ "$SECONDS" -ge "$until" ]; then break; fi
    sleep 2
  done
  [ "$trouble" != 'not healthy' ] || printf '%s\n' "$report" >&2
}

# failed STEP: after something was changed.
failed() {
  log_line "FAILED at $1: before=$before now=$("${git[@]}" rev-parse HEAD)"
  record_action deploy "$STACK_HOME" deploy failed "seconds=$SECONDS"
  complain "the deployment failed: $1"
  note "to go back: git -C $STACK_HOME reset --keep $before, then run: $DEPLOY_COMMAND"
  exit 1
}

settings() {
  local word
  for word in "${words[@]}"; do
    [ "$word" = --without-backup ] || bad_usage "unknown option: $word"
    backup=no
  done
  setting DEPLOY_BACKUP ''
  setting DEPLOY_COMMAND ''
  setting DEPLOY_DEADLINE 5m
  setting DEPLOY_VERSION_URL ''
  setting DEPLOY_VERSION_COMMAND 'git describe --tags --always'
  setting DEPLOY_TEST ''
  seconds_of "$DEPLOY_DEADLINE"
  deadline=$seconds
  [ -z "$DEPLOY_COMMAND" ] || return 0
  DEPLOY_COMMAND=./deploy-production.sh
  [ ! -x "$STACK_HOME/deploy-production.sh" ] || return 0
  find_compose
  [ "${#compose[@]}" -gt 0 ] || die 'nothing to deploy with: no DEPLOY_COMMAND, no deploy-production.sh, no docker compose'
  quoted "${compose[@]}" up -d --build
  DEPLOY_COMMAND=$quoted
}

main() {
  task_begin "$@"
  backup=yes
  need git
  settings
  take_lock
  look_at_tree
  [ "$backup" = no ] || back_up
  local mark
  mark=refs/before-deploy/$(date +%Y%m%d-%H%M%S)
  [ "$dry_run" = yes ] || "${git[@]}" update-ref "$mark" "$before"
  log_line "starts: $branch from $upstream before=$before ($mark)"
  echo "to go back to: $before ($mark)"
  part timeout 600 "${git[@]}" pull --ff-only
  if [ "$part_status" -ne 0 ]; then
    log_line "not deployed: git pull: exit $part_status before=$before"
    die "git pull: exit $part_status: nothing was deployed"
  fi
  run_hook DEPLOY_COMMAND 9>&-
  [ "$hook_status" -eq 0 ] || failed "DEPLOY_COMMAND, exit $hook_status"
  if [ "$dry_run" = yes ]; then
    echo "would wait for: health-check.sh${DEPLOY_VERSION_URL:+, the version at $DEPLOY_VERSION_URL}"
  else
    wait_until_well
    [ -z "$trouble" ] || failed "health and version: $trouble"
    [ -n "$DEPLOY_VERSION_URL" ] || note 'the version was not compared: DEPLOY_VERSION_URL is not set'
  fi
  run_hook DEPLOY_TEST 9>&-
  [ "$hook_status" -eq 0 ] || failed "DEPLOY_TEST, exit $hook_status"
  local after
  after=$("${git[@]}" rev-parse HEAD)
  log_line "deployed: before=$before now=$after"
  record_action deploy "$STACK_HOME" deploy ok "seconds=$SECONDS"
  [ "$dry_run" = yes ] || echo "deployed $after"
  task_end
}

main "$@"
