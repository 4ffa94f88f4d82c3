//! Requests nobody would send: random fields, random bytes, in random order. Nothing may panic and each call gets an answer.
//!
//! `FUZZ_REQUESTS` sets how many requests a test sends, `FUZZ_SEED` which, `FUZZ_LIFETIME` how many of them one engine takes
//! before a new one takes over.
#![allow(clippy::unwrap_used, reason = "a test ends where its helpers fail")]

mod generator;

use std::collections::HashSet;
use std::time::Duration;

use prost_reflect::prost::Message as _;
use temporal_testing::server::EmbeddedServer;
use temporal_testing::server::engine::{CallId, Engine, EngineConfig, Request, Response, Time, TimeMode};

use self::generator::{Generator, request_type};

fn setting(name: &str, default: u64) -> u64 {
    std::env::var(name)
        .ok()
        .map_or(default, |text| text.parse().expect("a number"))
}

/// An engine with a clock of its own, whose answers feed the generator.
struct Bench {
    engine: Engine,
    now: Time,
    open: HashSet<CallId>,
    next: u64,
}

impl Bench {
    fn new(time: TimeMode, seed: u64) -> Bench {
        let now = Time::from_millis(1_750_000_000_000);
        let config = EngineConfig {
            time,
            seed,
            ..EngineConfig::default()
        };
        Bench {
            engine: Engine::new(config, now),
            now,
            open: HashSet::new(),
            next: 0,
        }
    }

    fn send(&mut self, request: Request, timeout: Option<Duration>) -> CallId {
        let id = CallId(self.next);
        self.next += 1;
        self.open.insert(id);
        self.engine
            .handle(self.now, id, timeout.map(|timeout| self.now + timeout), request);
        id
    }

    /// Moves time on, stopping at each deadline, and takes the answers.
    fn pass(&mut self, time: Duration, mut answered: impl FnMut(&Response)) {
        let end = self.now + time;
        for step in 0.. {
            // Nobody works meanwhile, so that there is an end even while time skips.
            assert!(step < 100_000, "deadlines do not end");
            while let Some((id, answer)) = self.engine.poll_answer() {
                assert!(self.open.remove(&id), "{id:?} is answered twice");
                if let Ok(response) = answer {
                    answered(&response);
                }
            }
            match self.engine.next_deadline() {
                Some(deadline) if deadline <= end => {
                    self.now = self.now.max(deadline);
                    self.engine.handle_timeout(self.now);
                }
                _ => break,
            }
        }
        self.now = end;
    }
}

fn send_random_requests(time: TimeMode, seed: u64, requests: u64) {
    let mut generator = Generator::new(seed);
    let mut bench = Bench::new(time, seed);
    let lifetime = setting("FUZZ_LIFETIME", 5_000);
    let mut sent = 0;
    while sent < requests {
        let name = generator.rpc();
        let Some(descriptor) = request_type(name) else { continue };
        let mut bytes = generator.message(&descriptor, 0).encode_to_vec();
        if generator.one_in(20) {
            generator.spoil(&mut bytes);
        }
        // What does not even decode is refused before the engine.
        let Some(Ok(request)) = Request::decode(name, &bytes) else {
            continue;
        };
        sent += 1;
        let timeout = generator
            .one_in(2)
            .then(|| Duration::from_millis(generator.below(20_000)));
        let id = bench.send(request, timeout);
        if generator.one_in(50) {
            bench.open.remove(&id);
            bench.engine.cancel_call(bench.now, id);
            // An answer that was ready before the caller left may still come: it is for nobody.
            bench.open.insert(id);
        }
        let pause = if generator.one_in(10) {
            generator.below(20_000)
        } else {
            1
        };
        bench.pass(Duration::from_millis(pause), |response| generator.learn(response));
        if generator.one_in(200) {
            // Runs pile up otherwise, and the engine is to be met in its early states too.
            bench.pass(Duration::from_secs(120), |_| {});
        }
        if sent % lifetime == 0 {
            bench = Bench::new(time, seed + sent);
            generator.forget();
        }
    }
}

#[test]
fn random_requests_never_panic_the_engine() {
    send_random_requests(TimeMode::Real, setting("FUZZ_SEED", 1), setting("FUZZ_REQUESTS", 4_000));
}

#[test]
fn random_requests_never_panic_the_engine_while_time_skips() {
    send_random_requests(
        TimeMode::Skipping { initial_locks: 0 },
        setting("FUZZ_SEED", 2),
        setting("FUZZ_REQUESTS", 4_000),
    );
}

#[test]
fn every_call_is_answered_by_its_deadline() {
    let mut generator = Generator::new(setting("FUZZ_SEED", 3));
    let mut bench = Bench::new(TimeMode::Real, 3);
    for _ in 0..setting("FUZZ_REQUESTS", 3_000) {
        let name = generator.rpc();
        let Some(descriptor) = request_type(name) else { continue };
        let bytes = generator.message(&descriptor, 0).encode_to_vec();
        let Some(Ok(request)) = Request::decode(name, &bytes) else {
            continue;
        };
        bench.send(request, Some(Duration::from_secs(10)));
        bench.pass(Duration::from_millis(1), |response| generator.learn(response));
    }
    bench.pass(Duration::from_secs(15), |_| {});
    assert!(bench.open.is_empty(), "{} calls were never answered", bench.open.len());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn random_bytes_on_the_wire_get_a_status() {
    let mut generator = Generator::new(setting("FUZZ_SEED", 4));
    let server = EmbeddedServer::builder().seed(1).start();
    let channel = server.channel();
    let mut calls = tokio::task::JoinSet::new();
    for _ in 0..setting("FUZZ_REQUESTS", 2_000) {
        let (path, bytes) = generator.call();
        let mut grpc = tonic::client::Grpc::new(channel.clone());
        calls.spawn(async move {
            grpc.ready().await.unwrap();
            let mut request = tonic::Request::new(bytes);
            request.set_timeout(Duration::from_millis(200));
            let answer = grpc.unary(request, path.parse().unwrap(), generator::RawCodec).await;
            (path, answer.map(|_| ()))
        });
        if calls.len() > 64 {
            check(calls.join_next().await);
        }
    }
    while let Some(answer) = calls.join_next().await {
        check(Some(answer));
    }
}

fn check(answer: Option<Result<(String, Result<(), tonic::Status>), tokio::task::JoinError>>) {
    let (path, answer) = answer.unwrap().unwrap();
    if let Err(status) = answer {
        let bytes_are_no_message = status.message().contains("decode Protobuf");
        let wrong = [tonic::Code::Internal, tonic::Code::Unknown, tonic::Code::Unavailable];
        assert!(
            bytes_are_no_message || !wrong.contains(&status.code()),
            "{path}: {status}"
        );
    }
}
