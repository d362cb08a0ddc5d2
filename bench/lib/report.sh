# shellcheck shell=bash
# What came of it all, as one page.

machine() {
  local model memory
  model=$(sed -nE 's/^model name\s*: //p' /proc/cpuinfo | head -1)
  memory=$(awk '/^MemTotal/ {printf "%.0f GiB", $2 / 1048576}' /proc/meminfo)
  echo "$(nproc) × ${model:-$(uname -m)}, $memory, $(uname -sr), $(df --output=fstype "$work" | tail -1) with $synced_per_second synced 4 KiB writes/s"
}

# Name and version of a library, from a lock file.
locked() { # locked NAME FILE
  awk -v name="\"$1\"" '$1 == "name" && $3 == name {found = 1} found && $1 == "version" {gsub("\"", "", $3); print "'"$1"' " $3; exit}' "$here/$2"
}

write_report() {
  : >"$work/aims"
  for section in "${sections[@]}"; do "report_$section" >"$work/$section.md"; done
  { report_head; for section in "${sections[@]}"; do cat "$work/$section.md"; done; } >"$work/results.md"
  if [[ -n ${RESULTS:-} || ${sections[*]} == "${every_section[*]}" ]]; then
    mv "$work/results.md" "$results"
    say "written to $results"
  else
    cat "$work/results.md"
  fi
}

report_head() {
  cat <<END
# Results

Written by \`bench/run\`. Figures move from machine to machine and from hour to hour; the ratios are taken side by side in one run. What
each figure means stands in [README.md](README.md).

| | |
|---|---|
| date | $(date -u +%Y-%m-%d) |
| machine | $(machine) |
| load before the run | $load_before (mean of one minute; anything above 0.5 spoils the figures) |
| versions | $("$orderlight" --version) ($(git -C "$root" rev-parse --short HEAD 2>/dev/null || echo unknown)), $(rustc --version | cut -d' ' -f1-2), Postgres $postgres_version |
| peers | $(locked axum peer/Cargo.lock), $(locked cqrs-es peer/Cargo.lock), $(locked postgres-es peer/Cargo.lock), $(locked sqlite-es peer/Cargo.lock), $(locked sqlx peer/Cargo.lock); $(locked mire Cargo.lock), sqlx 0.9; UmaDB 0.7.8 over $(locked tonic Cargo.lock) |
| Orderlight | default rulebook; SQLite: WAL, \`synchronous=FULL\`; Postgres: its default settings |
| Postgres | its default settings: $durability |
| command | \`ROUNDS=$rounds SECONDS_CLOSED=$closed_s SECONDS_RATE=$rate_s RATES='$rates' BATCHED=$batched GROWN=$grown_orders bench/run ${sections[*]}\` |
| rounds | $rounds, alternating; medians, except for lags, where the worst counts |

## Aims

| what | aim | found | |
|---|---|---|---|
$(cat "$work/aims")
END
}
