//! What goes wrong in conversion.

use std::fmt;

/// A value that cannot be converted.
///
/// Its message names the argument (when it is one of several), the Rust type, the payload's encoding and the path of the
/// field, as far as they are known.
#[derive(Debug)]
pub struct ConversionError(Box<Parts>);

#[derive(Debug)]
struct Parts {
    message: String,
    argument: Option<usize>,
    type_name: Option<&'static str>,
    encoding: Option<String>,
    path: Option<String>,
    source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

impl ConversionError {
    /// An error with this message.
    pub fn new(message: impl Into<String>) -> Self {
        Self(Box::new(Parts {
            message: message.into(),
            argument: None,
            type_name: None,
            encoding: None,
            path: None,
            source: None,
        }))
    }

    /// The same error with what caused it.
    #[must_use]
    pub fn caused_by(mut self, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        self.0.source = Some(source.into());
        self
    }

    /// The same error, naming the type that was wanted.
    #[must_use]
    pub fn wanted<T: ?Sized>(self) -> Self {
        self.of_type(std::any::type_name::<T>())
    }

    /// The same error, naming the Rust type that was to be converted.
    #[must_use]
    pub fn of_type(mut self, name: &'static str) -> Self {
        self.0.type_name = Some(name);
        self
    }

    /// The same error, naming the payload's encoding.
    #[must_use]
    pub fn in_encoding(mut self, encoding: impl Into<String>) -> Self {
        self.0.encoding = Some(encoding.into());
        self
    }

    /// The same error, naming the field: `order.lines[2].price`.
    #[must_use]
    pub fn at_path(mut self, path: impl Into<String>) -> Self {
        self.0.path = Some(path.into());
        self
    }

    /// An argument is missing that has no empty value.
    pub(crate) fn missing_argument(number: usize, type_name: &'static str) -> Self {
        let mut error = Self::new("it is missing: send it, or make it an Option").of_type(type_name);
        error.0.argument = Some(number);
        error
    }

    /// The same error, naming the argument, counted from 1.
    pub(crate) fn in_argument(mut self, number: usize) -> Self {
        self.0.argument = Some(number);
        self
    }

    /// Which argument it was, counted from 1.
    #[must_use]
    pub fn argument(&self) -> Option<usize> {
        self.0.argument
    }

    /// The Rust type that was to be converted.
    #[must_use]
    pub fn type_name(&self) -> Option<&'static str> {
        self.0.type_name
    }

    /// The encoding of the payload.
    #[must_use]
    pub fn encoding(&self) -> Option<&str> {
        self.0.encoding.as_deref()
    }

    /// The path of the field inside the value.
    #[must_use]
    pub fn path(&self) -> Option<&str> {
        self.0.path.as_deref()
    }
}

impl fmt::Display for ConversionError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Parts {
            message,
            argument,
            type_name,
            encoding,
            path,
            ..
        } = &*self.0;
        if let Some(argument) = argument {
            write!(formatter, "argument {argument}: ")?;
        }
        match (type_name, encoding) {
            (Some(type_name), Some(encoding)) => write!(formatter, "{type_name} as {encoding}: ")?,
            (Some(type_name), None) => write!(formatter, "{type_name}: ")?,
            (None, Some(encoding)) => write!(formatter, "{encoding}: ")?,
            (None, None) => {}
        }
        if let Some(path) = path {
            write!(formatter, "field {path}: ")?;
        }
        formatter.write_str(message)
    }
}

impl std::error::Error for ConversionError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.0.source.as_deref().map(|source| source as _)
    }
}
