//! One call to the server.

use temporal_protos::prost::Message;

/// A request message; it says which RPC it belongs to.
///
/// Implemented for every request of the workflow and operator services and for the health check, so any RPC can be
/// called as [`client.call(request)`](crate::Client::call), with the client's metadata, time limit and retries.
pub trait Rpc: Message + Default + Clone + 'static {
    /// What the server answers.
    type Response: Message + Default + 'static;
    /// The RPC's name.
    const NAME: &'static str;
    /// The RPC's path: `/package.Service/Name`.
    const PATH: &'static str;

    /// What the call is about, for routing in front of the server: the header `temporal-resource-id`.
    fn resource_id(&self) -> Option<String> {
        None
    }
}
