//! From JSON to wire bytes.

use super::error::{JsonError, ReadResult, Step, Within as _};
use super::lexer::{DEPTH, Lexer};
use super::table::{self, Field, Form, Kind, Label, Message};
use super::{base64, time};
use alloc::borrow::Cow;
use alloc::format;
use alloc::string::{String, ToString as _};
use alloc::vec::Vec;
use prost::encoding::{encode_varint, encoded_len_varint};

/// Appends the wire bytes of the message that `text` describes to `wire`.
pub(super) fn transcode(message: u16, text: &str, wire: &mut Vec<u8>) -> Result<(), JsonError> {
    let mut reader = Reader::new(Lexer::new(text));
    let read = reader.message(message, wire).and_then(|()| reader.lexer.end());
    read.map_err(|misread| misread.into_error(text))
}

/// Reads messages at the place of a lexer.
pub(super) struct Reader<'text> {
    pub(super) lexer: Lexer<'text>,
    depth: usize,
}

impl<'text> Reader<'text> {
    pub(super) fn new(lexer: Lexer<'text>) -> Self {
        Self { lexer, depth: 0 }
    }

    /// Reads one message.
    pub(super) fn message(&mut self, index: u16, wire: &mut Vec<u8>) -> ReadResult<()> {
        if self.depth == DEPTH {
            return Err(self
                .lexer
                .misread("messages nested less deeply", format!("{DEPTH} levels")));
        }
        self.depth += 1;
        let message = table::message(index);
        match message.form() {
            Form::Plain | Form::Empty => self.object(message, wire)?,
            Form::Wrapper => self.value(&message.fields()[0], wire)?,
            Form::Any => self.any(wire)?,
            Form::Duration => {
                let (seconds, nanos) = self.parsed("a duration such as \"1.5s\"", time::parse_duration)?;
                two_numbers(seconds, nanos, wire);
            }
            Form::Timestamp => {
                let expected = "a timestamp such as \"2006-01-02T15:04:05Z\"";
                let (seconds, nanos) = self.parsed(expected, time::parse_timestamp)?;
                two_numbers(seconds, nanos, wire);
            }
            Form::FieldMask => self.field_mask(wire)?,
        }
        self.depth -= 1;
        Ok(())
    }

    fn object(&mut self, message: &'static Message, wire: &mut Vec<u8>) -> ReadResult<()> {
        self.lexer.object("an object")?;
        let mut first = true;
        let mut hint = 0;
        while let Some(key) = self.lexer.key(&mut first)? {
            match message.by_name(&key, hint) {
                Some(place) => {
                    let field = &message.fields()[place];
                    self.field(field, wire).within(|| Step::Field(field.name()))?;
                    hint = place + 1;
                }
                None => self.unknown(&key)?,
            }
        }
        Ok(())
    }

    fn unknown(&mut self, key: &str) -> ReadResult<()> {
        self.lexer.skip(self.depth).within(|| Step::Key(key.to_string()))
    }

    /// Reads the value of a member.
    fn field(&mut self, field: &'static Field, wire: &mut Vec<u8>) -> ReadResult<()> {
        if self.lexer.null() {
            return Ok(());
        }
        match field.label() {
            Label::One => self.value(field, wire),
            Label::Many => {
                if !self.lexer.take(b'[') {
                    return Err(self.lexer.unexpected("an array"));
                }
                let mut first = true;
                let mut index = 0;
                while self.lexer.element(&mut first)? {
                    self.value(field, wire).within(|| Step::Index(index))?;
                    index += 1;
                }
                Ok(())
            }
            Label::Map => {
                self.lexer.object("an object")?;
                let (key_field, value_field) = field.entry();
                let mut first = true;
                while let Some(key) = self.lexer.key(&mut first)? {
                    tag(field, 2, wire);
                    let start = wire.len();
                    self.map_key(key_field, &key, wire)?;
                    self.field(value_field, wire)
                        .within(|| Step::Key(key.clone().into_owned()))?;
                    close(start, wire);
                }
                Ok(())
            }
        }
    }

    fn map_key(&mut self, field: &'static Field, key: &str, wire: &mut Vec<u8>) -> ReadResult<()> {
        if field.kind() == Kind::Text {
            bytes(field, key.as_bytes(), wire);
            return Ok(());
        }
        let value = match field.kind() {
            Kind::Bool => key.parse::<bool>().ok().map(u64::from),
            Kind::Int32 => key.parse::<i32>().ok().map(|key| i64::from(key).cast_unsigned()),
            Kind::Int64 => key.parse::<i64>().ok().map(i64::cast_unsigned),
            Kind::Uint32 => key.parse::<u32>().ok().map(u64::from),
            _ => key.parse::<u64>().ok(),
        };
        let Some(value) = value else {
            return Err(self
                .lexer
                .misread("a whole number as the key", format!("the key {key:?}")));
        };
        varint(field, value, wire);
        Ok(())
    }

    /// Reads one value and writes it with its tag.
    fn value(&mut self, field: &'static Field, wire: &mut Vec<u8>) -> ReadResult<()> {
        match field.kind() {
            Kind::Bool => varint(field, u64::from(self.lexer.boolean()?), wire),
            Kind::Int32 => {
                let value = self.integer("a 32-bit integer", i32::MIN.into(), i32::MAX.into())?;
                varint(field, (value as i64).cast_unsigned(), wire);
            }
            Kind::Int64 => {
                let value = self.integer("a 64-bit integer", i64::MIN.into(), i64::MAX.into())?;
                varint(field, (value as i64).cast_unsigned(), wire);
            }
            Kind::Uint32 => {
                let value = self.integer("a 32-bit integer of at least 0", 0, u32::MAX.into())?;
                varint(field, value as u64, wire);
            }
            Kind::Uint64 => {
                let value = self.integer("a 64-bit integer of at least 0", 0, u64::MAX.into())?;
                varint(field, value as u64, wire);
            }
            Kind::Enumeration => {
                if let Some(number) = self.enumeration(field)? {
                    varint(field, i64::from(number).cast_unsigned(), wire);
                }
            }
            Kind::Double => {
                let value: f64 = self.float()?;
                tag(field, 1, wire);
                wire.extend_from_slice(&value.to_le_bytes());
            }
            Kind::Float => {
                let value: f32 = self.float()?;
                tag(field, 5, wire);
                wire.extend_from_slice(&value.to_le_bytes());
            }
            Kind::Text => bytes(field, self.lexer.string()?.as_bytes(), wire),
            Kind::Bytes => {
                tag(field, 2, wire);
                let start = wire.len();
                self.parsed("bytes in base64", |text| base64::decode(text, wire))?;
                close(start, wire);
            }
            Kind::Nested => {
                tag(field, 2, wire);
                let start = wire.len();
                self.message(field.target(), wire)?;
                close(start, wire);
            }
        }
        Ok(())
    }

    /// Reads a string that `parse` understands.
    fn parsed<T>(&mut self, expected: &'static str, parse: impl FnOnce(&str) -> Option<T>) -> ReadResult<T> {
        let mut before = self.lexer.clone();
        if self.lexer.peek() != Some(b'"') {
            return Err(self.lexer.unexpected(expected));
        }
        let string = self.lexer.string()?;
        parse(&string).ok_or_else(|| before.unexpected(expected))
    }

    /// The text of a number, bare or in a string.
    fn numeric(&mut self, expected: &'static str) -> ReadResult<Cow<'text, str>> {
        match self.lexer.peek() {
            Some(b'"') => self.lexer.string(),
            Some(b'-' | b'0'..=b'9') => self.lexer.number().map(Cow::Borrowed),
            _ => Err(self.lexer.unexpected(expected)),
        }
    }

    fn integer(&mut self, expected: &'static str, least: i128, most: i128) -> ReadResult<i128> {
        let mut before = self.lexer.clone();
        let text = self.numeric(expected)?;
        let plain = text.parse::<i64>().ok().map(i128::from);
        plain
            .or_else(|| unusual_integer(&text))
            .filter(|value| (least..=most).contains(value))
            .ok_or_else(|| before.unexpected(expected))
    }

    fn float<T: FromFloat>(&mut self) -> ReadResult<T> {
        let mut before = self.lexer.clone();
        let text = self.numeric("a number")?;
        let value = match &*text {
            "NaN" => Some(T::from(f32::NAN)),
            "Infinity" => Some(T::from(f32::INFINITY)),
            "-Infinity" => Some(T::from(f32::NEG_INFINITY)),
            // Rust would also read "inf" and "nan", and overflow to infinity.
            text => text.parse().ok().filter(|value: &T| value.finite()),
        };
        value.ok_or_else(|| before.unexpected("a number"))
    }

    /// The number of an enum; `None` for a name that is unknown here.
    fn enumeration(&mut self, field: &'static Field) -> ReadResult<Option<i32>> {
        match self.lexer.peek() {
            Some(b'"') => {
                let name = self.lexer.string()?;
                let number = field.enumeration().number(&name);
                Ok(number.or_else(|| name.parse().ok()))
            }
            _ => {
                let value = self.integer("the name of an enum value", i32::MIN.into(), i32::MAX.into())?;
                Ok(Some(value as i32))
            }
        }
    }

    fn field_mask(&mut self, wire: &mut Vec<u8>) -> ReadResult<()> {
        if self.lexer.peek() != Some(b'"') {
            return Err(self.lexer.unexpected("field paths in a string, separated by commas"));
        }
        let paths = self.lexer.string()?;
        for path in paths.split(',').filter(|path| !path.is_empty()) {
            let mut snake = String::new();
            for letter in path.chars() {
                if letter.is_ascii_uppercase() {
                    snake.push('_');
                }
                snake.push(letter.to_ascii_lowercase());
            }
            encode_varint(1 << 3 | 2, wire);
            encode_varint(snake.len() as u64, wire);
            wire.extend_from_slice(snake.as_bytes());
        }
        Ok(())
    }

    /// Reads an `Any`: the members of the packed message beside `@type`, or its JSON under `value`.
    fn any(&mut self, wire: &mut Vec<u8>) -> ReadResult<()> {
        let Some(url) = self.type_url()? else {
            // `{}` is an `Any` that holds nothing.
            return self.lexer.skip(self.depth);
        };
        let name = url.rsplit_once('/').map_or(&*url, |(_, name)| name);
        let Some(index) = table::find(name) else {
            let found = format!("{url:?}");
            return Err(self.lexer.misread("a known type under \"@type\"", found));
        };
        let mut value = Vec::new();
        match table::message(index).form() {
            Form::Plain | Form::Empty => self.message(index, &mut value)?,
            _ => self.value_member(index, &mut value)?,
        }
        let fields = table::message(table::find("google.protobuf.Any").unwrap_or_default()).fields();
        bytes(&fields[0], url.as_bytes(), wire);
        if !value.is_empty() {
            bytes(&fields[1], &value, wire);
        }
        Ok(())
    }

    /// Looks ahead for the member `@type` of an object.
    fn type_url(&mut self) -> ReadResult<Option<Cow<'text, str>>> {
        let mut ahead = self.lexer.clone();
        ahead.object("an object with \"@type\"")?;
        let (mut first, mut empty) = (true, true);
        while let Some(key) = ahead.key(&mut first)? {
            if key == "@type" {
                return ahead.string().map(Some);
            }
            empty = false;
            ahead.skip(self.depth)?;
        }
        match empty {
            true => Ok(None),
            false => Err(self.lexer.misread("an object with \"@type\"", "one without".into())),
        }
    }

    fn value_member(&mut self, index: u16, wire: &mut Vec<u8>) -> ReadResult<()> {
        self.lexer.object("an object")?;
        let mut first = true;
        while let Some(key) = self.lexer.key(&mut first)? {
            match &*key {
                "value" if self.lexer.null() => {}
                "value" => self.message(index, wire).within(|| Step::Field("value"))?,
                _ => self.unknown(&key)?,
            }
        }
        Ok(())
    }
}

/// Integers that do not fit 64 bits with a sign, or are written like `1.0` or `1e3`.
fn unusual_integer(text: &str) -> Option<i128> {
    if let Ok(value) = text.parse::<u64>() {
        return Some(i128::from(value));
    }
    // Rust reads "inf" too, which is not a whole number.
    let value = text.parse::<f64>().ok()?;
    let whole = value as i128;
    (value.is_finite() && whole as f64 == value).then_some(whole)
}

/// `f32` and `f64`.
trait FromFloat: core::str::FromStr + From<f32> + Copy {
    fn finite(&self) -> bool;
}

impl FromFloat for f32 {
    fn finite(&self) -> bool {
        self.is_finite()
    }
}

impl FromFloat for f64 {
    fn finite(&self) -> bool {
        self.is_finite()
    }
}

fn tag(field: &Field, wire_type: u32, wire: &mut Vec<u8>) {
    encode_varint(u64::from(field.number() << 3 | wire_type), wire);
}

fn varint(field: &Field, value: u64, wire: &mut Vec<u8>) {
    tag(field, 0, wire);
    encode_varint(value, wire);
}

fn bytes(field: &Field, value: &[u8], wire: &mut Vec<u8>) {
    tag(field, 2, wire);
    encode_varint(value.len() as u64, wire);
    wire.extend_from_slice(value);
}

/// Puts the length before what was written since `start`.
fn close(start: usize, wire: &mut Vec<u8>) {
    let end = wire.len();
    let length = (end - start) as u64;
    let width = encoded_len_varint(length);
    // The varint lands at the end, and is turned to the front.
    encode_varint(length, wire);
    if width < end - start {
        let mut front = [0; 10];
        front[..width].copy_from_slice(&wire[end..]);
        wire.copy_within(start..end, start + width);
        wire[start..start + width].copy_from_slice(&front[..width]);
    } else {
        wire[start..].rotate_right(width);
    }
}

/// The fields of a timestamp or duration.
fn two_numbers(seconds: i64, nanos: i32, wire: &mut Vec<u8>) {
    for (number, value) in [(1, seconds), (2, i64::from(nanos))] {
        if value != 0 {
            encode_varint(number << 3, wire);
            encode_varint(value.cast_unsigned(), wire);
        }
    }
}
