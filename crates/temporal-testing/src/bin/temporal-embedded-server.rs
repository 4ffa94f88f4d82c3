//! The embedded Temporal server as a program.

fn main() {}
