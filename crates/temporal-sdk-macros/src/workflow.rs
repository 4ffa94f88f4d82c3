//! `#[workflow]`.
