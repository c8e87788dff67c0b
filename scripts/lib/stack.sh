# shellcheck shell=bash
# shellcheck disable=SC2034 # results are read by the callers
# Where the stack lives, its settings, and the way to its containers.

lib_folder=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=scripts/lib/say.sh
. "$lib_folder/say.sh"
# shellcheck source=scripts/lib/dotenv.sh
. "$lib_folder/dotenv.sh"

# The environment part of every script's help.
stack_help='  STACK_HOME  the folder of docker-compose.yml and .env (default: where deployment/scripts is, else .)
  LOG_DIR, BACKUP_DIR  default: deployment/logs and deployment/backups of it
  Settings come from the environment, then from deployment/maintenance.conf (docs/ecosystem.md lists them)'

declare -A settings=()

# setting NAME DEFAULT: the variable NAME from the environment, else maintenance.conf, else DEFAULT.
setting() {
  [ -n "${!1+set}" ] || printf -v "$1" '%s' "${settings[$1]-$2}"
}

# setting_list NAME DEFAULT: a setting that is a list, with ; or line ends between two, in the array list.
setting_list() {
  local item items
  setting "$1" "$2"
  list=()
  mapfile -t items <<<"${!1//;/$'\n'}"
  for item in "${items[@]}"; do
    [ -z "$item" ] || list+=("$item")
  done
}

# stack_home_of FOLDER: the stack whose deployment/scripts is FOLDER; otherwise the working folder, in $STACK_HOME.
stack_home_of() {
  case "$1" in
    */deployment/scripts) STACK_HOME=${1%/deployment/scripts} ;;
    */deployment/scripts/*) STACK_HOME=${1%/deployment/scripts/*} ;;
    *) STACK_HOME=$called_in ;;
  esac
}

# stack_open FOLDER: finds the stack (FOLDER is the calling script's) and reads its settings.
stack_open() {
  [ -n "${STACK_HOME-}" ] || stack_home_of "$1"
  [ -d "$STACK_HOME" ] || die "no such folder: $STACK_HOME (STACK_HOME)"
  [ -x "$STACK_HOME" ] || die "could not enter $STACK_HOME (STACK_HOME)"
  STACK_HOME=$(cd "$STACK_HOME" && pwd)
  local conf=${STACK_CONF:-$STACK_HOME/deployment/maintenance.conf}
  if [ -e "$conf" ] || [ -n "${STACK_CONF-}" ]; then
    dotenv_read "$conf" settings
    [ "${#dotenv_errors[@]}" -eq 0 ] || die "could not read the settings: ${dotenv_errors[0]}"
  fi
  setting LOG_DIR "$STACK_HOME/deployment/logs"
  setting BACKUP_DIR "$STACK_HOME/deployment/backups"
  setting STATE_DIR "$LOG_DIR/state"
  setting ENV_FILE "$STACK_HOME/.env"
  setting COMPOSE_FILE ''
  if [ -z "$COMPOSE_FILE" ]; then
    local name
    COMPOSE_FILE=$STACK_HOME/docker-compose.yml
    for name in docker-compose.yaml docker-compose.yml compose.yml compose.yaml; do
      [ ! -e "$STACK_HOME/$name" ] || COMPOSE_FILE=$STACK_HOME/$name
    done
  fi
  stack_project
  stack_path "$1"
  export STACK_HOME LOG_DIR BACKUP_DIR STATE_DIR ENV_FILE COMPOSE_FILE COMPOSE_PROJECT_NAME
}

# The name under which compose labels the containers: COMPOSE_PROJECT_NAME, else .env's, else the one that the compose
# file gives (without a variable in it), else the folder's.
stack_project() {
  local -A env=()
  [ ! -e "$ENV_FILE" ] || dotenv_read "$ENV_FILE" env
  setting COMPOSE_PROJECT_NAME "${env[COMPOSE_PROJECT_NAME]-}"
  if [ -z "$COMPOSE_PROJECT_NAME" ] && [ -r "$COMPOSE_FILE" ]; then
    COMPOSE_PROJECT_NAME=$(sed -n -E "s/^name:[[:space:]]*[\"']?([a-z0-9][a-z0-9_-]*)[\"']?[[:space:]]*(#.*)?\$/\1/p" "$COMPOSE_FILE")
  fi
  [ -z "$COMPOSE_PROJECT_NAME" ] || return 0
  local name=${STACK_HOME##*/}
  name=${name,,}
  COMPOSE_PROJECT_NAME=${name//[^a-z0-9_-]/}
}

# stack_path FOLDER: cron's PATH is /usr/bin:/bin; look for the tools where they get installed, last.
stack_path() {
  setting STACK_PATH "/usr/local/bin:/usr/local/sbin:/usr/sbin:/sbin:${HOME:-/root}/.cargo/bin:$1/../target/release:$1/../../target/release"
  PATH=$PATH${STACK_PATH:+:$STACK_PATH}
  export PATH
}

# need PROGRAM...: dies naming the first program that is not there.
need() {
  local name
  for name in "$@"; do
    command -v "$name" >/dev/null || die "$name is not installed (or not on PATH)"
  done
}

# find_engine: $engine is up, absent (no docker program) or down; $engine_trouble says why it is not up.
find_engine() {
  engine=up engine_trouble=
  if ! command -v docker >/dev/null; then
    engine=absent engine_trouble='docker is not installed'
    return 0
  fi
  local status=0 answer
  answer=$(timeout -k 2 "${ENGINE_TIMEOUT:-10}" docker version --format '{{.Server.Version}}' 2>&1) || status=$?
  [ "$status" -ne 0 ] || return 0
  engine=down
  [ "$status" -ne 124 ] || answer="no answer in ${ENGINE_TIMEOUT:-10} s"
  engine_trouble="the docker daemon does not answer: ${answer##*$'\n'}"
}

# find_compose: docker compose (v2), else docker-compose, with this stack's files, in the array compose;
# empty if there is neither.
find_compose() {
  compose=()
  if timeout 10 docker compose version >/dev/null 2>&1; then
    compose=(docker compose)
  elif command -v docker-compose >/dev/null; then
    compose=(docker-compose)
  else
    return 0
  fi
  compose+=(--project-directory "$STACK_HOME" --file "$COMPOSE_FILE" --project-name "$COMPOSE_PROJECT_NAME")
}

# find_container SERVICE: the id of the service's running container in $container, empty if there is none.
# By compose's labels: it works with either compose, and without one.
find_container() {
  container=$(timeout 20 docker ps --quiet --no-trunc \
    --filter "label=com.docker.compose.project=$COMPOSE_PROJECT_NAME" \
    --filter "label=com.docker.compose.service=$1" | head -n 1)
}
