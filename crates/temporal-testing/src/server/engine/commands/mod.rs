//! The commands of a workflow task: first all are checked, then all are carried out.

mod carry_out;
mod check;

pub(super) use self::carry_out::Outcome;
pub(super) use self::check::{Refusal, cause_name, check, pascal};
