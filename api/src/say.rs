//! What commands print. Who closes the pipe, as `head` does, wants no more of it: that is no failure, and the command goes on to its
//! own end.

use std::fmt;
use std::io::{self, ErrorKind, Write};
use std::process::exit;

/// Prints a line, like `println!`.
macro_rules! say {
    ($($line:tt)*) => {
        $crate::say::line(format_args!($($line)*))
    };
}

/// Prints a line.
pub(crate) fn line(line: fmt::Arguments<'_>) {
    let printed = writeln!(io::stdout().lock(), "{line}");
    if is_closed(&printed) {
        return;
    }
    if let Err(error) = printed {
        eprintln!("orderlight: cannot print: {error}");
        exit(1);
    }
}

/// Whether nobody reads any more what is printed.
pub(crate) fn is_closed(printed: &io::Result<()>) -> bool {
    printed.as_ref().is_err_and(|error| error.kind() == ErrorKind::BrokenPipe)
}
