# shellcheck shell=bash
# How soon a publication decides orders while 2,000 of them a second flow.

readonly publishing_s=20 publishing_rate=2000

measure_publishing() {
  local store
  for ((round = 1; round <= rounds; round++)); do
    say "round $round of $rounds"
    for store in $(stores); do
      [[ $store != postgres ]] || make_database
      start_orderlight "$store" "$work/served"
      figure "$work/publishing/$store" "$load" publish --address "$address" --connections "$clients" --seconds "$publishing_s" --per-second "$publishing_rate"
      stop "$server"
      rm -rf "$work/served"
      [[ $store != postgres ]] || drop_database
    done
  done
}

report_publishing() {
  local store
  cat <<END

## Publications while orders flow

A rulebook of ten rules with windows that none had before is published every second for $publishing_s s, while $publishing_rate orders a second are due. From
sending the publication to the answer of the first order that it decided, and to its own answer.

| | publications a round | p50 ms | longest ms | its own answer, p50 ms | orders, p99 ms |
|---|---|---|---|---|---|
$(for store in $(stores); do publishing_row "$store"; done)

END
  for store in $(stores); do
    aim "publish to in force at 2,000 orders/s, $store: longest" "$(thousandth "$(rounds_of "publishing/$store" in_force_max_us | worst)")" under 100 ms
  done
}

publishing_row() { # publishing_row STORE
  local file=publishing/$1
  echo "| Orderlight, $1 | $(median_of "$file" publications) | $(median_ms "$file" in_force_p50_us) | $(thousandth "$(rounds_of "$file" in_force_max_us | worst)") | $(median_ms "$file" answered_p50_us) | $(median_ms "$file" p99_us) |"
}
