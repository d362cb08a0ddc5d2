# shellcheck shell=bash
# What the crates measure of themselves: windows, screening, replay, read models.

readonly examples=(windows_rate screening_rate replay_rate projection_rate)

example_program() { echo "$root/target/release/examples/$1"; }

measure_windows() {
  local example
  for example in "${examples[@]}"; do
    [[ -x $(example_program "$example") ]] || fail "no $example in this build"
    for ((round = 1; round <= rounds; round++)); do
      say "round $round of $rounds: $example"
      (cd "$work" && timeout 900 "$(example_program "$example")" >"$work/windows/$example.$round" 2>"$work/example.log") ||
        fail "$example failed: $(tail -3 "$work/example.log")"
      sed 's/^/  /' "$work/windows/$example.$round" >&2
    done
  done
}

# The texts of all rounds as one, each number the median of its place.
median_text() { # median_text EXAMPLE
  awk '
    function median(line, place,   n, i, j, kept, values) {
      for (n = 0; n < files; n++) values[n] = words[n, line, place]
      for (i = 1; i < files; i++) for (j = i; j > 0 && values[j] + 0 < values[j - 1] + 0; j--) {
        kept = values[j]; values[j] = values[j - 1]; values[j - 1] = kept
      }
      return values[int(files / 2)]
    }
    FNR == 1 { files++ }
    { text[files - 1, FNR] = $0; for (i = 1; i <= NF; i++) words[files - 1, FNR, i] = $i; if (files == 1) { lines = FNR; fields[FNR] = NF } }
    END {
      for (line = 1; line <= lines; line++) {
        told = text[0, line]; done = ""
        for (place = 1; place <= fields[line]; place++) {
          word = words[0, line, place]; at = index(told, word)
          done = done substr(told, 1, at - 1) (word ~ /^[0-9.]+$/ ? median(line, place) : word)
          told = substr(told, at + length(word))
        }
        print done told
      }
    }' "$work/windows/$1."*
}

report_windows() {
  local example
  cat <<END

## Windows, screening, replay and read models

What the examples of the crates print, each number the median of $rounds runs.
END
  for example in "${examples[@]}"; do
    [[ -f $work/windows/$example.1 ]] || { echo -e "\n\`$example\` is not in this build."; continue; }
    echo -e "\n\`$example\`\n\n\`\`\`"
    median_text "$example"
    echo '```'
  done
  windows_aims
}

# The number before a unit in an example's text; of several lines that tell one, the least.
told_by() { # told_by EXAMPLE UNIT
  median_text "$1" | sed -nE "s#(^|.*[^0-9.])([0-9.]+) $2.*#\2#p" | sort -n | head -1
}

windows_aims() {
  local found kind
  if [[ -f $work/windows/windows_rate.1 ]]; then
    # The hot key's cost over that of a key with ten entries, the worse of the arrivals, for what the aim names.
    for kind in count sum distinct; do
      found=$(median_text windows_rate | awk -v kind="$kind" '
        $1 == kind { for (j = 1; j <= 3; j++) cost[$2, j] = $(2 + j) }
        END { for (j = 1; j <= 3; j++) if (cost["ten", j] > 0) {
            ratio = cost["hot", j] / cost["ten", j]; if (ratio > worst) worst = ratio }
          if (worst) printf "%.2f", worst }')
      [[ -z $found ]] || aim "$kind: a hot key's cost over that of a key with ten entries, worst arrivals" "$found" at-most 2
    done
    # And of everything that the example measures.
    found=$(median_text windows_rate | awk '
      { for (i = 1; i <= NF; i++) if ($i == "ten" || $i == "hot") { kind = $1; for (j = 2; j < i; j++) kind = kind " " $j
          for (j = 1; j <= 3; j++) cost[kind, $i, j] = $(i + j); kinds[kind] } }
      END { for (kind in kinds) for (j = 1; j <= 3; j++) if (cost[kind, "ten", j] > 0) {
          ratio = cost[kind, "hot", j] / cost[kind, "ten", j]; if (ratio > worst) worst = ratio }
        if (worst) printf "%.2f", worst }')
    [[ -z $found ]] || aim "every kind: a hot key's cost over that of a key with ten entries, worst arrivals" "$found" at-most 2
  fi
  aim_of screening_rate "orders/s" "screening, 30 rules and 20 windowed features, one thread" 150000
  aim_of replay_rate "decisions/s" "replay of decisions" 100000
}

aim_of() { # aim_of EXAMPLE UNIT WHAT LEAST
  local found
  [[ -f $work/windows/$1.1 ]] || return 0
  found=$(told_by "$1" "$2")
  if [[ -n $found ]]; then aim "$3" "$found" at-least "$4" "$2"; else say "  $1 tells no $2"; fi
}
