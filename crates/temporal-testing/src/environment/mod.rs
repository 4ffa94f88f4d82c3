//! Where tests run: the embedded server, a real dev server, or any other.

mod dev_server;

pub use dev_server::{DevServer, DevServerError, DevServerOptions};
