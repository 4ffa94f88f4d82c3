//! Where tests run: the embedded server, a real dev server, or any other.

mod activity;
mod dev_server;
mod workflow;

pub use activity::ActivityEnvironment;
pub use dev_server::{DevServer, DevServerError, DevServerOptions};
pub use workflow::{StartError, WorkflowEnvironment};
