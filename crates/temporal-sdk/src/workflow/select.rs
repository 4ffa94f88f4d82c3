//! Waiting for the first of several futures.

/// Waits for the first of several futures, and runs its branch. The others are dropped, which cancels them, before the
/// branch runs. The futures are polled in the order written, so the first wins when several are ready.
///
/// A branch is `pattern = future => expression,` with an optional `, if condition` before the arrow; one whose condition
/// does not hold is left out. Give a future by reference (`&mut handle`) to keep it when another wins.
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
    ($($branches:tt)+) => {
        $crate::select!(@read [] [A B C D E F G H I J K L M N O P] $($branches)+)
    };
}
