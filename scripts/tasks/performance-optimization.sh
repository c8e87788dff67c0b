#!/usr/bin/env bash
# Collects what slows the system down: processes, swap, dead rows, unused indexes. Changes nothing.
# run: monthly 20
# Needs:  ps, free; docker, or psql if DATABASE_SERVICE is local, for the databases
# Reads:  DATABASE_SERVICE, DATABASE_USER
# Writes: nothing
# Exit:   0 done, 1 in part, 2 no server of databases answers, or not done
set -euo pipefail
# shellcheck source=scripts/lib/task.sh
. "$(dirname "${BASH_SOURCE[0]}")/../lib/task.sh"

# shellcheck source=scripts/lib/postgres.sh
. "$scripts_folder/lib/postgres.sh"

usage() {
  cat <<TEXT
Usage: tasks/performance-optimization.sh [OPTION...]

Collects: memory and disk, the biggest processes, the containers' figures, and of every database the tables with
many dead rows and the big indexes never used, each with the command that would mend it. Runs none of them:
what to give up for speed is a person's decision. Interactive tools (htop, iotop) are never started.

$task_help
TEXT
}

of_database() {
  pg psql -X -A -t -d "$1" -c "
    SELECT format('  %s dead rows in %s.%s: VACUUM ANALYZE %I.%I;', n_dead_tup, schemaname, relname, schemaname, relname)
    FROM pg_stat_user_tables WHERE n_dead_tup > 1000 AND n_dead_tup > n_live_tup / 5
    UNION ALL
    SELECT format('  index never used, %s: DROP INDEX %I.%I;', pg_size_pretty(pg_relation_size(indexrelid)), schemaname, indexrelname)
    FROM pg_stat_user_indexes JOIN pg_index USING (indexrelid)
    WHERE idx_scan = 0 AND NOT indisunique AND pg_relation_size(indexrelid) > 1048576" </dev/null
}

main() {
  task_begin "$@"
  no_words
  look free -h
  look df -h "$STACK_HOME"
  echo 'biggest processes:'
  ps -eo rss=,comm= --sort=-rss | awk 'NR <= 5 { printf "  %6d MiB %s\n", $1 / 1024, $2 }'
  setting DATABASE_SERVICE supabase-db
  find_engine
  if [ "$engine" = up ]; then look docker stats --no-stream; fi
  if [ "$engine" = absent ] && [ "$DATABASE_SERVICE" != local ]; then
    echo "databases: $engine_trouble"
    task_end
  fi
  need_postgres
  local database
  for database in "${databases[@]}"; do
    echo "database $database:"
    of_database "$database"
  done
  task_end
}

main "$@"
