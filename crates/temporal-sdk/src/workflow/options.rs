//! What options have in common.

/// Setters that take `self` and give it back.
macro_rules! setters {
    ($($(#[$doc:meta])* $name:ident($($value:ident: $type:ty)?) => |$this:ident| $set:expr;)*) => {$(
        $(#[$doc])*
        #[must_use]
        pub fn $name(mut self$(, $value: $type)?) -> Self {
            let $this = &mut self;
            $set;
            self
        }
    )*};
}

pub(crate) use setters;
