//! Splits a query into tokens, which know where they end: syntax errors report that place.

/// One token and the number of bytes of the query up to its end.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Token {
    pub(super) kind: Kind,
    pub(super) end: usize,
}

/// What a token is.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Kind {
    /// A name, back-ticked or bare.
    Name(String),
    /// A reserved word, in lower case.
    Word(&'static str),
    /// A quoted string, unescaped.
    Text(String),
    /// A number of decimal digits.
    Integer(String),
    /// A number with a point or an exponent.
    Float(String),
    /// `b'101'`, the digits alone.
    Bits(String),
    /// A literal that is known to the grammar but has no value: `0x57`, `:name`, `?`.
    Opaque(String),
    /// An operator or a bracket.
    Symbol(&'static str),
    /// What no token can start with or that does not end; holds what a message shows of it.
    Invalid(String),
    /// The end of the query.
    End,
}

impl Kind {
    /// The part of a syntax error that shows the token.
    pub(super) fn near(&self) -> Option<&str> {
        match self {
            Kind::Name(text)
            | Kind::Text(text)
            | Kind::Integer(text)
            | Kind::Float(text)
            | Kind::Bits(text)
            | Kind::Opaque(text)
            | Kind::Invalid(text) => Some(text),
            // Only words of statements are remembered by the server's tokenizer, its own markers are not.
            Kind::Word("values" | "interval") | Kind::Symbol(_) | Kind::End => None,
            Kind::Word(word) => Some(word),
        }
    }
}

/// Words that are never names.
const RESERVED: &[&str] = &[
    "and",
    "as",
    "asc",
    "between",
    "binary",
    "by",
    "case",
    "collate",
    "convert",
    "create",
    "cross",
    "current_date",
    "current_time",
    "current_timestamp",
    "database",
    "databases",
    "default",
    "delete",
    "desc",
    "describe",
    "distinct",
    "div",
    "drop",
    "else",
    "end",
    "escape",
    "exists",
    "explain",
    "false",
    "for",
    "force",
    "from",
    "group",
    "having",
    "if",
    "ignore",
    "in",
    "index",
    "inner",
    "insert",
    "interval",
    "into",
    "is",
    "join",
    "key",
    "left",
    "like",
    "limit",
    "localtime",
    "localtimestamp",
    "lock",
    "match",
    "maxvalue",
    "mod",
    "natural",
    "next",
    "not",
    "null",
    "on",
    "or",
    "order",
    "outer",
    "procedure",
    "regexp",
    "rename",
    "replace",
    "right",
    "rlike",
    "schema",
    "select",
    "separator",
    "set",
    "show",
    "starts_with",
    "straight_join",
    "substr",
    "substring",
    "table",
    "tables",
    "then",
    "to",
    "true",
    "union",
    "unique",
    "update",
    "use",
    "using",
    "utc_date",
    "utc_time",
    "utc_timestamp",
    "values",
    "when",
    "where",
    "xor",
];

/// Longest first: the first that fits is taken.
const SYMBOLS: &[&str] = &[
    "<=>", "->>", "<=", ">=", "!=", "<>", "<<", ">>", "->", "&&", "||", "=", "<", ">", "(", ")", ",", ".", ";", "+",
    "-", "*", "/", "%", "&", "|", "^", "~", "!",
];

/// The tokens of a query; the last is [`Kind::End`], or [`Kind::Invalid`] where reading stopped.
pub(super) fn tokens(query: &str) -> Vec<Token> {
    let mut lexer = Lexer {
        query,
        at: 0,
        placeholders: 0,
    };
    let mut tokens = Vec::new();
    loop {
        let kind = lexer.next_kind();
        let last = matches!(kind, Kind::End | Kind::Invalid(_));
        tokens.push(Token { kind, end: lexer.at });
        if last {
            return tokens;
        }
    }
}

struct Lexer<'q> {
    query: &'q str,
    at: usize,
    placeholders: u32,
}

impl Lexer<'_> {
    fn rest(&self) -> &str {
        &self.query[self.at..]
    }

    fn next_kind(&mut self) -> Kind {
        self.skip_blanks();
        let Some(first) = self.rest().chars().next() else {
            return Kind::End;
        };
        if let Some(quoted) = self
            .rest()
            .strip_prefix(['b', 'B'])
            .and_then(|rest| rest.strip_prefix('\''))
        {
            let digits = quoted.bytes().take_while(|byte| matches!(byte, b'0' | b'1')).count();
            if digits > 0 && quoted[digits..].starts_with('\'') {
                let bits = quoted[..digits].to_owned();
                self.at += digits + 3;
                return Kind::Bits(bits);
            }
        }
        match first {
            'a'..='z' | 'A'..='Z' | '_' | '@' => self.name(),
            '0'..='9' => self.number(),
            '.' if self.rest()[1..].starts_with(|c: char| c.is_ascii_digit()) => self.number(),
            '\'' | '"' => self.quoted(first),
            '`' => self.back_ticked(),
            '?' => {
                self.at += 1;
                self.placeholders += 1;
                Kind::Opaque(format!(":v{}", self.placeholders))
            }
            ':' => {
                let length = 1 + self.rest()[1..].bytes().take_while(|byte| is_name_byte(*byte)).count();
                self.take(length, |text| {
                    if length > 1 {
                        Kind::Opaque(text)
                    } else {
                        Kind::Invalid(text)
                    }
                })
            }
            _ => match SYMBOLS.iter().find(|symbol| self.rest().starts_with(**symbol)) {
                Some(symbol) => {
                    self.at += symbol.len();
                    Kind::Symbol(symbol)
                }
                None => {
                    let length = first.len_utf8();
                    let end = self.at + 1;
                    let kind = self.take(length, Kind::Invalid);
                    // The server reads bytes: the first of a longer character is already wrong.
                    self.at = end;
                    match kind {
                        Kind::Invalid(_) if length > 1 => Kind::Invalid(char::REPLACEMENT_CHARACTER.to_string()),
                        kind => kind,
                    }
                }
            },
        }
    }

    fn take(&mut self, length: usize, make: impl FnOnce(String) -> Kind) -> Kind {
        let text = self.rest()[..length].to_owned();
        self.at += length;
        make(text)
    }

    fn skip_blanks(&mut self) {
        loop {
            let rest = self.rest();
            let length = if rest.starts_with(|c: char| c.is_ascii_whitespace()) {
                1
            } else if rest.starts_with("--") || rest.starts_with("//") {
                rest.find('\n').unwrap_or(rest.len())
            } else if rest.starts_with("/*") {
                rest.find("*/").map_or(rest.len(), |end| end + 2)
            } else {
                return;
            };
            self.at += length;
        }
    }

    fn name(&mut self) -> Kind {
        let length = self.rest().bytes().take_while(|byte| is_name_byte(*byte)).count();
        self.take(length, |text| {
            match RESERVED.iter().find(|word| word.eq_ignore_ascii_case(&text)) {
                Some(word) => Kind::Word(word),
                None => Kind::Name(text),
            }
        })
    }

    fn number(&mut self) -> Kind {
        let bytes = self.rest().as_bytes();
        let digits = |from: usize| {
            from + bytes[from.min(bytes.len())..]
                .iter()
                .take_while(|b| b.is_ascii_digit())
                .count()
        };
        if bytes.len() > 2 && bytes[0] == b'0' && matches!(bytes[1], b'x' | b'X') {
            let length = 2 + bytes[2..].iter().take_while(|byte| byte.is_ascii_hexdigit()).count();
            return self.take(length, Kind::Opaque);
        }
        let mut length = digits(0);
        let mut float = false;
        if bytes.get(length) == Some(&b'.') {
            float = true;
            length = digits(length + 1);
        }
        if matches!(bytes.get(length), Some(b'e' | b'E')) {
            let signed = length + 1 + usize::from(matches!(bytes.get(length + 1), Some(b'+' | b'-')));
            let end = digits(signed);
            if end > signed {
                float = true;
                length = end;
            }
        }
        if bytes
            .get(length)
            .is_some_and(|byte| byte.is_ascii_alphabetic() || *byte == b'_')
        {
            return self.take(length, Kind::Invalid);
        }
        self.take(length, if float { Kind::Float } else { Kind::Integer })
    }

    fn quoted(&mut self, quote: char) -> Kind {
        let mut text = String::new();
        let mut chars = self.rest().char_indices().skip(1).peekable();
        let mut end = None;
        while let Some((at, c)) = chars.next() {
            if c == quote {
                if chars.next_if(|(_, next)| *next == quote).is_none() {
                    end = Some(at + 1);
                    break;
                }
                text.push(quote);
            } else if c == '\\' {
                let Some((_, escaped)) = chars.next() else { break };
                text.push(match escaped {
                    '0' => '\0',
                    'b' => '\u{8}',
                    'n' => '\n',
                    'r' => '\r',
                    't' => '\t',
                    'Z' => '\u{1a}',
                    other => other,
                });
            } else {
                text.push(c);
            }
        }
        match end {
            Some(end) => {
                self.at += end;
                Kind::Text(text)
            }
            None => {
                self.at = self.query.len();
                Kind::Invalid(text)
            }
        }
    }

    fn back_ticked(&mut self) -> Kind {
        let rest = &self.rest()[1..];
        match rest.find('`') {
            Some(0) | None => {
                let text = rest.to_owned();
                self.at = self.query.len();
                Kind::Invalid(text)
            }
            Some(length) => {
                let name = rest[..length].to_owned();
                self.at += length + 2;
                Kind::Name(name)
            }
        }
    }
}

fn is_name_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'@' | b'$')
}
