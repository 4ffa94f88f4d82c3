//! From wire bytes to JSON.

use super::error::{JsonError, Step, Steps, Unwritten, Within as _, WriteResult};
use super::lexer::DEPTH;
use super::table::{self, Field, Form, Kind, Label, Message};
use super::{base64, time};
use alloc::boxed::Box;
use alloc::format;
use alloc::string::{String, ToString as _};
use alloc::vec::Vec;
use core::fmt::{self, Write as _};
use prost::encoding::decode_varint;

/// Whether the JSON has whitespace.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Layout {
    /// None at all.
    Compact,
    /// Each member on a line of its own, indented by two spaces a level.
    Lines,
}

/// Appends the JSON of a message's wire bytes to `out`.
pub(super) fn transcode(message: u16, wire: &[u8], layout: Layout, out: &mut Vec<u8>) -> Result<(), JsonError> {
    out.reserve(wire.len() * 2);
    let mut writer = Writer {
        out,
        layout,
        indent: 0,
        depth: 0,
        spans: Vec::new(),
    };
    writer
        .message(message, wire)
        .map_err(|unwritten| JsonError::from(*unwritten))
}

struct Writer<'wire, 'out> {
    out: &'out mut Vec<u8>,
    layout: Layout,
    indent: usize,
    depth: usize,
    /// The fields found in the messages that are being written, those of the innermost last.
    spans: Vec<Span<'wire>>,
}

/// A field found in a message: its place in the order of declaration, and its value.
#[derive(Clone, Copy)]
struct Span<'wire> {
    place: usize,
    value: Value<'wire>,
}

/// A value of the wire, by its wire type.
#[derive(Clone, Copy)]
enum Value<'wire> {
    Varint(u64),
    Eight([u8; 8]),
    Four([u8; 4]),
    Bytes(&'wire [u8]),
}

impl<'wire> Writer<'wire, '_> {
    fn message(&mut self, index: u16, wire: &'wire [u8]) -> WriteResult<()> {
        if self.depth == DEPTH {
            return Err(unwritable(format!("messages are nested deeper than {DEPTH} levels")));
        }
        self.depth += 1;
        let message = table::message(index);
        match message.form() {
            Form::Plain | Form::Empty => self.object(message, wire, None)?,
            Form::Wrapper => {
                let value = values(message, wire)?.into_iter().next().map(|span| span.value);
                self.value_or_default(&message.fields()[0], value)?;
            }
            Form::Timestamp => self.time(message, wire, "timestamp", time::write_timestamp)?,
            Form::Duration => self.time(message, wire, "duration", time::write_duration)?,
            Form::FieldMask => self.field_mask(message, wire)?,
            Form::Any => self.any(message, wire)?,
        }
        self.depth -= 1;
        Ok(())
    }

    /// Writes a message as an object, after `@type` if it was packed.
    fn object(&mut self, message: &'static Message, wire: &'wire [u8], type_url: Option<&str>) -> WriteResult<()> {
        let base = self.spans.len();
        gather(message, wire, &mut self.spans)?;
        let found = &mut self.spans[base..];
        if !found.is_sorted_by_key(|span| span.place) {
            found.sort_by_key(|span| span.place);
        }
        let end = self.spans.len();
        self.open(b'{');
        let mut first = true;
        if let Some(url) = type_url {
            self.member(&mut first, "@type");
            self.string(url);
        }
        let mut at = base;
        while at < end {
            let place = self.spans[at].place;
            let same = self.spans[at..end]
                .iter()
                .take_while(|span| span.place == place)
                .count();
            let field = &message.fields()[place];
            self.name(&mut first, field.name());
            self.field(field, at, at + same).within(|| Step::Field(field.name()))?;
            at += same;
        }
        self.close(first, b'}');
        self.spans.truncate(base);
        Ok(())
    }

    /// Writes the value of a member from the spans `from..to`.
    fn field(&mut self, field: &'static Field, from: usize, to: usize) -> WriteResult<()> {
        let mut first = true;
        match field.label() {
            Label::One => self.value(field, self.spans[to - 1].value)?,
            Label::Many => {
                self.open(b'[');
                let mut index = 0;
                for at in from..to {
                    let value = self.spans[at].value;
                    for value in Elements::new(field, value) {
                        self.separate(&mut first);
                        let value = value.ok_or_else(damaged).and_then(|value| self.value(field, value));
                        value.within(|| Step::Index(index))?;
                        index += 1;
                    }
                }
                self.close(first, b']');
            }
            Label::Map => {
                self.open(b'{');
                let (key_field, value_field) = field.entry();
                for at in from..to {
                    let Value::Bytes(wire) = self.spans[at].value else {
                        return Err(damaged());
                    };
                    let entry = values(table::message(field.target()), wire)?;
                    let part = |place| {
                        entry
                            .iter()
                            .rev()
                            .find(|span| span.place == place)
                            .map(|span| span.value)
                    };
                    self.separate(&mut first);
                    let start = self.out.len();
                    self.map_key(key_field, part(0))?;
                    let key = start..self.out.len();
                    self.out.extend_from_slice(self.colon());
                    let written = self.value_or_default(value_field, part(1));
                    let out = &self.out[key];
                    written.within(|| Step::Key(String::from_utf8_lossy(out).trim_matches('"').to_string()))?;
                }
                self.close(first, b'}');
            }
        }
        Ok(())
    }

    fn map_key(&mut self, field: &'static Field, value: Option<Value<'wire>>) -> WriteResult<()> {
        if matches!(field.kind(), Kind::Text | Kind::Int64 | Kind::Uint64) {
            return self.value_or_default(field, value);
        }
        self.out.push(b'"');
        self.value_or_default(field, value)?;
        self.out.push(b'"');
        Ok(())
    }

    /// Writes a value that is left out of the wire when it is the default.
    fn value_or_default(&mut self, field: &'static Field, value: Option<Value<'wire>>) -> WriteResult<()> {
        let default = match field.kind() {
            Kind::Text | Kind::Bytes | Kind::Nested => Value::Bytes(&[]),
            Kind::Double => Value::Eight([0; 8]),
            Kind::Float => Value::Four([0; 4]),
            _ => Value::Varint(0),
        };
        self.value(field, value.unwrap_or(default))
    }

    fn value(&mut self, field: &'static Field, value: Value<'wire>) -> WriteResult<()> {
        match (field.kind(), value) {
            (Kind::Bool, Value::Varint(value)) => {
                let word: &[u8] = if value == 0 { b"false" } else { b"true" };
                self.out.extend_from_slice(word);
            }
            (Kind::Int32, Value::Varint(value)) => self.signed(i64::from(value as i32)),
            (Kind::Uint32, Value::Varint(value)) => self.unsigned(u64::from(value as u32)),
            (Kind::Int64, Value::Varint(value)) => {
                self.out.push(b'"');
                self.signed(value.cast_signed());
                self.out.push(b'"');
            }
            (Kind::Uint64, Value::Varint(value)) => {
                self.out.push(b'"');
                self.unsigned(value);
                self.out.push(b'"');
            }
            (Kind::Enumeration, Value::Varint(value)) => match field.enumeration().name(value as i32) {
                Some(name) => self.quoted(name),
                None => self.signed(i64::from(value as i32)),
            },
            (Kind::Double, Value::Eight(bytes)) => {
                let value = f64::from_le_bytes(bytes);
                self.float(value, value);
            }
            (Kind::Float, Value::Four(bytes)) => {
                let value = f32::from_le_bytes(bytes);
                self.float(f64::from(value), value);
            }
            (Kind::Text, Value::Bytes(bytes)) => {
                let text = core::str::from_utf8(bytes).map_err(|_| damaged())?;
                self.string(text);
            }
            (Kind::Bytes, Value::Bytes(bytes)) => {
                self.out.push(b'"');
                base64::encode(bytes, self.out);
                self.out.push(b'"');
            }
            (Kind::Nested, Value::Bytes(wire)) => self.message(field.target(), wire)?,
            _ => return Err(damaged()),
        }
        Ok(())
    }

    fn time(
        &mut self,
        message: &'static Message,
        wire: &'wire [u8],
        what: &str,
        write: fn(i64, i32, &mut Vec<u8>) -> Option<()>,
    ) -> WriteResult<()> {
        let (mut seconds, mut nanos) = (0, 0);
        for span in values(message, wire)? {
            match (span.place, span.value) {
                (0, Value::Varint(value)) => seconds = value.cast_signed(),
                (_, Value::Varint(value)) => nanos = value as i32,
                _ => return Err(damaged()),
            }
        }
        self.out.push(b'"');
        let written = write(seconds, nanos, self.out);
        self.out.push(b'"');
        written.ok_or_else(|| unwritable(format!("the {what} of {seconds} s and {nanos} ns is out of range")))
    }

    fn field_mask(&mut self, message: &'static Message, wire: &'wire [u8]) -> WriteResult<()> {
        let mut camel = String::new();
        for span in values(message, wire)? {
            let Value::Bytes(bytes) = span.value else {
                return Err(damaged());
            };
            let path = core::str::from_utf8(bytes).map_err(|_| damaged())?;
            if !camel.is_empty() {
                camel.push(',');
            }
            let mut raise = false;
            for letter in path.chars() {
                match letter {
                    '_' => raise = true,
                    _ if raise => {
                        camel.push(letter.to_ascii_uppercase());
                        raise = false;
                    }
                    _ => camel.push(letter),
                }
            }
        }
        self.string(&camel);
        Ok(())
    }

    fn any(&mut self, message: &'static Message, wire: &'wire [u8]) -> WriteResult<()> {
        let (mut url, mut packed): (&str, &[u8]) = ("", &[]);
        for span in values(message, wire)? {
            match (span.place, span.value) {
                (0, Value::Bytes(bytes)) => url = core::str::from_utf8(bytes).map_err(|_| damaged())?,
                (_, Value::Bytes(bytes)) => packed = bytes,
                _ => return Err(damaged()),
            }
        }
        if url.is_empty() && packed.is_empty() {
            self.out.extend_from_slice(b"{}");
            return Ok(());
        }
        let name = url.rsplit_once('/').map_or(url, |(_, name)| name);
        let Some(index) = table::find(name) else {
            return Err(unwritable(format!(
                "an Any holds a message of the unknown type {url:?}"
            )));
        };
        let inner = table::message(index);
        if inner.form() == Form::Plain {
            return self.object(inner, packed, Some(url));
        }
        let mut first = true;
        self.open(b'{');
        self.member(&mut first, "@type");
        self.string(url);
        self.member(&mut first, "value");
        self.message(index, packed).within(|| Step::Field("value"))?;
        self.close(first, b'}');
        Ok(())
    }

    fn open(&mut self, bracket: u8) {
        self.out.push(bracket);
        self.indent += 1;
    }

    /// Closes a bracket; `empty` when nothing stands in it.
    fn close(&mut self, empty: bool, bracket: u8) {
        self.indent -= 1;
        if !empty {
            self.line();
        }
        self.out.push(bracket);
    }

    fn separate(&mut self, first: &mut bool) {
        if !core::mem::replace(first, false) {
            self.out.push(b',');
        }
        self.line();
    }

    fn line(&mut self) {
        if self.layout == Layout::Lines {
            self.out.push(b'\n');
            self.out.resize(self.out.len() + 2 * self.indent, b' ');
        }
    }

    fn member(&mut self, first: &mut bool, name: &str) {
        self.name(first, name);
    }

    /// A member's name, which needs no escapes.
    fn name(&mut self, first: &mut bool, name: &str) {
        self.separate(first);
        self.quoted(name);
        self.out.extend_from_slice(self.colon());
    }

    fn colon(&self) -> &'static [u8] {
        match self.layout {
            Layout::Compact => b":",
            Layout::Lines => b": ",
        }
    }

    fn quoted(&mut self, plain: &str) {
        self.out.push(b'"');
        self.out.extend_from_slice(plain.as_bytes());
        self.out.push(b'"');
    }

    fn string(&mut self, text: &str) {
        self.out.push(b'"');
        let mut rest = text.as_bytes();
        let special = |byte: &u8| *byte < 0x20 || *byte == b'"' || *byte == b'\\';
        while let Some(at) = rest.iter().position(special) {
            self.out.extend_from_slice(&rest[..at]);
            let short = match rest[at] {
                b'\x08' => b'b',
                b'\x0c' => b'f',
                b'\n' => b'n',
                b'\r' => b'r',
                b'\t' => b't',
                byte @ (b'"' | b'\\') => byte,
                _ => b'u',
            };
            self.out.extend_from_slice(&[b'\\', short]);
            if short == b'u' {
                let _ = write!(Text(self.out), "{:04x}", rest[at]);
            }
            rest = &rest[at + 1..];
        }
        self.out.extend_from_slice(rest);
        self.out.push(b'"');
    }

    fn signed(&mut self, value: i64) {
        if value < 0 {
            self.out.push(b'-');
        }
        self.unsigned(value.unsigned_abs());
    }

    fn unsigned(&mut self, mut value: u64) {
        let mut digits = [0; 20];
        let mut at = digits.len();
        loop {
            at -= 1;
            digits[at] = b'0' + (value % 10) as u8;
            value /= 10;
            if value == 0 {
                break;
            }
        }
        self.out.extend_from_slice(&digits[at..]);
    }

    /// A float in its shortest form, with an exponent where Go would write one; `wide` is the same value in 64 bits.
    fn float(&mut self, wide: f64, value: impl fmt::Display + fmt::LowerExp) {
        if wide.is_nan() {
            return self.quoted("NaN");
        }
        if wide.is_infinite() {
            return self.quoted(if wide < 0.0 { "-Infinity" } else { "Infinity" });
        }
        let size = wide.abs();
        // Writing to a vector cannot fail.
        let _ = if size != 0.0 && !(1e-6..1e21).contains(&size) {
            let text = format!("{value:e}");
            let sign = if size > 1.0 { "e+" } else { "e" };
            Text(self.out).write_str(&text.replace('e', sign))
        } else {
            write!(Text(self.out), "{value}")
        };
    }
}

/// Formatting into bytes.
struct Text<'out>(&'out mut Vec<u8>);

impl fmt::Write for Text<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.0.extend_from_slice(text.as_bytes());
        Ok(())
    }
}

/// The elements of a repeated field: one, or many packed together.
enum Elements<'wire> {
    One(Option<Value<'wire>>),
    Packed(Kind, &'wire [u8]),
}

impl<'wire> Elements<'wire> {
    fn new(field: &Field, value: Value<'wire>) -> Self {
        let whole = matches!(field.kind(), Kind::Text | Kind::Bytes | Kind::Nested);
        match value {
            Value::Bytes(bytes) if !whole => Self::Packed(field.kind(), bytes),
            _ => Self::One(Some(value)),
        }
    }
}

impl<'wire> Iterator for Elements<'wire> {
    /// `None` for bytes that are no element.
    type Item = Option<Value<'wire>>;

    fn next(&mut self) -> Option<Self::Item> {
        match self {
            Self::One(value) => value.take().map(Some),
            Self::Packed(_, []) => None,
            Self::Packed(kind, wire) => {
                let value = match kind {
                    Kind::Double => take_array(wire).map(Value::Eight),
                    Kind::Float => take_array(wire).map(Value::Four),
                    _ => decode_varint(wire).ok().map(Value::Varint),
                };
                if value.is_none() {
                    *wire = &[];
                }
                Some(value)
            }
        }
    }
}

/// The fields of a message, in the order of the wire.
fn values<'wire>(message: &'static Message, wire: &'wire [u8]) -> WriteResult<Vec<Span<'wire>>> {
    let mut spans = Vec::new();
    gather(message, wire, &mut spans)?;
    Ok(spans)
}

/// Appends the fields of a message to `spans`, unknown ones left out.
fn gather<'wire>(message: &'static Message, mut wire: &'wire [u8], spans: &mut Vec<Span<'wire>>) -> WriteResult<()> {
    while !wire.is_empty() {
        let (number, value) = take_field(&mut wire).ok_or_else(damaged)?;
        if let Some(place) = message.by_number(number) {
            spans.push(Span { place, value });
        }
    }
    Ok(())
}

fn take_field<'wire>(wire: &mut &'wire [u8]) -> Option<(u32, Value<'wire>)> {
    let tag = decode_varint(wire).ok()?;
    let value = match tag & 7 {
        0 => Value::Varint(decode_varint(wire).ok()?),
        1 => Value::Eight(take_array(wire)?),
        2 => {
            let length = usize::try_from(decode_varint(wire).ok()?).ok()?;
            let (bytes, rest) = wire.split_at_checked(length)?;
            *wire = rest;
            Value::Bytes(bytes)
        }
        5 => Value::Four(take_array(wire)?),
        _ => return None,
    };
    Some((u32::try_from(tag >> 3).ok()?, value))
}

fn take_array<const N: usize>(wire: &mut &[u8]) -> Option<[u8; N]> {
    let (array, rest) = wire.split_first_chunk()?;
    *wire = rest;
    Some(*array)
}

fn unwritable(problem: String) -> Box<Unwritten> {
    Box::new(Unwritten {
        steps: Steps::default(),
        problem,
    })
}

/// Only bytes packed into an `Any` can be damaged: the others were encoded a moment ago.
fn damaged() -> Box<Unwritten> {
    unwritable("the wire bytes are damaged".to_string())
}
