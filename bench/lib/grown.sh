# shellcheck shell=bash
# A store that holds a million orders: filling it, starting on it, replaying it, rebuilding from it, and whether the next
# orders cost what the first ones do.

# Order number 0 was placed so long ago that there is room for the orders of all rounds after those of the file.
readonly grown_days=$(((grown_orders + rounds * closed_orders) / 86400 + 1))

measure_grown() {
  local store zero_at
  zero_at=$(($(date +%s) - grown_days * 86400))
  "$load" generate "$work/orders.ndjson" --orders "$grown_orders" --zero-at "$zero_at"
  if [[ -n ${ORDERLIGHT_DATA:-} && -f $ORDERLIGHT_DATA/purchases.ndjson.gz ]]; then
    say "import of purchases.ndjson.gz"
    "$orderlight" import "$ORDERLIGHT_DATA/purchases.ndjson.gz" --data "$work/import" >"$work/grown/purchases" 2>"$work/import.log" ||
      fail "the import failed: $(tail -3 "$work/import.log")"
    rm -rf "$work/import"
  fi
  for store in $(stores); do grown_store "$store" "$zero_at"; done
  rm -f "$work/orders.ndjson"
}

grown_store() { # grown_store STORE ZERO_AT
  local where=(--data "$work/grown-$1")
  if [[ $1 == postgres ]]; then
    make_database
    where+=(--database-url "$fresh")
  fi
  say "$1: import of $grown_orders orders"
  timeout 1500 "$orderlight" import "$work/orders.ndjson" "${where[@]}" >"$work/grown/$1.import" 2>"$work/import.log" ||
    fail "the import failed: $(tail -3 "$work/import.log")"
  sed 's/^/  /' "$work/grown/$1.import" >&2
  for ((round = 1; round <= rounds; round++)); do
    say "$1, round $round of $rounds"
    restart "$work/grown/$1.restart" "${where[@]}"
    timed "$work/grown/$1.replay" "$orderlight" replay "${where[@]}"
    timed "$work/grown/$1.rebuild" "$orderlight" projections rebuild order_status "${where[@]}"
  done
  for ((round = 1; round <= rounds; round++)); do
    say "$1, round $round of $rounds: the next orders and the first"
    [[ $(inside_stores) == *"$1"* ]] || continue
    local row=(--zero-at "$2" --orders-max "$closed_orders" --seconds "$closed_s")
    figure "$work/grown/$1.after" "$inside" engine --store "$1" "${where[@]}" "${row[@]}" \
      --first $((grown_orders + (round - 1) * closed_orders))
    local kept=$fresh
    in_engine "$1" "$work/grown/$1.first" "${row[@]}" --first 0
    fresh=$kept
  done
  rm -rf "$work/grown-$1"
  [[ $1 != postgres ]] || drop_database
}

# From the start of the process until it says that it is ready, in milliseconds.
restart() { # restart FILE ARGUMENTS...
  local port id begun now answer=
  port=$(free_port)
  begun=${EPOCHREALTIME/./}
  ORDERLIGHT_BOOTSTRAP_TOKEN=$token ORDERLIGHT_LOG=warn \
    "$orderlight" serve "${@:2}" --listen "127.0.0.1:$port" >"$work/restart.log" 2>&1 &
  id=$!
  started+=("$id")
  for ((i = 0; i < start_limit_s * 100; i++)); do
    answer=$(ready "$port")
    now=${EPOCHREALTIME/./}
    [[ $answer != *" 200 "* ]] || break
    kill -0 "$id" 2>/dev/null || fail "did not start: $(tail -3 "$work/restart.log")"
    sleep 0.01
  done
  [[ $answer == *" 200 "* ]] || fail "was not ready in time"
  stop "$id"
  say "  ready_ms=$(((now - begun) / 1000))"
  echo "ready_ms=$(((now - begun) / 1000))" >>"$1"
}

# The first line of the answer to GET /readyz; nothing while nobody listens.
ready() { # ready PORT
  # In a shell of its own, which a connection that is refused ends.
  (
    exec 3<>"/dev/tcp/127.0.0.1/$1"
    printf 'GET /readyz HTTP/1.1\r\nHost: bench\r\nConnection: close\r\n\r\n' >&3
    read -r -t 2 line <&3
    echo "$line"
  ) 2>/dev/null || true
}

# Runs a program and keeps how long it took, with what it says of events and decisions.
timed() { # timed FILE COMMAND...
  local begun ended said events decisions
  begun=${EPOCHREALTIME/./}
  said=$(timeout 900 "${@:2}" 2>"$work/timed.log") || fail "failed: ${*:2}: $said $(tail -3 "$work/timed.log")"
  ended=${EPOCHREALTIME/./}
  events=$(sed -nE 's/.*: ([0-9]+) events.*/\1/p' <<<"$said" | awk '{sum += $1} END {print sum + 0}')
  decisions=$(sed -nE 's/.* ([0-9]+) decisions.*/\1/p' <<<"$said" | awk '{sum += $1} END {print sum + 0}')
  said="ms=$(((ended - begun) / 1000)) events=$events decisions=$decisions"
  say "  ${1##*/}: $said"
  echo "$said" >>"$1"
}

report_grown() {
  local store
  cat <<END

## With $grown_orders orders in the log

| | import orders/s | read models behind the import s | ready after a restart s | replay decisions/s | rebuild of \`order_status\` events/s |
|---|---|---|---|---|---|
$(for store in $(stores); do grown_row "$store"; done)

Replay and rebuild with the start of their process and the reading of the whole log. Each round: ready after
$(for store in $(stores); do echo "$(rounds_of "grown/$store.restart" ready_ms | joined) ms ($store)"; done | paste -sd';').

The next orders, put to the engine in process by $clients clients for $closed_s s, and the first ones of an empty store:

$(latency_head)
$(for store in $(continued_stores); do
  latency_row "Orderlight, $store, empty" "grown/$store.first"
  latency_row "Orderlight, $store, $grown_orders orders before" "grown/$store.after"
done)
END
  for store in $(stores); do grown_aims "$store"; done
  for store in $(continued_stores); do
    aim "orders/s with $grown_orders orders in the log over those of an empty one, $store" \
      "$(quotient "$(median_of "grown/$store.after" orders_per_second)" "$(median_of "grown/$store.first" orders_per_second)")" at-least 0.8
  done
  if [[ -f $work/grown/purchases ]]; then
    echo -e "\n### Import of the real purchases\n\n\`\`\`\n$(cat "$work/grown/purchases")\n\`\`\`"
  fi
}

# The stores on which orders were put to the engine after those of the file.
continued_stores() {
  local store
  for store in $(stores); do [[ ! -f $work/grown/$store.after ]] || echo "$store"; done
}

# A count a second, by the `ms` of a file.
per_second() { # per_second FILE COUNT
  awk -v ms="$(median_of "$1" ms)" -v count="$2" 'BEGIN {printf "%.0f", count * 1000 / ms}'
}
replayed() { per_second "grown/$1.replay" "$(median_of "grown/$1.replay" decisions)"; }
# The rebuild says nothing of how many events there are; the replay, which read the same log, does.
rebuilt() { per_second "grown/$1.rebuild" "$(median_of "grown/$1.replay" events)"; }
ready_s() { thousandth "$(median_of "grown/$1.restart" ready_ms)"; }

grown_row() { # grown_row STORE
  local speed lag
  speed=$(sed -nE 's/^speed +([0-9]+) .*/\1/p' "$work/grown/$1.import")
  lag=$(sed -nE 's/^read models ([0-9.]+) s behind.*/\1/p' "$work/grown/$1.import")
  echo "| $1 | $speed | $lag | $(ready_s "$1") | $(replayed "$1") | $(rebuilt "$1") |"
}

grown_aims() { # grown_aims STORE
  local least=100000
  [[ $1 == sqlite ]] || least=60000
  aim "ready after a restart with $grown_orders orders, $1" "$(ready_s "$1")" under 3 s
  aim "replay of a whole log, $1" "$(replayed "$1")" at-least 100000 decisions/s
  aim "rebuild of order_status, $1" "$(rebuilt "$1")" at-least "$least" events/s
}
