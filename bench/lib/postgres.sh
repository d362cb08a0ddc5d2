# shellcheck shell=bash
# A throw-away Postgres cluster. `database` is the one that peers make their tables in, `fresh` the newest of Orderlight's.

database=
fresh=
databases_made=0
postgres_bin=
postgres_version=
durability=

find_postgres() {
  local found
  found=$(find /usr/lib/postgresql/*/bin -maxdepth 1 -name initdb 2>/dev/null | sort -V | tail -1)
  [[ -n $found ]] || found=$(readlink -f "$(command -v initdb || true)" 2>/dev/null || true)
  [[ -n $found ]] && dirname "$found"
}

# Postgres refuses to run as root.
as_postgres() {
  if ((EUID == 0)); then exec setpriv --reuid=postgres --regid=postgres --init-groups "$@"; else exec "$@"; fi
}

start_postgres() {
  if ! find_postgres >/dev/null; then
    say "installing postgresql"
    apt-get install -y -q postgresql >/dev/null
  fi
  postgres_bin=$(find_postgres) || fail "there is no Postgres"
  mkdir "$work/postgres"
  ((EUID != 0)) || chown postgres "$work/postgres"
  (as_postgres "$postgres_bin/initdb" -D "$work/postgres/data" -U postgres -A trust -E UTF8 --no-instructions) \
    >"$work/initdb.log" 2>&1 || fail "initdb failed: $(tail -3 "$work/initdb.log")"
  local port
  port=$(free_port)
  (as_postgres "$postgres_bin/postgres" -D "$work/postgres/data" -h 127.0.0.1 -p "$port" -k "$work/postgres") \
    >"$work/postgres.log" 2>&1 &
  started+=($!)
  database=postgres://postgres@127.0.0.1:$port/postgres
  for ((i = 0; i < start_limit_s * 10; i++)); do
    sql 'select 1' >/dev/null 2>&1 && break
    sleep 0.1
  done
  postgres_version=$(sql 'show server_version')
  durability=$(sql "select string_agg(name || '=' || setting, ', ' order by name) from pg_settings
    where name in ('fsync', 'synchronous_commit', 'full_page_writes')")
}

sql() { "$postgres_bin/psql" -qtA "$database" -c "$1"; }

# A new database for one run, its address in `fresh`. What the last run left to be written is written first, so that nobody
# pays for somebody else.
make_database() {
  databases_made=$((databases_made + 1))
  sql "create database measured_$databases_made" >/dev/null
  sql checkpoint >/dev/null
  fresh=${database%/*}/measured_$databases_made
}

drop_database() { sql "drop database ${fresh##*/} with (force)" >/dev/null; }

# The stores that this build of Orderlight has.
stores() {
  echo sqlite
  ! "$orderlight" serve --help | grep -q -- --database-url || echo postgres
}
