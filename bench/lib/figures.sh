# shellcheck shell=bash
# Lines of `name=value`, one a round, and what is made of them.

# The value of a name in a line.
value() { sed -nE "s/(^|.* )$1=([^ ]*).*/\2/p" <<<"$2" | head -1; }
median() { sort -n | awk '{v[NR]=$1} END {if (NR) print (NR % 2) ? v[(NR+1)/2] : (v[NR/2] + v[NR/2+1]) / 2}'; }
worst() { sort -n | tail -1; }
joined() { paste -sd' ' | sed 's/ / · /g'; }
quotient() { awk -v a="$1" -v b="$2" 'BEGIN {printf "%.2f", a / b}'; }
thousandth() { awk -v whole="$1" 'BEGIN {printf "%.2f", whole / 1000}'; }

# The values of a name over all rounds of a file.
rounds_of() { while read -r line; do value "$2" "$line"; done <"$work/$1"; }
median_of() { rounds_of "$1" "$2" | median; }
median_ms() { thousandth "$(median_of "$1" "$2")"; }

# A row of a table of latencies: what, orders/s, each round, percentiles.
latency_row() { # latency_row LABEL FILE
  echo "| $1 | $(median_of "$2" orders_per_second) | $(rounds_of "$2" orders_per_second | joined) | $(median_ms "$2" p50_us) | $(median_ms "$2" p99_us) | $(median_ms "$2" p999_us) |"
}
latency_head() {
  echo "| | orders/s | each round | p50 ms | p99 ms | p99.9 ms |"
  echo "|---|---|---|---|---|---|"
}

# How many clients, in words.
clients_told() { if (($1 == 1)); then echo "one client"; else echo "$1 clients"; fi; }

# One aim: said where it belongs, and kept for the table at the top.
aim() { # aim WHAT FOUND at-least|at-most|under LIMIT [UNIT]
  local verdict
  verdict=$(awk -v found="$2" -v how="$3" -v limit="$4" 'BEGIN {
    met = how == "at-least" ? found >= limit : how == "at-most" ? found <= limit : found < limit
    print met ? "met" : "**missed**" }')
  echo "| $1 | ${3/-/ } $4${5:+ $5} | $2${5:+ $5} | $verdict |" >>"$work/aims"
}

synced_writes() { # of 4 KiB in a second, one after the other: what a commit costs on this disk
  local seconds
  seconds=$(LC_ALL=C dd if=/dev/zero of="$work/disk" bs=4k count=500 oflag=dsync 2>&1 | sed -nE 's/.* ([0-9.e-]+) s,.*/\1/p')
  rm -f "$work/disk"
  awk -v s="$seconds" 'BEGIN {printf "%.0f", 500 / s}'
}
