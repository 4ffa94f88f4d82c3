//! What to say of a `RefCell` that was borrowed when other code needed it.

use crate::workflow::run::Run;

/// An explanation to put behind such a panic; empty for another one.
pub(crate) fn hint(run: &Run, message: &str) -> String {
    // In the words of old and new standard libraries.
    if !message.contains("already borrowed") && !message.contains("already mutably borrowed") {
        return String::new();
    }
    let calling = run.handlers.calling.borrow().clone();
    let code = calling.or_else(|| Some(run.executor.current_name()?.to_string()));
    format!(
        ", in {} of workflow \"{}\": other code of the workflow holds a borrow of this `RefCell` across an await, in which handlers run; end the borrow before the await, as in `let value = self.state.borrow().clone();`, or keep the value in a `Cell`",
        code.as_deref().unwrap_or("code"),
        run.info.workflow_type
    )
}
