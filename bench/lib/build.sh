# shellcheck shell=bash
# The programs that are measured and those that measure.

umadb= # UmaDB's server, or why there is none

build() {
  if [[ ${BUILD:-yes} != no ]]; then
    say "building"
    (cd "$root" && cargo build --release --locked --bin orderlight && cargo build --release --locked -p engine -p projections --examples)
    (
      cd "$here" || exit
      cargo build --release --locked -p load -p inside
      cargo build --release --locked -p rivals --features postgres --bin mire-postgres --bin umadb
      # mire is compiled for one store or the other.
      cargo build --release --locked -p rivals --features embedded --bin mire-sqlite
      cargo build --release --locked --manifest-path peer/Cargo.toml --target-dir target
    )
  fi
}

# UmaDB's server comes in its Python package; sets `umadb` to the program, or to nothing where it cannot be had.
find_umadb() {
  umadb=
  command -v python3 >/dev/null || { echo "there is no Python" | tee "$work/umadb.log" >&2; return; }
  if python3 -m venv "$work/python" >"$work/umadb.log" 2>&1 &&
    "$work/python/bin/pip" install -q --disable-pip-version-check "umadb==0.7.8" >>"$work/umadb.log" 2>&1; then
    umadb=$work/python/bin/umadb
  else
    say "  no UmaDB: $(tail -1 "$work/umadb.log")"
  fi
}
