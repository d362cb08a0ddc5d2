# The same verbs as in .ci/run.

# Everything that must hold
default: ci

# Format, lints and all tests
ci:
    .ci/run

# Format the code
fmt:
    cargo fmt --all

# Lints, as strict as in ci
lint:
    cargo clippy --workspace --all-targets --locked -- -D warnings

# All tests
test:
    .ci/with-postgres cargo nextest run --workspace --locked

# The proofs of docs/SAFETY.md under faults, with so many rounds in place of three
faults rounds='30':
    ORDERLIGHT_FAULT_ROUNDS={{rounds}} .ci/with-postgres cargo nextest run -p api -p eventlog --locked -E 'test(/faults|crash|unsynced/)'

# Run the service on the embedded store in ./data
serve *arguments:
    cargo run --release --bin orderlight -- serve {{arguments}}

# Measure side by side with the peer, into bench/RESULTS.md
bench:
    bench/run
