# shellcheck shell=bash
# Processes: each that was started is ended, by its id, and what was written is removed.

started=()       # ids of processes that run
work=            # everything that is written, removed at the end
server=          # the process that was started last
address=         # where it listens

say() { printf '%s\n' "$*" >&2; }
fail() { say "bench: $*"; exit 1; }

stop() { # stop ID [SIGNAL]
  local id=$1 left=()
  kill "-${2:-TERM}" "$id" 2>/dev/null || true
  wait "$id" 2>/dev/null || true
  for other in "${started[@]}"; do [[ $other == "$id" ]] || left+=("$other"); done
  started=("${left[@]}")
}

clean_up() {
  local status=$?
  trap - EXIT
  # The last to be started goes first, so that the database outlives its user.
  for ((i = ${#started[@]} - 1; i >= 0; i--)); do
    # What a shell starts beside itself ignores the first until it says otherwise; Postgres waits for its clients with the second alone.
    kill -INT "${started[i]}" 2>/dev/null || true
    kill -TERM "${started[i]}" 2>/dev/null || true
    wait "${started[i]}" 2>/dev/null || true
  done
  [[ -z $work ]] || rm -rf "$work"
  exit "$status"
}
trap clean_up EXIT
trap 'exit 130' INT TERM

free_port() {
  local port
  for _ in {1..100}; do
    port=$((20000 + RANDOM % 10000))
    (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null || { echo "$port"; return; }
  done
  fail "no free port"
}

# Waits for "… listens on http://ADDRESS" in a log, and sets `address`.
await_address() { # await_address ID LOG
  for ((i = 0; i < start_limit_s * 10; i++)); do
    address=$(sed -nE 's#.* listens on http://([0-9.:]+)$#\1#p' "$2")
    [[ -z $address ]] || return 0
    kill -0 "$1" 2>/dev/null || break
    sleep 0.1
  done
  fail "did not start: $(tail -3 "$2")"
}

start_peer() {
  : >"$work/peer.log" # or the address of the last one would be found in it
  "$peer" --database-url "$database" http --listen 127.0.0.1:0 >"$work/peer.log" 2>&1 &
  server=$!
  started+=("$server")
  await_address "$server" "$work/peer.log"
}

start_orderlight() { # start_orderlight STORE DATA: a store is `sqlite` or `postgres`, which gets a new database
  local where=(--data "$2")
  [[ $1 != postgres ]] || where+=(--database-url "$fresh")
  : >"$work/orderlight.log"
  ORDERLIGHT_BOOTSTRAP_TOKEN=$token ORDERLIGHT_LOG=warn \
    "$orderlight" serve "${where[@]}" --listen 127.0.0.1:0 >"$work/orderlight.log" 2>&1 &
  server=$!
  started+=("$server")
  await_address "$server" "$work/orderlight.log"
}

# Runs a program that prints figures, shows what it says, and keeps it as a line of a file. A run with errors is no figure.
figure() { # figure FILE COMMAND...
  local file=$1 said status=0
  shift
  said=$(LOAD_TOKEN=$token timeout 900 "$@" 2>"$work/figure.log") || status=$?
  said=${said//$'\n'/ }
  say "  ${file##*/}: $said"
  ((status == 0)) || fail "no figure: $* $(tail -3 "$work/figure.log")"
  echo "$said" >>"$file"
}
