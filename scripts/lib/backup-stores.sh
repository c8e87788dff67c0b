# shellcheck shell=bash
# shellcheck disable=SC2034,SC2154 # shared with backup.sh; settings are stack.sh's
# Vector stores in a backup: each is copied in the way that restores, by stores/store.py or backup-sqlite.sh. Some must not
# be open meanwhile: BACKUP_STOP stops their service, and BACKUP_START starts it again, whatever became of the copies.
# shellcheck source=scripts/lib/hooks.sh
. "$lib_folder/hooks.sh"
# shellcheck source=scripts/lib/vector-stores.sh
. "$lib_folder/vector-stores.sh"

# The kinds that are copied while nobody has them open; the others are copied while they are used.
still_kinds='^(chroma|faiss|annoy|hnswlib):'
stopped=no
copied=()

backup_stores() {
  local store still=() title
  setting BACKUP_STOP ''
  setting BACKUP_START ''
  store_settings
  setting_list VECTOR_STORES ''
  local known=("${list[@]}")
  setting_list BACKUP_STORES ''
  if [ "${#list[@]}" -eq 0 ]; then
    [ "${#known[@]}" -eq 0 ] || left_out_parts+=('vector stores (BACKUP_STORES names none)')
    return 0
  fi
  [ "$dry_run" = yes ] || mkdir "$work/stores" "$work/.stores"
  for store in "${list[@]}"; do
    # PostgreSQL's dumps are in databases/.
    if [[ $store =~ $still_kinds ]]; then
      still+=("$store")
    elif [[ $store != postgres:* ]]; then
      copy_store "$store"
    fi
  done
  if [ "${#still[@]}" -gt 0 ]; then
    stop_service
    for store in "${still[@]}"; do copy_store "$store"; done
    start_service
  fi
  [ "$dry_run" = no ] || return 0
  for title in "${copied[@]}"; do
    keep stores "$title" .tar.gz -- tar -C "$work/.stores" -cf - -- "$title"
    rm -rf "${work:?}/.stores/$title"
  done
  rm -rf "$work/.stores"
}

stop_service() {
  [ -n "$BACKUP_STOP" ] || return 0
  stopped=yes
  # stdout is the backup's name.
  run_hook BACKUP_STOP >&2
}

start_service() {
  [ "$stopped" = yes ] || return 0
  stopped=no
  run_hook BACKUP_START >&2
}

# copy_store STORE: a copy of it in $work/.stores; its name there goes to the array copied.
copy_store() {
  local store=$1 kind=sqlite place wishes title said to
  [[ $store =~ $store_kinds ]] || store=sqlite:$store
  [[ ${store#*:} == /* || ${store#*:} == http* ]] || store=${store%%:*}:$STACK_HOME/${store#*:}
  place_of "$store"
  title=${place#*://}
  title=$kind-${title##*/}
  title=${title//[^A-Za-z0-9._-]/_}
  if [ "$dry_run" = yes ]; then
    echo "would copy: $kind:$place"
    return 0
  fi
  to=$work/.stores/$title
  if [ -e "$to" ]; then
    complain "not backed up: a second store named $title"
  elif [ "$kind" = sqlite ] && said=$("$scripts_folder/backup-sqlite.sh" --dir "$to" "$place" 2>&1); then
    copied+=("$title")
  elif [ "$kind" != sqlite ] && said=$(store_tool copy "$kind:$place$wishes" --to "$to" 2>&1); then
    copied+=("$title")
  else
    complain "could not back up the store $kind:$place: ${said##*$'\n'}"
    rm -rf "$to"
  fi
}
