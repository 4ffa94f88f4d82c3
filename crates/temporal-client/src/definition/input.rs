//! What a call may be given for its parameters.

use super::{AnyParams, Args, Many, NoParams, One, Params};
use crate::data::ToPayload;

/// A value that serves as the input of a call with parameters `P`.
///
/// A single parameter `T` takes anything that is `Into<T>` (`&str` for `String`), several take a tuple of such values,
/// none takes `()`, and a call by name takes anything serializable or [`args!`](crate::args).
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not the input this call takes",
    label = "expected a value for the parameters `{P}`",
    note = "one parameter takes its own type or anything `Into` it, several take a tuple, none takes `()`"
)]
pub trait IntoInput<P: Params> {
    /// The values to send.
    fn into_input(self) -> P::Values;
}

impl IntoInput<NoParams> for () {
    fn into_input(self) {}
}

#[diagnostic::do_not_recommend]
impl<T: 'static, U: Into<T>> IntoInput<One<T>> for U {
    fn into_input(self) -> T {
        self.into()
    }
}

impl<T: IntoArgs> IntoInput<AnyParams> for T {
    fn into_input(self) -> Args {
        self.into_args()
    }
}

/// Anything serializable, as one argument; or [`Args`].
#[doc(hidden)]
pub trait IntoArgs {
    fn into_args(self) -> Args;
}

impl IntoArgs for Args {
    fn into_args(self) -> Args {
        self
    }
}

impl<T: ToPayload> IntoArgs for T {
    fn into_args(self) -> Args {
        Args::new().arg(self)
    }
}

macro_rules! many {
    ($($type:ident $from:ident $number:tt),*) => {
        impl<$($type: 'static, $from: Into<$type>),*> IntoInput<Many<($($type,)*)>> for ($($from,)*) {
            fn into_input(self) -> ($($type,)*) {
                ($(self.$number.into(),)*)
            }
        }
    };
}

many!(A A1 0, B B1 1);
many!(A A1 0, B B1 1, C C1 2);
many!(A A1 0, B B1 1, C C1 2, D D1 3);
many!(A A1 0, B B1 1, C C1 2, D D1 3, E E1 4);
many!(A A1 0, B B1 1, C C1 2, D D1 3, E E1 4, F F1 5);
many!(A A1 0, B B1 1, C C1 2, D D1 3, E E1 4, F F1 5, G G1 6);
many!(A A1 0, B B1 1, C C1 2, D D1 3, E E1 4, F F1 5, G G1 6, H H1 7);

/// Several arguments of a call by name.
///
/// ```
/// let values = temporal_client::args!["Temporal", 3];
/// # let _ = values;
/// ```
#[macro_export]
macro_rules! args {
    ($($value:expr),* $(,)?) => {
        $crate::definition::Args::new()$(.arg($value))*
    };
}

pub use crate::args;
