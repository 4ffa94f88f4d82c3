//! What is noticed in this very program.

use std::cell::Cell;
use std::time::Instant;
use temporal_guard::{Found, Restricted, Restrictions, WATCHES, watch};

fn found(restrictions: &Restrictions, code: impl FnOnce()) -> Found {
    let ((), noted) = watch(restrictions.mask(), restrictions, code);
    noted.look_into(restrictions)
}

/// Asks the clock from this deep, which makes it a call of its own.
#[inline(never)]
fn measure(depth: u32) {
    if depth == 0 {
        std::hint::black_box(Instant::now());
    } else {
        measure(depth - 1);
    }
    std::hint::black_box(depth);
}

/// A function of the program whose name is like one of C's.
#[inline(never)]
fn free() {
    measure(0);
}

#[test]
fn a_call_is_told_with_its_callers() {
    let found = found(&Restrictions::default(), || measure(1));
    let call = found.refused;
    assert_eq!(call.is_some(), WATCHES);
    if let Some(call) = call {
        assert_eq!((call.what.as_str(), call.class), ("clock_gettime", Restricted::Clock));
        assert!(call.callers[0].contains("measure at "), "{:?}", call.callers);
    }
    assert!(!found.overflowed);
}

#[test]
fn a_name_of_c_lets_nothing_through() {
    assert_eq!(found(&Restrictions::default(), free).refused.is_some(), WATCHES);
}

/// More different calls than are looked into: that is said, and what was looked into makes room the next time.
#[test]
fn too_many_calls_are_told() {
    let restrictions = Restrictions::default().pass_through("watching::measure");
    let asks = Cell::new(false);
    // The same code each time: a call is known by all that is on the stack.
    let many = || {
        (0..40).for_each(measure);
        if asks.get() {
            std::hint::black_box(std::env::var_os("HOME"));
        }
    };
    let first = found(&restrictions, many);
    assert_eq!((first.refused, first.overflowed), (None, WATCHES));
    let second = found(&restrictions, many);
    assert_eq!((second.refused, second.overflowed), (None, false));
    asks.set(true);
    let third = found(&restrictions, many);
    let class = third.refused.map(|call| call.class);
    assert_eq!(class, WATCHES.then_some(Restricted::Environment));
}
