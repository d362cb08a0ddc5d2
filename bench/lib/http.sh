# shellcheck shell=bash
# Single orders over HTTP: closed loops with many clients and with one, and fixed rates.

measure_http() {
  local store closed=(--seconds "$closed_s" --orders-max "$closed_orders")
  for ((round = 1; round <= rounds; round++)); do
    say "round $round of $rounds"
    start_peer
    figure "$work/http/peer.many" "$load" closed --form peer --address "$address" --connections "$clients" "${closed[@]}"
    stop "$server"
    start_peer
    figure "$work/http/peer.one" "$load" closed --form peer --address "$address" --connections 1 "${closed[@]}"
    stop "$server"
    for store in $(stores); do
      over_http "$store" many closed --connections "$clients" "${closed[@]}" --watch-lag
      over_http "$store" one closed --connections 1 "${closed[@]}"
      for rate in $rates; do
        over_http "$store" "$rate" rate --connections "$clients" --seconds "$rate_s" --per-second "$rate"
      done
    done
  done
}

over_http() { # over_http STORE NAME ARGUMENTS OF load...
  local store=$1 name=$2
  shift 2
  [[ $store != postgres ]] || make_database
  start_orderlight "$store" "$work/served"
  figure "$work/http/$store.$name" "$load" "$1" --address "$address" "${@:2}"
  stop "$server"
  rm -rf "$work/served"
  [[ $store != postgres ]] || drop_database
}

report_http() {
  local store
  cat <<END

## Single orders over HTTP

$clients connections, closed loop of $closed_s s.

$(latency_head)
$(latency_row "peer (axum, postgres-es, one view)" http/peer.many)
$(for store in $(stores); do latency_row "Orderlight, $store" "http/$store.many"; done)

One connection.

$(latency_head)
$(latency_row "peer" http/peer.one)
$(for store in $(stores); do latency_row "Orderlight, $store" "http/$store.one"; done)

At fixed rates for $rate_s s, from the moment an order is due to its durable answer.

| | due/s | p50 ms | p99 ms | p99.9 ms | longest ms | p99 of each round |
|---|---|---|---|---|---|---|
$(for store in $(stores); do for rate in $rates; do rate_row "$store" "$rate"; done; done)

$(for store in $(stores); do http_aims "$store"; done)
END
}

rate_row() { # rate_row STORE RATE
  local file=http/$1.$2
  echo "| Orderlight, $1 | $2 | $(median_ms "$file" p50_us) | $(median_ms "$file" p99_us) | $(median_ms "$file" p999_us) | $(median_ms "$file" max_us) | $(rounds_of "$file" p99_us | while read -r us; do thousandth "$us"; echo; done | joined) |"
}

http_aims() { # http_aims STORE
  local ratio least=6
  [[ $1 == sqlite ]] || least=4
  ratio=$(quotient "$(median_of "http/$1.many" orders_per_second)" "$(median_of http/peer.many orders_per_second)")
  echo "**On $1 Orderlight answers $ratio times the peer's orders.** Its read models are at most $(thousandth "$(rounds_of "http/$1.many" lag_max_ms | worst)") s behind meanwhile ($(rounds_of "http/$1.many" lag_max_events | worst) events)."
  echo
  aim "HTTP, $clients connections, $1: times the peer" "$ratio" at-least "$least"
  aim "HTTP, one client, $1: p50 as a share of the peer's" \
    "$(quotient "$(median_of "http/$1.one" p50_us)" "$(median_of http/peer.one p50_us)")" at-most 0.33
  if [[ " $rates " == *" 2000 "* ]]; then
    aim "2,000 orders/s, $1: p50" "$(median_ms "http/$1.2000" p50_us)" under 3 ms
    aim "2,000 orders/s, $1: p99" "$(median_ms "http/$1.2000" p99_us)" under 10 ms
    aim "2,000 orders/s, $1: p99.9" "$(median_ms "http/$1.2000" p999_us)" under 30 ms
  fi
}
