//! Nexus operations, declared by a service trait.

use crate::nexus_service;
use crate::workflow;
use crate::workflow::tests::server::Server;
use crate::workflow::{Context, NexusOperation, NexusOperationOptions, NexusService};
use temporal_protos::api::command::v1::command::Attributes as Asked;

/// Payments.
#[nexus_service(name = "payments")]
trait Payments {
    /// Charges.
    fn charge(cents: u64) -> String;
    #[operation(name = "refund-all")]
    async fn refund_all() -> anyhow::Result<u32>;
}

#[workflow]
async fn charging(ctx: &Context) -> workflow::Result<String> {
    let options = NexusOperationOptions::new("endpoint");
    Ok(ctx.execute_nexus_operation(Payments::charge, 1700_u64, options).await?)
}

#[test]
fn a_service_trait_names_and_types_its_operations() {
    assert_eq!(Payments::NAME, "payments");
    let refund: NexusOperation<(), u32> = Payments::refund_all;
    assert_eq!((refund.service(), refund.operation()), ("payments", "refund-all"));
    let mut server = Server::start::<charging>(vec![]);
    let first = server.task();
    let Some(Asked::ScheduleNexusOperationCommandAttributes(asked)) = &first.commands[0].attributes else {
        panic!("{:?}", first.commands)
    };
    assert_eq!(
        (asked.endpoint.as_str(), asked.operation.as_str()),
        ("endpoint", "charge")
    );
    assert_eq!(asked.input.as_ref().unwrap().data, "1700");
    server.start_nexus();
    server.task();
    server.evict();
    server.complete_nexus(&"receipt");
    assert_eq!(server.task().summary(), ["complete \"receipt\""]);
}
