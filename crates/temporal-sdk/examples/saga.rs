//! A saga: a booking of several steps, each of which is undone when a later one fails or the workflow is cancelled.
//!
//! `cargo run -p temporal-sdk --example saga` runs it on the embedded server, or on the one at `TEMPORAL_ADDRESS`.
#![allow(clippy::print_stdout, reason = "an example shows its result")]

use serde::{Deserialize, Serialize};
use std::time::Duration;
use temporal_sdk::client::WorkflowOptions;
use temporal_sdk::client::failure::ApplicationError;
use temporal_sdk::workflow::{ActivityHandle, ActivityOptions};
use temporal_sdk::{Worker, activities, activity, workflow};
use temporal_testing::WorkflowEnvironment;

#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Trip {
    id: String,
    car: String,
    hotel: String,
    flight: String,
}

/// What the booking systems offer. A real one would hold an HTTP client.
struct Bookings {
    sold_out: &'static str,
}

// Every step takes the trip's id as its idempotency key: an activity may run more than once.
#[activities]
impl Bookings {
    #[activity]
    async fn book(&self, trip_id: String, what: String) -> activity::Result<String> {
        if what == self.sold_out {
            let error = ApplicationError::new(format!("{what} is sold out"));
            return Err(error.kind("SoldOut").non_retryable().into());
        }
        Ok(format!("{trip_id}/{what}"))
    }

    #[activity]
    async fn cancel_booking(&self, booking: String) -> activity::Result<String> {
        Ok(format!("cancelled {booking}"))
    }
}

/// What came of a trip.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub(crate) enum Outcome {
    Booked(Vec<String>),
    Undone {
        because: String,
        compensations: Vec<String>,
    },
}

#[workflow]
pub(crate) async fn book_trip(ctx: &workflow::Context, trip: Trip) -> workflow::Result<Outcome> {
    let mut booked = Vec::new();
    match book_all(ctx, &trip, &mut booked).await {
        Ok(()) => Ok(Outcome::Booked(booked)),
        Err(error) => {
            // Undone in reverse order, and shielded, so that it also happens when the workflow is cancelled.
            let ctx = ctx.shielded();
            let mut compensations = Vec::new();
            for booking in booked.into_iter().rev() {
                compensations.push(
                    ctx.execute_activity(Bookings::cancel_booking, booking, options())
                        .await?,
                );
            }
            let because = match error.as_failure() {
                Some(failure) => failure.root_cause().message().to_owned(),
                None => error.to_string(),
            };
            Ok(Outcome::Undone { because, compensations })
        }
    }
}

/// Books one thing after the other, and remembers what was booked.
async fn book_all(ctx: &workflow::Context, trip: &Trip, booked: &mut Vec<String>) -> workflow::Result<()> {
    for what in [&trip.car, &trip.hotel, &trip.flight] {
        let booking: ActivityHandle<String> =
            ctx.start_activity(Bookings::book, (trip.id.as_str(), what.as_str()), options());
        booked.push(booking.await?);
    }
    Ok(())
}

fn options() -> ActivityOptions {
    ActivityOptions::start_to_close_timeout(Duration::from_secs(10))
}

pub(crate) async fn example(env: &WorkflowEnvironment) -> anyhow::Result<[Outcome; 2]> {
    // Others may run the example on the same server.
    let task_queue = format!("saga-{}", std::process::id());
    let worker = Worker::builder(env.client(), &task_queue)
        .workflow::<book_trip>()
        .activities(Bookings { sold_out: "KL 1234" })
        .build()?;
    worker
        .run_until(async {
            let book = |flight: &str| {
                let id = format!("trip-{}-{}", flight.replace(' ', ""), std::process::id());
                let trip = Trip {
                    id: "trip-7".into(),
                    car: "a small car".into(),
                    hotel: "Hotel Rex".into(),
                    flight: flight.into(),
                };
                env.client()
                    .execute_workflow(book_trip, trip, WorkflowOptions::new(id, &task_queue))
            };
            Ok([book("AF 99").await?, book("KL 1234").await?])
        })
        .await?
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    for outcome in example(&WorkflowEnvironment::from_env().await?).await? {
        println!("{outcome:?}");
    }
    Ok(())
}
