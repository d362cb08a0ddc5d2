# shellcheck shell=bash
# Orderlight's engine called in its own process, against the peer's framework called in its own.

# The stores that `inside` was built with.
inside_stores() {
  echo sqlite
  [[ $("$inside" engine --help) != *--database-url* ]] || echo postgres
}

measure_inside() {
  local store many closed=(--seconds "$closed_s" --orders-max "$closed_orders")
  for ((round = 1; round <= rounds; round++)); do
    say "round $round of $rounds"
    for many in $clients 1; do
      figure "$work/inside/peer.$many" "$peer" --database-url "$database" cqrs --clients "$many" "${closed[@]}"
      for store in $(inside_stores); do
        in_engine "$store" "$work/inside/$store.$many" --clients "$many" "${closed[@]}"
      done
    done
  done
}

in_engine() { # in_engine STORE FILE ARGUMENTS...: on a store of its own
  local where=(--store "$1")
  if [[ $1 == postgres ]]; then
    make_database
    where+=(--database-url "$fresh")
  fi
  figure "$2" "$inside" engine "${where[@]}" "${@:3}"
  [[ $1 != postgres ]] || drop_database
}

report_inside() {
  local store many
  cat <<END

## In process, closed loop of $closed_s s

Each side's framework is called directly. Orderlight's read models follow.

$(latency_head)
$(for many in $clients 1; do
  latency_row "peer (postgres-es, one view), $(clients_told "$many")" "inside/peer.$many"
  for store in $(inside_stores); do latency_row "Orderlight, $store, $(clients_told "$many")" "inside/$store.$many"; done
done)

$(for store in $(inside_stores); do inside_aims "$store"; done)
END
}

inside_aims() { # inside_aims STORE
  local ours ratio
  ours=$(median_of "inside/$1.$clients" orders_per_second)
  ratio=$(quotient "$ours" "$(median_of "inside/peer.$clients" orders_per_second)")
  echo "**On $1 Orderlight takes $ratio times the peer's orders in process.** Its read models are level $(thousandth "$(rounds_of "inside/$1.$clients" level_ms | worst)") s after the last answer at most, and never more than $(thousandth "$(rounds_of "inside/$1.$clients" lag_max_ms | worst)") s behind."
  echo
  if [[ $1 == postgres ]]; then
    aim "in process, $clients clients, postgres: times the peer" "$ratio" at-least 5
  else
    aim "in process, $clients clients, sqlite, read models following" "$ours" at-least 10000 orders/s
  fi
  aim "in process, $clients clients, $1: read models behind at most" \
    "$(thousandth "$(rounds_of "inside/$1.$clients" lag_max_ms | worst)")" under 1 s
}
