//! Writing results to stdout, where a closed pipe is an error to be returned and not a panic.

use std::io::{self, BufWriter, StdoutLock, Write};

/// Writes one line to stdout and flushes it.
///
/// # Errors
/// When stdout is closed.
pub fn line(text: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "{text}")?;
    out.flush()
}

/// stdout for much output, buffered; to be flushed by the caller.
pub fn buffered() -> BufWriter<StdoutLock<'static>> {
    BufWriter::new(io::stdout().lock())
}
