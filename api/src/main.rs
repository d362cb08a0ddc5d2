//! The `orderlight` program.

use std::process::ExitCode;

fn main() -> ExitCode {
    orderlight::cli::main()
}
