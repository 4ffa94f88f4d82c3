//! Waiting for the first of several futures.

use crate::workflow::misuse;

/// Every branch of a `select!` is left out.
#[doc(hidden)]
pub fn nothing_selected() {
    misuse::raise(
        "each branch of a workflow::select! is left out by its `if`, so that it would wait for ever: give it a branch without `if`, or put an `if` around the whole",
    );
}

/// Waits for the first of several futures, and runs its branch. The others are dropped, which cancels them, before the
/// branch runs. The futures are polled in the order written, so the first wins when several are ready.
///
/// A branch is `pattern = future => expression,` with an optional `, if condition` before the arrow; one whose condition
/// does not hold is left out; there must be one that is not. Give a future by reference (`&mut handle`) to keep it when another wins.
///
/// ```
/// # use std::time::Duration;
/// # use temporal_sdk::workflow;
/// # async fn example(ctx: &workflow::Context) -> workflow::Result<()> {
/// let mut patience = ctx.sleep(Duration::from_secs(60));
/// let answered = workflow::select! {
///     _ = ctx.wait_condition(|| false) => true,
///     elapsed = &mut patience => {
///         elapsed?;
///         false
///     }
/// };
/// # let _ = answered;
/// # Ok(())
/// # }
/// ```
#[macro_export]
#[doc(hidden)]
macro_rules! select {
    // What is known from elsewhere.
    (biased; $($rest:tt)*) => {
        ::std::compile_error!("`workflow::select!` is always biased, in the order written: leave `biased;` out")
    };
    (@read [$($branch:tt)*] [$($names:tt)*] else $($rest:tt)*) => {
        ::std::compile_error!("`workflow::select!` has no `else`: where all branches have conditions, put an `if` around the whole")
    };
    // All branches are read: names for them from the list.
    (@read [$($branch:tt)*] [$($names:tt)*]) => {
        $crate::select!(@name [$($branch)*] [] [$($names)*])
    };
    (@read [$($branch:tt)*] [$($names:tt)*] $pattern:pat = $future:expr, if $condition:expr => $body:block, $($rest:tt)*) => {
        $crate::select!(@read [$($branch)* {($pattern) ($future) ($condition) $body}] [$($names)*] $($rest)*)
    };
    (@read [$($branch:tt)*] [$($names:tt)*] $pattern:pat = $future:expr, if $condition:expr => $body:block $($rest:tt)*) => {
        $crate::select!(@read [$($branch)* {($pattern) ($future) ($condition) $body}] [$($names)*] $($rest)*)
    };
    (@read [$($branch:tt)*] [$($names:tt)*] $pattern:pat = $future:expr, if $condition:expr => $body:expr, $($rest:tt)*) => {
        $crate::select!(@read [$($branch)* {($pattern) ($future) ($condition) {$body}}] [$($names)*] $($rest)*)
    };
    (@read [$($branch:tt)*] [$($names:tt)*] $pattern:pat = $future:expr, if $condition:expr => $body:expr) => {
        $crate::select!(@read [$($branch)* {($pattern) ($future) ($condition) {$body}}] [$($names)*])
    };
    (@read [$($branch:tt)*] [$($names:tt)*] $pattern:pat = $future:expr => $body:block, $($rest:tt)*) => {
        $crate::select!(@read [$($branch)* {($pattern) ($future) (true) $body}] [$($names)*] $($rest)*)
    };
    (@read [$($branch:tt)*] [$($names:tt)*] $pattern:pat = $future:expr => $body:block $($rest:tt)*) => {
        $crate::select!(@read [$($branch)* {($pattern) ($future) (true) $body}] [$($names)*] $($rest)*)
    };
    (@read [$($branch:tt)*] [$($names:tt)*] $pattern:pat = $future:expr => $body:expr, $($rest:tt)*) => {
        $crate::select!(@read [$($branch)* {($pattern) ($future) (true) {$body}}] [$($names)*] $($rest)*)
    };
    (@read [$($branch:tt)*] [$($names:tt)*] $pattern:pat = $future:expr => $body:expr) => {
        $crate::select!(@read [$($branch)* {($pattern) ($future) (true) {$body}}] [$($names)*])
    };
    (@read $($rest:tt)*) => {
        ::std::compile_error!("write branches of `workflow::select!` as `pattern = future => expression,`, with an optional `, if condition` before the arrow")
    };
    // Each branch takes the next name.
    (@name [$branch:tt $($branches:tt)*] [$($named:tt)*] [$name:ident $($names:ident)*]) => {
        $crate::select!(@name [$($branches)*] [$($named)* [$name $branch]] [$($names)*])
    };
    (@name [] [$([$name:ident {($pattern:pat) ($future:expr) ($condition:expr) $body:block}])+] [$($names:ident)*]) => {{
        #[allow(clippy::enum_variant_names)]
        enum Selected<$($name),+> {
            $($name($name)),+
        }
        let selected = {
            $(
                #[allow(non_snake_case)]
                let mut $name = ($condition).then(|| ()).map(|()| ::std::boxed::Box::pin($future));
            )+
            if true $(&& $name.is_none())+ {
                $crate::workflow::nothing_selected();
            }
            ::std::future::poll_fn(|context| {
                $(
                    if let ::std::option::Option::Some(future) = &mut $name
                        && let ::std::task::Poll::Ready(value) =
                            ::std::future::Future::poll(::std::pin::Pin::as_mut(future), context)
                    {
                        return ::std::task::Poll::Ready(Selected::$name(value));
                    }
                )+
                ::std::task::Poll::Pending
            })
            .await
        };
        match selected {
            $(Selected::$name($pattern) => $body),+
        }
    }};
    (@name [$($branches:tt)+] [$($named:tt)*] []) => {
        ::std::compile_error!("`workflow::select!` takes at most 16 branches: wait for more with `workflow::as_completed`")
    };
    () => {
        ::std::compile_error!("`workflow::select!` of nothing would wait for ever: give it a branch")
    };
    ($($branches:tt)+) => {
        $crate::select!(@read [] [A B C D E F G H I J K L M N O P] $($branches)+)
    };
}
