# shellcheck shell=bash
# What a store can carry: a bare loop that inserts the rows of the log's writer, and the writer itself with the same batches.

readonly batch_sizes=(64 256) number_orders=(ascending scattered)

measure_limits() {
  local size numbers
  for ((round = 1; round <= rounds; round++)); do
    say "round $round of $rounds"
    for size in "${batch_sizes[@]}"; do
      for numbers in "${number_orders[@]}"; do
        local batches=(--batch "$size" --numbers "$numbers" --orders "$batched")
        figure "$work/limits/sqlite.raw.$size.$numbers" "$inside" raw-sqlite "${batches[@]}"
        figure "$work/limits/sqlite.writer.$size.$numbers" "$inside" writer "${batches[@]}"
        [[ $(inside_stores) != *postgres* ]] || postgres_limits "$size.$numbers" "${batches[@]}"
      done
    done
  done
}

postgres_limits() { # postgres_limits NAME ARGUMENTS...
  local way
  for way in unnest copy; do
    make_database
    figure "$work/limits/postgres.$way.$1" "$inside" raw-postgres --database-url "$fresh" \
      --schema "$root/migrations/postgres/log/0001_log.sql" --way "$way" "${@:2}"
    drop_database
  done
  make_database
  figure "$work/limits/postgres.writer.$1" "$inside" writer --store postgres --database-url "$fresh" "${@:2}"
  drop_database
}

report_limits() {
  cat <<END

## The writer against a bare loop

The same $batched orders in ready batches, each batch one durable commit: an order is a stream, three events (923, 583 and 30 bytes and their
metadata), a delivery key, a vault row and half a subject key, 6.5 rows. The bare loops use the log's own schema.

| | batch | order numbers | writer orders/s | bare loop orders/s | writer rows/s | writer / bare | each round of both |
|---|---|---|---|---|---|---|---|
$(each_limit limit_row)
END
  each_limit limit_aim
}

each_limit() { # each_limit FUNCTION
  local store size numbers
  for store in $(inside_stores); do
    for size in "${batch_sizes[@]}"; do
      for numbers in "${number_orders[@]}"; do "$1" "$store" "$size" "$numbers"; done
    done
  done
}

# The bare loop that counts: of two ways into Postgres, the faster.
bare_file() { # bare_file STORE NAME
  if [[ $1 == sqlite ]]; then
    echo "limits/sqlite.raw.$2"
  else
    local unnest copy
    unnest=$(median_of "limits/postgres.unnest.$2" orders_per_second) copy=$(median_of "limits/postgres.copy.$2" orders_per_second)
    if ((${unnest%.*} >= ${copy%.*})); then echo "limits/postgres.unnest.$2"; else echo "limits/postgres.copy.$2"; fi
  fi
}

limit_ratio() { # limit_ratio STORE NAME
  quotient "$(median_of "limits/$1.writer.$2" orders_per_second)" "$(median_of "$(bare_file "$1" "$2")" orders_per_second)"
}

limit_row() { # limit_row STORE SIZE NUMBERS
  local name=$2.$3 writer bare
  writer=limits/$1.writer.$name bare=$(bare_file "$1" "$name")
  echo "| $1 | $2 | $3 | $(median_of "$writer" orders_per_second) | $(median_of "$bare" orders_per_second)$(bare_way "$bare") | $(median_of "$writer" rows_per_second) | $(limit_ratio "$1" "$name") | $(rounds_of "$writer" orders_per_second | joined) / $(rounds_of "$bare" orders_per_second | joined) |"
}

bare_way() { case $1 in *.unnest.*) echo " (UNNEST)" ;; *.copy.*) echo " (COPY)" ;; esac; }

limit_aim() { aim "writer's rows/s as a share of the bare loop's: $1, batches of $2, $3 numbers" "$(limit_ratio "$1" "$2.$3")" at-least 0.6; }
