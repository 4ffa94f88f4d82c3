//! A pull reader of JSON text.

use super::error::{Misread, ReadResult, Steps};
use alloc::borrow::Cow;
use alloc::boxed::Box;
use alloc::format;
use alloc::string::String;

/// Values may be nested this deep, as in prost.
pub(super) const DEPTH: usize = 100;

/// A place in a text.
#[derive(Clone)]
pub(super) struct Lexer<'text> {
    text: &'text str,
    at: usize,
}

impl<'text> Lexer<'text> {
    pub(super) fn new(text: &'text str) -> Self {
        // A byte order mark is no JSON, but some editors write one.
        let at = if text.starts_with('\u{feff}') { 3 } else { 0 };
        Self { text, at }
    }

    /// The next byte that is not whitespace, without taking it.
    pub(super) fn peek(&mut self) -> Option<u8> {
        loop {
            match self.text.as_bytes().get(self.at) {
                Some(b' ' | b'\n' | b'\r' | b'\t') => self.at += 1,
                other => return other.copied(),
            }
        }
    }

    /// Takes `byte` if it is next.
    pub(super) fn take(&mut self, byte: u8) -> bool {
        let next = self.peek() == Some(byte);
        self.at += usize::from(next);
        next
    }

    /// The error that something else was expected here.
    pub(super) fn unexpected(&mut self, expected: impl Into<Cow<'static, str>>) -> Box<Misread> {
        let found = self.describe();
        self.misread(expected, found)
    }

    /// The error of a value that begins here.
    pub(super) fn misread(&mut self, expected: impl Into<Cow<'static, str>>, found: String) -> Box<Misread> {
        self.peek();
        Box::new(Misread {
            steps: Steps::default(),
            expected: expected.into(),
            found,
            at: self.at,
        })
    }

    fn describe(&mut self) -> String {
        let Some(next) = self.peek() else {
            return "the end of the text".into();
        };
        match next {
            b'{' => return "an object".into(),
            b'[' => return "an array".into(),
            b'"' => {
                if let Ok(string) = self.clone().string() {
                    let short: String = string.chars().take(40).collect();
                    let dots = if short.len() < string.len() { "…" } else { "" };
                    return format!("the string {short:?}{dots}");
                }
            }
            b'-' | b'0'..=b'9' => {
                if let Ok(number) = self.clone().number() {
                    return format!("the number {number}");
                }
            }
            _ => {}
        }
        for word in ["null", "true", "false"] {
            if self.text[self.at..].starts_with(word) {
                return word.into();
            }
        }
        let letter = self.text[self.at..].chars().next().unwrap_or_default();
        format!("the character {letter:?}")
    }

    /// Nothing may follow but whitespace.
    pub(super) fn end(&mut self) -> ReadResult<()> {
        match self.peek() {
            None => Ok(()),
            Some(_) => Err(self.unexpected("the end of the text")),
        }
    }

    /// Takes `null` if it is next.
    pub(super) fn null(&mut self) -> bool {
        self.peek() == Some(b'n') && self.word("null")
    }

    pub(super) fn boolean(&mut self) -> ReadResult<bool> {
        match self.peek() {
            Some(b't') if self.word("true") => Ok(true),
            Some(b'f') if self.word("false") => Ok(false),
            _ => Err(self.unexpected("true or false")),
        }
    }

    fn word(&mut self, word: &str) -> bool {
        let next = self.text.as_bytes()[self.at..].starts_with(word.as_bytes());
        if next {
            self.at += word.len();
        }
        next
    }

    /// The text of a number.
    pub(super) fn number(&mut self) -> ReadResult<&'text str> {
        self.peek();
        let start = self.at;
        let mut ahead = self.clone();
        ahead.at += usize::from(ahead.byte() == Some(b'-'));
        let mut valid = match ahead.byte() {
            Some(b'0') => {
                ahead.at += 1;
                true
            }
            _ => ahead.digits(),
        };
        if ahead.byte() == Some(b'.') {
            ahead.at += 1;
            valid &= ahead.digits();
        }
        if matches!(ahead.byte(), Some(b'e' | b'E')) {
            ahead.at += 1;
            ahead.at += usize::from(matches!(ahead.byte(), Some(b'+' | b'-')));
            valid &= ahead.digits();
        }
        if !valid {
            let letter = self.text[start..].chars().next();
            let found = letter.map_or("the end of the text".into(), |letter| {
                format!("the character {letter:?}")
            });
            return Err(self.misread("a number", found));
        }
        self.at = ahead.at;
        Ok(&self.text[start..self.at])
    }

    fn byte(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    /// Takes digits and says whether there were any.
    fn digits(&mut self) -> bool {
        let start = self.at;
        while self.byte().is_some_and(|byte| byte.is_ascii_digit()) {
            self.at += 1;
        }
        self.at > start
    }

    pub(super) fn string(&mut self) -> ReadResult<Cow<'text, str>> {
        if self.peek() != Some(b'"') {
            return Err(self.unexpected("a string"));
        }
        let start = self.at;
        let mut piece = start + 1;
        let mut whole: Option<String> = None;
        let mut at = piece;
        let bytes = self.text.as_bytes();
        loop {
            match bytes.get(at) {
                Some(b'"') => {
                    self.at = at + 1;
                    let last = &self.text[piece..at];
                    return Ok(match whole {
                        None => Cow::Borrowed(last),
                        Some(whole) => Cow::Owned(whole + last),
                    });
                }
                Some(b'\\') => {
                    let whole = whole.get_or_insert_with(String::new);
                    whole.push_str(&self.text[piece..at]);
                    self.at = at;
                    let Some(letter) = self.escape() else {
                        return Err(self.misread("a string", "a bad escape in it".into()));
                    };
                    whole.push(letter);
                    at = self.at;
                    piece = at;
                }
                Some(0x20..) => at += 1,
                Some(_) => {
                    self.at = at;
                    return Err(self.misread("a string", "a control character in it".into()));
                }
                None => {
                    self.at = start;
                    return Err(self.misread("a string", "one without an end".into()));
                }
            }
        }
    }

    /// Takes an escape sequence.
    fn escape(&mut self) -> Option<char> {
        let kind = *self.text.as_bytes().get(self.at + 1)?;
        let letter = match kind {
            b'"' | b'\\' | b'/' => char::from(kind),
            b'b' => '\u{8}',
            b'f' => '\u{c}',
            b'n' => '\n',
            b'r' => '\r',
            b't' => '\t',
            b'u' => return self.unicode_escape(),
            _ => return None,
        };
        self.at += 2;
        Some(letter)
    }

    fn unicode_escape(&mut self) -> Option<char> {
        let unit = |at: usize| {
            let escape = self.text.get(at..at + 6)?;
            let digits = escape.strip_prefix("\\u")?;
            let valid = digits.bytes().all(|digit| digit.is_ascii_hexdigit());
            valid.then(|| u32::from_str_radix(digits, 16).ok())?
        };
        let first = unit(self.at)?;
        if let Some(letter) = char::from_u32(first) {
            self.at += 6;
            return Some(letter);
        }
        let second = unit(self.at + 6)?;
        let pair = (0xd800..0xdc00).contains(&first) && (0xdc00..0xe000).contains(&second);
        let letter = pair.then(|| 0x10000 + ((first - 0xd800) << 10) + (second - 0xdc00))?;
        self.at += 12;
        char::from_u32(letter)
    }

    /// Takes the beginning of an object.
    pub(super) fn object(&mut self, expected: &'static str) -> ReadResult<()> {
        match self.take(b'{') {
            true => Ok(()),
            false => Err(self.unexpected(expected)),
        }
    }

    /// The next key of an object, or `None` at its end. `first` is true before the first, and then false.
    pub(super) fn key(&mut self, first: &mut bool) -> ReadResult<Option<Cow<'text, str>>> {
        if self.take(b'}') {
            return Ok(None);
        }
        if !core::mem::replace(first, false) && !self.take(b',') {
            return Err(self.unexpected("`,` or `}`"));
        }
        if self.peek() != Some(b'"') {
            return Err(self.unexpected("a member's name"));
        }
        let key = self.string()?;
        match self.take(b':') {
            true => Ok(Some(key)),
            false => Err(self.unexpected("`:`")),
        }
    }

    /// Whether an array has another element. `first` is true before the first, and then false.
    pub(super) fn element(&mut self, first: &mut bool) -> ReadResult<bool> {
        if self.take(b']') {
            return Ok(false);
        }
        if !core::mem::replace(first, false) && !self.take(b',') {
            return Err(self.unexpected("`,` or `]`"));
        }
        Ok(true)
    }

    /// Passes over a value of any kind.
    pub(super) fn skip(&mut self, depth: usize) -> ReadResult<()> {
        if depth >= DEPTH {
            return Err(self.misread("values nested less deeply", format!("{DEPTH} levels")));
        }
        let mut first = true;
        match self.peek() {
            Some(b'{') => {
                self.at += 1;
                while self.key(&mut first)?.is_some() {
                    self.skip(depth + 1)?;
                }
                Ok(())
            }
            Some(b'[') => {
                self.at += 1;
                while self.element(&mut first)? {
                    self.skip(depth + 1)?;
                }
                Ok(())
            }
            Some(b'"') => self.string().map(drop),
            Some(b't' | b'f') => self.boolean().map(drop),
            Some(b'-' | b'0'..=b'9') => self.number().map(drop),
            _ if self.null() => Ok(()),
            _ => Err(self.unexpected("a value")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Lexer;
    use alloc::format;
    use alloc::string::String;

    fn string(text: &str) -> Option<String> {
        let mut lexer = Lexer::new(text);
        let string = lexer.string().ok()?.into_owned();
        lexer.end().ok().map(|()| string)
    }

    #[test]
    fn strings_are_unescaped() {
        assert_eq!(string(r#" "plain" "#).as_deref(), Some("plain"));
        assert_eq!(
            string(r#""a\"\\\/\b\f\n\r\tz""#).as_deref(),
            Some("a\"\\/\u{8}\u{c}\n\r\tz")
        );
        assert_eq!(string(r#""\u00e9\u4e16\ud83d\ude00é""#).as_deref(), Some("é世😀é"));
        for text in [
            r#""open"#,
            r#""\x""#,
            r#""\u12""#,
            r#""\ud83d""#,
            r#""\ud83d\u0041""#,
            r#""\ude00""#,
            r#""\u+123""#,
            r#""\u12é""#,
            "\"\n\"",
            "plain",
        ] {
            assert_eq!(string(text), None, "{text}");
        }
    }

    #[test]
    fn numbers_follow_the_grammar() {
        for text in ["0", "-0", "12", "1.50", "1e9", "-1.5E-3"] {
            let mut lexer = Lexer::new(text);
            assert_eq!(lexer.number().ok(), Some(text));
            assert!(lexer.end().is_ok());
        }
        for text in ["", "-", ".5", "1.", "1e", "01", "+1", "NaN"] {
            let mut lexer = Lexer::new(text);
            assert!(lexer.number().is_err() || lexer.end().is_err(), "{text}");
        }
    }

    #[test]
    fn values_are_passed_over() {
        let mut lexer = Lexer::new("\u{feff} {\"a\": [1, {}, [], null, true, \"]\"], \"b\": -1.5e3} ");
        lexer.skip(0).unwrap();
        lexer.end().unwrap();
        for text in ["{", "[1,]", "{\"a\"}", "{\"a\":1,}", "[1 2]", "nul", "{a:1}", "", "[}"] {
            assert!(Lexer::new(text).skip(0).is_err(), "{text}");
        }
        let deep = format!("{}{}", "[".repeat(1_000_000), "]".repeat(1_000_000));
        assert!(Lexer::new(&deep).skip(0).is_err());
    }
}
