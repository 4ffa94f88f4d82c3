//! Reaching every [`Payload`] inside a message, which is how payload codecs are applied.
//!
//! [`VisitPayloads`] is implemented for every message that holds a payload at any depth, the updates that travel inside
//! [`protocol::v1::Message`](crate::api::protocol::v1::Message) included, and, doing nothing, for the other messages
//! that the services take and give. A codec that must wait for something takes the payloads out with [`collect`] and
//! puts what it made of them back with [`replace`]; one that may change how many payloads a list has uses
//! [`collect_groups`] and [`replace_groups`].
//!
//! Values of search attributes are passed over unless the visitor asks for them, since servers index them as they are.
//!
//! # Example
//! ```
//! use temporal_protos::api::common::v1::{Payload, Payloads};
//! use temporal_protos::payloads;
//!
//! let mut message = Payloads { payloads: vec![Payload { data: "secret".into(), ..Default::default() }] };
//! let mut taken = payloads::collect(&mut message);
//! taken[0].data = "sealed".into();
//! payloads::replace(&mut message, taken)?;
//! assert_eq!(message.payloads[0].data, "sealed");
//! # Ok::<(), payloads::CountMismatch>(())
//! ```

use crate::any::{self, TypeUrl};
use crate::api::common::v1::Payload;
use crate::api::protocol::v1::Message as ProtocolMessage;
use crate::api::update::v1::{Acceptance, Rejection, Request, Response};
use alloc::boxed::Box;
use alloc::vec::Vec;
use core::fmt;
use prost_types::Any;

#[allow(deprecated, clippy::all, reason = "generated code")]
#[rustfmt::skip]
mod generated {
    use super::{PayloadVisitor, VisitPayloads};

    include!("generated/payloads.rs");
}

/// A message that may hold payloads.
pub trait VisitPayloads {
    /// Shows every payload of the message to `visitor`, always in the same order.
    fn visit_payloads(&mut self, visitor: &mut dyn PayloadVisitor) {
        let _ = visitor;
    }
}

/// What is shown the payloads of a message.
pub trait PayloadVisitor {
    /// Called for each payload.
    fn payload(&mut self, payload: &mut Payload);

    /// Called for each list of payloads, the only place where their number may change. By default every payload of
    /// the list goes to [`payload`](Self::payload).
    fn payloads(&mut self, payloads: &mut Vec<Payload>) {
        for payload in payloads {
            self.payload(payload);
        }
    }

    /// Whether payloads in headers are wanted; yes by default.
    fn visits_headers(&self) -> bool {
        true
    }

    /// Whether values of search attributes are wanted; no by default, since codecs must leave them readable.
    fn visits_search_attributes(&self) -> bool {
        false
    }
}

impl VisitPayloads for Payload {
    fn visit_payloads(&mut self, visitor: &mut dyn PayloadVisitor) {
        visitor.payload(self);
    }
}

/// `google.protobuf.Empty`.
impl VisitPayloads for () {}

impl VisitPayloads for ProtocolMessage {
    fn visit_payloads(&mut self, visitor: &mut dyn PayloadVisitor) {
        let Some(body) = &mut self.body else { return };
        let visited = visit_packed::<Request>(body, visitor)
            || visit_packed::<Acceptance>(body, visitor)
            || visit_packed::<Response>(body, visitor)
            || visit_packed::<Rejection>(body, visitor);
        // A body of another type holds no payload that is known here.
        let _ = visited;
    }
}

/// Visits the payloads of a message of type `M` packed into `body`, and says whether `body` was one.
fn visit_packed<M: TypeUrl + VisitPayloads>(body: &mut Any, visitor: &mut dyn PayloadVisitor) -> bool {
    let Ok(mut message) = any::unpack::<M>(body) else {
        return false;
    };
    message.visit_payloads(visitor);
    body.value = message.encode_to_vec();
    true
}

impl<T: VisitPayloads + ?Sized> VisitPayloads for &mut T {
    fn visit_payloads(&mut self, visitor: &mut dyn PayloadVisitor) {
        (**self).visit_payloads(visitor);
    }
}

impl<T: VisitPayloads + ?Sized> VisitPayloads for Box<T> {
    fn visit_payloads(&mut self, visitor: &mut dyn PayloadVisitor) {
        (**self).visit_payloads(visitor);
    }
}

impl<T: VisitPayloads> VisitPayloads for Option<T> {
    fn visit_payloads(&mut self, visitor: &mut dyn PayloadVisitor) {
        if let Some(value) = self {
            value.visit_payloads(visitor);
        }
    }
}

impl<T: VisitPayloads> VisitPayloads for [T] {
    fn visit_payloads(&mut self, visitor: &mut dyn PayloadVisitor) {
        for value in self {
            value.visit_payloads(visitor);
        }
    }
}

impl<T: VisitPayloads> VisitPayloads for Vec<T> {
    fn visit_payloads(&mut self, visitor: &mut dyn PayloadVisitor) {
        self.as_mut_slice().visit_payloads(visitor);
    }
}

/// Not as many payloads were put back as had been taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CountMismatch {
    /// How many payloads, or groups of them, the message has room for.
    pub expected: usize,
    /// How many were given.
    pub found: usize,
}

impl fmt::Display for CountMismatch {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { expected, found } = self;
        write!(
            formatter,
            "put back as many payloads as were taken: {expected} expected, {found} given"
        )
    }
}

impl core::error::Error for CountMismatch {}

/// Takes every payload out of `message`, leaving empty ones in their places for [`replace`].
pub fn collect(message: &mut dyn VisitPayloads) -> Vec<Payload> {
    struct Take(Vec<Payload>);
    impl PayloadVisitor for Take {
        fn payload(&mut self, payload: &mut Payload) {
            self.0.push(core::mem::take(payload));
        }
    }
    let mut take = Take(Vec::new());
    message.visit_payloads(&mut take);
    take.0
}

/// Puts `payloads` into the places that [`collect`] emptied, in the same order.
///
/// # Errors
/// When there are more or fewer than the message has places; those that fit have then been put.
pub fn replace(message: &mut dyn VisitPayloads, payloads: Vec<Payload>) -> Result<(), CountMismatch> {
    struct Put(Count<Payload>);
    impl PayloadVisitor for Put {
        fn payload(&mut self, payload: &mut Payload) {
            if let Some(new) = self.0.next() {
                *payload = new;
            }
        }
    }
    let mut put = Put(Count::new(payloads));
    message.visit_payloads(&mut put);
    put.0.finish()
}

/// Payloads that stand together in a message.
#[derive(Debug, Clone, PartialEq)]
pub enum Group {
    /// A place for exactly one payload.
    One(Payload),
    /// A list, whose length may change.
    Many(Vec<Payload>),
}

impl Group {
    /// The payloads of the group.
    pub fn as_slice(&self) -> &[Payload] {
        match self {
            Self::One(payload) => core::slice::from_ref(payload),
            Self::Many(payloads) => payloads,
        }
    }
}

/// Takes every payload out of `message`, kept in groups: those of one list together, the others singly.
pub fn collect_groups(message: &mut dyn VisitPayloads) -> Vec<Group> {
    struct Take(Vec<Group>);
    impl PayloadVisitor for Take {
        fn payload(&mut self, payload: &mut Payload) {
            self.0.push(Group::One(core::mem::take(payload)));
        }
        fn payloads(&mut self, payloads: &mut Vec<Payload>) {
            self.0.push(Group::Many(core::mem::take(payloads)));
        }
    }
    let mut take = Take(Vec::new());
    message.visit_payloads(&mut take);
    take.0
}

/// Puts `groups` into the places that [`collect_groups`] emptied, in the same order.
///
/// # Errors
/// When there are more or fewer groups than the message has places, or when the group for a single place does not hold
/// exactly one payload; what fits has then been put.
pub fn replace_groups(message: &mut dyn VisitPayloads, groups: Vec<Group>) -> Result<(), CountMismatch> {
    struct Put(Count<Group>, Option<CountMismatch>);
    impl PayloadVisitor for Put {
        fn payload(&mut self, payload: &mut Payload) {
            match self.0.next() {
                Some(Group::One(new)) => *payload = new,
                Some(Group::Many(mut new)) if new.len() == 1 => *payload = new.remove(0),
                Some(Group::Many(new)) => {
                    let (expected, found) = (1, new.len());
                    self.1.get_or_insert(CountMismatch { expected, found });
                }
                None => {}
            }
        }
        fn payloads(&mut self, payloads: &mut Vec<Payload>) {
            match self.0.next() {
                Some(Group::Many(new)) => *payloads = new,
                Some(Group::One(new)) => *payloads = Vec::from([new]),
                None => {}
            }
        }
    }
    let mut put = Put(Count::new(groups), None);
    message.visit_payloads(&mut put);
    match put.1 {
        Some(mismatch) => Err(mismatch),
        None => put.0.finish(),
    }
}

/// Gives out values one by one and counts how many were asked for.
struct Count<T> {
    values: alloc::vec::IntoIter<T>,
    found: usize,
    expected: usize,
}

impl<T> Count<T> {
    fn new(values: Vec<T>) -> Self {
        Self {
            found: values.len(),
            values: values.into_iter(),
            expected: 0,
        }
    }

    fn next(&mut self) -> Option<T> {
        self.expected += 1;
        self.values.next()
    }

    fn finish(self) -> Result<(), CountMismatch> {
        let Self { expected, found, .. } = self;
        match expected == found {
            true => Ok(()),
            false => Err(CountMismatch { expected, found }),
        }
    }
}

#[cfg(test)]
#[path = "payloads/tests.rs"]
mod tests;
