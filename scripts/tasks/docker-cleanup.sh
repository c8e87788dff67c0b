#!/usr/bin/env bash
# Removes dangling images older than 30 days; containers, networks and anonymous volumes only if asked.
# run: daily 30
# Needs:  docker
# Reads:  DOCKER_CLEANUP, DOCKER_CLEANUP_AGE
# Writes: removes dangling images; unused containers, networks and anonymous volumes if DOCKER_CLEANUP or a word names them
# Exit:   0 done, 1 in part, 2 not done: docker does not answer, 75 no docker
set -euo pipefail
# shellcheck source=scripts/lib/task.sh
. "$(dirname "${BASH_SOURCE[0]}")/../lib/task.sh"

usage() {
  cat <<TEXT
Usage: tasks/docker-cleanup.sh [WORD...] [OPTION...]

Removes dangling images older than DOCKER_CLEANUP_AGE (720h). What else it may remove, for cron in the setting
DOCKER_CLEANUP:
  containers  stopped ones of that age
  networks    unused ones of that age
  volumes     unused anonymous ones; a named volume is never removed here, only listed

$task_help
TEXT
}

# Engines before API 1.42 remove named volumes with "volume prune" too. An anonymous volume has 64 hex digits
# for a name: remove exactly those, one by one.
clean_volumes() {
  local volume
  while read -r volume; do
    if ! [[ $volume =~ ^[0-9a-f]{64}$ ]]; then
      echo "left: volume $volume is unused, but it has a name (docker volume rm $volume)"
    elif [[ " $wanted " == *' volumes '* ]]; then
      change docker volume rm "$volume"
    else
      echo "left: anonymous volume $volume is unused (word: volumes)"
    fi
  done < <(docker volume ls --quiet --filter dangling=true)
}

main() {
  task_begin "$@"
  setting DOCKER_CLEANUP ''
  setting DOCKER_CLEANUP_AGE 720h
  wanted="$DOCKER_CLEANUP ${words[*]}"
  local word
  for word in $wanted; do
    [[ $word =~ ^(containers|networks|volumes)$ ]] || bad_usage "unknown word: $word"
  done
  need_engine
  look docker system df
  [[ " $wanted " != *' containers '* ]] || change docker container prune --force --filter "until=$DOCKER_CLEANUP_AGE"
  change docker image prune --force --filter "until=$DOCKER_CLEANUP_AGE"
  [[ " $wanted " != *' networks '* ]] || change docker network prune --force --filter "until=$DOCKER_CLEANUP_AGE"
  clean_volumes
  look docker system df
  task_end
}

main "$@"
