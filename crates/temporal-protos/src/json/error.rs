//! What went wrong, and where in the document.

use alloc::borrow::Cow;
use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use prost::DecodeError;

/// Why JSON was not read or not written.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum JsonError {
    /// The text is not JSON, or a value does not fit its place.
    Unexpected {
        /// Where: names and indexes from the top, such as `events[3].eventId`; empty at the top.
        path: String,
        /// What could stand there.
        expected: String,
        /// What stands there.
        found: String,
        /// Line of the text, from 1.
        line: usize,
        /// Column in that line in bytes, from 1.
        column: usize,
    },
    /// A value has no JSON.
    Unwritable {
        /// Where: names and indexes from the top; empty at the top.
        path: String,
        /// What is wrong with the value.
        problem: String,
    },
    /// No message has that name.
    UnknownMessage {
        /// The name.
        name: String,
    },
    /// The message was read, but cannot be represented in memory.
    Decode {
        /// The full name of the message.
        name: &'static str,
        /// What is wrong.
        source: DecodeError,
    },
}

impl fmt::Display for JsonError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let place = |path: &String, formatter: &mut fmt::Formatter<'_>| match path.is_empty() {
            true => Ok(()),
            false => write!(formatter, "{path}: "),
        };
        match self {
            Self::Unexpected {
                path,
                expected,
                found,
                line,
                column,
            } => {
                place(path, formatter)?;
                write!(
                    formatter,
                    "expected {expected}, found {found} (line {line}, column {column})"
                )
            }
            Self::Unwritable { path, problem } => {
                place(path, formatter)?;
                formatter.write_str(problem)
            }
            Self::UnknownMessage { name } => {
                write!(
                    formatter,
                    "no message of this API is named {name:?}: give its full protobuf name"
                )
            }
            Self::Decode { name, source } => write!(formatter, "the JSON does not make a {name}: {source}"),
        }
    }
}

impl core::error::Error for JsonError {
    fn source(&self) -> Option<&(dyn core::error::Error + 'static)> {
        match self {
            Self::Decode { source, .. } => Some(source),
            Self::Unexpected { .. } | Self::Unwritable { .. } | Self::UnknownMessage { .. } => None,
        }
    }
}

/// One step of a path.
#[derive(Debug)]
pub(super) enum Step {
    Field(&'static str),
    Index(usize),
    Key(String),
}

/// The steps to a problem, gathered on the way out: innermost first.
#[derive(Debug, Default)]
pub(super) struct Steps(Vec<Step>);

impl Steps {
    pub(super) fn push(&mut self, step: Step) {
        self.0.push(step);
    }

    pub(super) fn path(&self) -> String {
        let mut path = String::new();
        for step in self.0.iter().rev() {
            // Writing to a string cannot fail.
            let _ = match step {
                Step::Field(name) if path.is_empty() => fmt::write(&mut path, format_args!("{name}")),
                Step::Field(name) => fmt::write(&mut path, format_args!(".{name}")),
                Step::Index(index) => fmt::write(&mut path, format_args!("[{index}]")),
                Step::Key(key) => fmt::write(&mut path, format_args!("[{key:?}]")),
            };
        }
        path
    }
}

/// A problem in a text, before its path and line are known. Boxed, so that results stay small.
#[derive(Debug)]
pub(super) struct Misread {
    pub(super) steps: Steps,
    pub(super) expected: Cow<'static, str>,
    pub(super) found: String,
    pub(super) at: usize,
}

pub(super) type ReadResult<T> = Result<T, Box<Misread>>;

impl Misread {
    pub(super) fn into_error(self, text: &str) -> JsonError {
        let before = &text.as_bytes()[..self.at.min(text.len())];
        let line = before.iter().filter(|byte| **byte == b'\n').count() + 1;
        let start = before
            .iter()
            .rposition(|byte| *byte == b'\n')
            .map_or(0, |place| place + 1);
        JsonError::Unexpected {
            path: self.steps.path(),
            expected: self.expected.into_owned(),
            found: self.found,
            line,
            column: before.len() - start + 1,
        }
    }
}

/// A value without JSON, before its path is known.
#[derive(Debug)]
pub(super) struct Unwritten {
    pub(super) steps: Steps,
    pub(super) problem: String,
}

pub(super) type WriteResult<T> = Result<T, Box<Unwritten>>;

impl From<Unwritten> for JsonError {
    fn from(unwritten: Unwritten) -> Self {
        Self::Unwritable {
            path: unwritten.steps.path(),
            problem: unwritten.problem,
        }
    }
}

/// Adds a step to the path of an error on its way out.
pub(super) trait Within {
    fn within(self, step: impl FnOnce() -> Step) -> Self;
}

impl<T> Within for ReadResult<T> {
    fn within(self, step: impl FnOnce() -> Step) -> Self {
        self.map_err(|mut misread| {
            misread.steps.push(step());
            misread
        })
    }
}

impl<T> Within for WriteResult<T> {
    fn within(self, step: impl FnOnce() -> Step) -> Self {
        self.map_err(|mut unwritten| {
            unwritten.steps.push(step());
            unwritten
        })
    }
}
