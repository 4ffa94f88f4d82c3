//! `#[activity]` and `#[activities]`.
