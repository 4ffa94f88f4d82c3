use temporal_sdk::nexus_service;

#[nexus_service]
trait TwoInputs {
    fn charge(order: u64, customer: String) -> String;
}

#[nexus_service]
trait WithSelf {
    fn charge(&self, order: u64) -> String;
}

#[nexus_service]
trait WithCode {
    fn charge(order: u64) -> String {
        order.to_string()
    }
}

#[nexus_service]
trait Empty {}

#[nexus_service(title = "payments")]
trait UnknownOption {
    fn charge(order: u64) -> String;
}

#[nexus_service]
trait Twice {
    fn charge(order: u64) -> String;
    #[operation(name = "charge")]
    fn charge_again(order: u64) -> String;
}

#[nexus_service]
struct NoTrait;

fn main() {}
