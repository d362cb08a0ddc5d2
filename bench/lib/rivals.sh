# shellcheck shell=bash
# Other event stores in Rust: a new stream with three events, atomically, version-checked; no view, no scoring.

rival_names=("cqrs-es + postgres-es" "mire, Postgres" "cqrs-es + sqlite-es, synchronous=FULL" "mire, SQLite, synchronous=FULL" "UmaDB")
rival_files=(bare-postgres mire-postgres bare-sqlite mire-sqlite umadb)

measure_rivals() {
  local many
  find_umadb
  for ((round = 1; round <= rounds; round++)); do
    say "round $round of $rounds"
    for many in $clients 1; do
      local loop=(--clients "$many" --seconds "$closed_s" --orders-max "$closed_orders")
      figure "$work/rivals/bare-postgres.$many" "$peer" --database-url "$database" bare-postgres "${loop[@]}"
      figure "$work/rivals/mire-postgres.$many" "$built/mire-postgres" --database-url "$database" "${loop[@]}"
      figure "$work/rivals/bare-sqlite.$many" "$peer" bare-sqlite "${loop[@]}"
      figure "$work/rivals/mire-sqlite.$many" "$built/mire-sqlite" "${loop[@]}"
      [[ -z $umadb ]] || rival_umadb "$work/rivals/umadb.$many" "${loop[@]}"
    done
  done
}

rival_umadb() { # rival_umadb FILE ARGUMENTS...
  local port id
  port=$(free_port)
  mkdir "$work/umadb"
  "$umadb" --listen "127.0.0.1:$port" --db-path "$work/umadb" >"$work/umadb.log" 2>&1 &
  id=$!
  started+=("$id")
  for ((i = 0; i < start_limit_s * 10; i++)); do
    (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null && break
    kill -0 "$id" 2>/dev/null || fail "UmaDB did not start: $(tail -3 "$work/umadb.log")"
    sleep 0.1
  done
  figure "$1" "$built/umadb" --address "http://127.0.0.1:$port" "${@:2}"
  stop "$id" INT
  rm -rf "$work/umadb"
}

report_rivals() {
  cat <<END

## Other event stores, $clients clients and one, closed loop of $closed_s s

Each order is a new stream with three events of about 345, 227 and 63 bytes, stored atomically and only if the stream is new; no view, no
screening, no delivery key, no sealed data. The client's work counts.

$(latency_head)
$(for many in $clients 1; do for ((i = 0; i < ${#rival_files[@]}; i++)); do
  [[ ! -f $work/rivals/${rival_files[i]}.$many ]] || latency_row "${rival_names[i]}, $(clients_told "$many")" "rivals/${rival_files[i]}.$many"
done; done)
END
  [[ -f $work/rivals/umadb.$clients ]] || echo -e "\nUmaDB's server could not be installed on this machine: $(tail -1 "$work/umadb.log")"
}
