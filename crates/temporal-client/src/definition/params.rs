//! The shapes of parameter lists, and how they become payloads.

use crate::data::{ConversionError, ErasedValue, FromPayload, PayloadConverter, PayloadConverterExt as _, ToPayload};
use std::fmt;
use std::marker::PhantomData;
use temporal_protos::api::common::v1::Payload;

/// The shape of a parameter list.
pub trait Params: 'static {
    /// The values a call holds.
    type Values;
}

/// Parameter lists that can be sent.
pub trait EncodeParams: Params {
    /// One payload for each value.
    ///
    /// # Errors
    /// When a value cannot be converted.
    fn encode(values: &Self::Values, converter: &dyn PayloadConverter) -> Result<Vec<Payload>, ConversionError>;
}

/// Parameter lists that can be received.
pub trait DecodeParams: Params {
    /// The values of the payloads. Trailing `Option`s may be missing; payloads too many are ignored.
    ///
    /// # Errors
    /// When a payload does not hold the type wanted, naming the argument and the type.
    fn decode(payloads: Vec<Payload>, converter: &dyn PayloadConverter) -> Result<Self::Values, ConversionError>;
}

/// No parameter.
pub struct NoParams(());

/// One parameter, one payload.
pub struct One<T>(PhantomData<fn() -> T>);

/// Two or more parameters `T` (a tuple), one payload each.
pub struct Many<T>(PhantomData<fn() -> T>);

/// Parameters not known here: anything serializable, or [`args!`](crate::args).
pub struct AnyParams(());

/// Values to send whose types are not known to the receiver's side of the program: made by [`args!`](crate::args).
#[derive(Default)]
pub struct Args(Vec<Box<dyn ErasedValue>>);

impl Args {
    /// No values.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// One more value.
    #[must_use]
    pub fn arg<T: ToPayload>(mut self, value: T) -> Self {
        self.0.push(Box::new(value));
        self
    }
}

impl fmt::Debug for Args {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Args({} values)", self.0.len())
    }
}

impl Params for NoParams {
    type Values = ();
}

impl EncodeParams for NoParams {
    fn encode((): &(), _: &dyn PayloadConverter) -> Result<Vec<Payload>, ConversionError> {
        Ok(Vec::new())
    }
}

impl DecodeParams for NoParams {
    fn decode(_: Vec<Payload>, _: &dyn PayloadConverter) -> Result<(), ConversionError> {
        Ok(())
    }
}

impl<T: 'static> Params for One<T> {
    type Values = T;
}

impl<T: ToPayload> EncodeParams for One<T> {
    fn encode(value: &T, converter: &dyn PayloadConverter) -> Result<Vec<Payload>, ConversionError> {
        Ok(vec![converter.to_payload(value)?])
    }
}

impl<T: FromPayload> DecodeParams for One<T> {
    fn decode(payloads: Vec<Payload>, converter: &dyn PayloadConverter) -> Result<T, ConversionError> {
        argument(&mut payloads.into_iter(), 1, converter)
    }
}

impl Params for AnyParams {
    type Values = Args;
}

impl EncodeParams for AnyParams {
    fn encode(values: &Args, converter: &dyn PayloadConverter) -> Result<Vec<Payload>, ConversionError> {
        values.0.iter().map(|value| converter.to_payload(&**value)).collect()
    }
}

fn argument<T: FromPayload>(
    payloads: &mut std::vec::IntoIter<Payload>,
    number: usize,
    converter: &dyn PayloadConverter,
) -> Result<T, ConversionError> {
    match payloads.next() {
        Some(payload) => converter.decode(payload).map_err(|error| error.in_argument(number)),
        None => converter
            .decode(crate::data::null_payload())
            .map_err(|_| ConversionError::missing_argument(number, std::any::type_name::<T>())),
    }
}

macro_rules! many {
    ($($type:ident $number:tt),*) => {
        impl<$($type: 'static),*> Params for Many<($($type,)*)> {
            type Values = ($($type,)*);
        }

        impl<$($type: ToPayload),*> EncodeParams for Many<($($type,)*)> {
            fn encode(
                values: &Self::Values,
                converter: &dyn PayloadConverter,
            ) -> Result<Vec<Payload>, ConversionError> {
                Ok(vec![$(converter.to_payload(&values.$number)?),*])
            }
        }

        impl<$($type: FromPayload),*> DecodeParams for Many<($($type,)*)> {
            fn decode(
                payloads: Vec<Payload>,
                converter: &dyn PayloadConverter,
            ) -> Result<Self::Values, ConversionError> {
                let mut payloads = payloads.into_iter();
                Ok(($(argument::<$type>(&mut payloads, $number + 1, converter)?,)*))
            }
        }
    };
}

many!(A 0, B 1);
many!(A 0, B 1, C 2);
many!(A 0, B 1, C 2, D 3);
many!(A 0, B 1, C 2, D 3, E 4);
many!(A 0, B 1, C 2, D 3, E 4, F 5);
many!(A 0, B 1, C 2, D 3, E 4, F 5, G 6);
many!(A 0, B 1, C 2, D 3, E 4, F 5, G 6, H 7);
