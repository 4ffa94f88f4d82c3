//! Reads the tokens of a query into a tree, as far as the grammar goes; what the tree means is checked afterwards.

use super::QueryError;
use super::lexer::{Kind, Token, tokens};

/// How deeply brackets and NOTs may nest.
const MAX_DEPTH: usize = 64;

/// A whole query.
#[derive(Debug, Default)]
pub(super) struct Statement {
    pub(super) filter: Option<Expr>,
    pub(super) group_by: Vec<Expr>,
    pub(super) order_by: Vec<Expr>,
    pub(super) limit: bool,
}

/// A node of the tree; conditions and values are not told apart by the grammar.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Expr {
    And(Vec<Expr>),
    Or(Vec<Expr>),
    Not(Box<Expr>),
    Paren(Box<Expr>),
    Compare {
        operator: Operator,
        left: Box<Expr>,
        right: Box<Expr>,
    },
    Between {
        not: bool,
        left: Box<Expr>,
        from: Box<Expr>,
        to: Box<Expr>,
    },
    Is {
        left: Box<Expr>,
        what: Is,
    },
    Column(String),
    Literal(Literal),
    Null,
    Bool(bool),
    Tuple(Vec<Expr>),
    Unary(&'static str, Box<Expr>),
    Function,
    /// What the grammar knows and no filter may hold, by the name messages give it.
    Other(&'static str),
}

/// A literal as written.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Literal {
    Text(String),
    Integer(String),
    Float(String),
    Opaque(String),
}

/// What follows `IS`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Is {
    Null,
    NotNull,
    /// TRUE, FALSE and their opposites.
    Truth,
}

/// An operator between two values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Operator {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    In,
    NotIn,
    StartsWith,
    NotStartsWith,
    /// LIKE, REGEXP and `<=>`, which nothing supports.
    Refused(&'static str),
}

impl Operator {
    /// The operator as messages show it.
    pub(super) fn text(self) -> &'static str {
        match self {
            Operator::Equal => "=",
            Operator::NotEqual => "!=",
            Operator::Less => "<",
            Operator::LessOrEqual => "<=",
            Operator::Greater => ">",
            Operator::GreaterOrEqual => ">=",
            Operator::In => "IN",
            Operator::NotIn => "NOT IN",
            Operator::StartsWith => "STARTS_WITH",
            Operator::NotStartsWith => "NOT STARTS_WITH",
            Operator::Refused(text) => text,
        }
    }
}

/// Reads a query. Syntax errors carry the place the real server would report: it puts a SELECT in front of the query.
pub(super) fn parse(query: &str) -> Result<Statement, QueryError> {
    let query = query.trim();
    let lower = query.get(..9).unwrap_or(query).to_ascii_lowercase();
    let headless = lower.starts_with("order by") || lower.starts_with("group by");
    let mut parser = Parser {
        tokens: tokens(query),
        next: 0,
        depth: 0,
        offset: if headless { 20 } else { 26 },
    };
    parser.statement(query.is_empty() || headless)
}

struct Parser {
    tokens: Vec<Token>,
    next: usize,
    depth: usize,
    offset: usize,
}

type Parsed<T> = Result<T, QueryError>;

impl Parser {
    fn peek(&self) -> &Kind {
        // The last token is End or Invalid and is never stepped over.
        &self.tokens[self.next.min(self.tokens.len() - 1)].kind
    }

    fn peek_second(&self) -> &Kind {
        &self.tokens[(self.next + 1).min(self.tokens.len() - 1)].kind
    }

    fn bump(&mut self) {
        self.next = (self.next + 1).min(self.tokens.len() - 1);
    }

    fn eat_word(&mut self, word: &str) -> bool {
        let found = matches!(self.peek(), Kind::Word(found) if *found == word);
        if found {
            self.bump();
        }
        found
    }

    fn eat_symbol(&mut self, symbol: &str) -> bool {
        let found = matches!(self.peek(), Kind::Symbol(found) if *found == symbol);
        if found {
            self.bump();
        }
        found
    }

    fn expect_word(&mut self, word: &str) -> Parsed<()> {
        if self.eat_word(word) {
            Ok(())
        } else {
            Err(self.syntax_error())
        }
    }

    fn expect_symbol(&mut self, symbol: &str) -> Parsed<()> {
        if self.eat_symbol(symbol) {
            Ok(())
        } else {
            Err(self.syntax_error())
        }
    }

    fn syntax_error(&self) -> QueryError {
        let token = &self.tokens[self.next.min(self.tokens.len() - 1)];
        let near = token
            .kind
            .near()
            .map(|near| format!(" near '{near}'"))
            .unwrap_or_default();
        QueryError(format!(
            "malformed SQL query: syntax error at position {}{near}",
            self.offset + token.end + 2
        ))
    }

    fn nested<T>(&mut self, parse: impl FnOnce(&mut Self) -> Parsed<T>) -> Parsed<T> {
        if self.depth == MAX_DEPTH {
            return Err(QueryError::expression("the query nests too deeply"));
        }
        self.depth += 1;
        let result = parse(self);
        self.depth -= 1;
        result
    }

    fn statement(&mut self, headless: bool) -> Parsed<Statement> {
        let mut statement = Statement::default();
        if !headless {
            statement.filter = Some(self.expression()?);
        }
        if self.eat_word("group") {
            self.expect_word("by")?;
            statement.group_by = self.list()?;
        }
        if self.eat_word("having") {
            // Accepted and ignored, as on the real server.
            self.expression()?;
        }
        if self.eat_word("order") {
            self.expect_word("by")?;
            loop {
                statement.order_by.push(self.expression()?);
                let _ = self.eat_word("asc") || self.eat_word("desc");
                if !self.eat_symbol(",") {
                    break;
                }
            }
        }
        if self.eat_word("limit") {
            statement.limit = true;
            self.list()?;
        }
        self.locking()?;
        self.eat_symbol(";");
        if *self.peek() == Kind::End {
            Ok(statement)
        } else {
            Err(self.syntax_error())
        }
    }

    /// `FOR UPDATE` and `LOCK IN SHARE MODE` are accepted and mean nothing.
    fn locking(&mut self) -> Parsed<()> {
        if self.eat_word("for") {
            return self.expect_word("update");
        }
        if self.eat_word("lock") {
            self.expect_word("in")?;
            for word in ["share", "mode"] {
                match self.peek() {
                    Kind::Name(name) if name.eq_ignore_ascii_case(word) => self.bump(),
                    _ => return Err(self.syntax_error()),
                }
            }
        }
        Ok(())
    }

    fn list(&mut self) -> Parsed<Vec<Expr>> {
        let mut items = vec![self.expression()?];
        while self.eat_symbol(",") {
            items.push(self.expression()?);
        }
        Ok(items)
    }

    fn expression(&mut self) -> Parsed<Expr> {
        self.nested(|parser| {
            let first = parser.conjunction()?;
            let mut rest = Vec::new();
            while parser.eat_word("or") || parser.eat_symbol("||") {
                rest.push(parser.conjunction()?);
            }
            Ok(chain(first, rest, Expr::Or))
        })
    }

    fn conjunction(&mut self) -> Parsed<Expr> {
        let first = self.negation()?;
        let mut rest = Vec::new();
        while self.eat_word("and") || self.eat_symbol("&&") {
            rest.push(self.negation()?);
        }
        Ok(chain(first, rest, Expr::And))
    }

    fn negation(&mut self) -> Parsed<Expr> {
        if !self.eat_word("not") {
            return self.condition();
        }
        self.nested(|parser| Ok(Expr::Not(Box::new(parser.negation()?))))
    }

    fn condition(&mut self) -> Parsed<Expr> {
        if self.eat_word("exists") {
            self.expect_symbol("(")?;
            self.skip_brackets()?;
            return Ok(Expr::Other("*sqlparser.ExistsExpr"));
        }
        if self.eat_word("default") {
            return Ok(Expr::Other("*sqlparser.Default"));
        }
        let left = self.value()?;
        let condition = self.comparison(left)?;
        if !self.eat_word("is") {
            return Ok(condition);
        }
        let not = self.eat_word("not");
        let what = if self.eat_word("null") {
            if not { Is::NotNull } else { Is::Null }
        } else if self.eat_word("true") || self.eat_word("false") {
            Is::Truth
        } else {
            return Err(self.syntax_error());
        };
        Ok(Expr::Is {
            left: Box::new(condition),
            what,
        })
    }

    fn comparison(&mut self, left: Expr) -> Parsed<Expr> {
        let not = self.eat_word("not");
        let operator = match self.peek() {
            Kind::Symbol("=") if !not => Operator::Equal,
            Kind::Symbol("!=" | "<>") if !not => Operator::NotEqual,
            Kind::Symbol("<") if !not => Operator::Less,
            Kind::Symbol("<=") if !not => Operator::LessOrEqual,
            Kind::Symbol(">") if !not => Operator::Greater,
            Kind::Symbol(">=") if !not => Operator::GreaterOrEqual,
            Kind::Symbol("<=>") if !not => Operator::Refused("<=>"),
            Kind::Word("in") => {
                self.bump();
                self.expect_symbol("(")?;
                let items = if matches!(self.peek(), Kind::Word("select")) {
                    self.skip_brackets()?;
                    Expr::Other("*sqlparser.Subquery")
                } else {
                    let items = self.list()?;
                    self.expect_symbol(")")?;
                    Expr::Tuple(items)
                };
                let operator = if not { Operator::NotIn } else { Operator::In };
                return Ok(compare(operator, left, items));
            }
            Kind::Word("between") => return self.between(left, not),
            Kind::Word("starts_with") if not => Operator::NotStartsWith,
            Kind::Word("starts_with") => Operator::StartsWith,
            Kind::Word("like") => Operator::Refused(if not { "NOT LIKE" } else { "LIKE" }),
            Kind::Word("regexp" | "rlike") => Operator::Refused(if not { "NOT REGEXP" } else { "REGEXP" }),
            _ if not => return Err(self.syntax_error()),
            _ => return Ok(left),
        };
        self.bump();
        let right = self.value()?;
        Ok(compare(operator, left, right))
    }

    fn between(&mut self, left: Expr, not: bool) -> Parsed<Expr> {
        self.bump();
        let from = self.value()?;
        self.expect_word("and")?;
        let to = self.value()?;
        Ok(Expr::Between {
            not,
            left: Box::new(left),
            from: Box::new(from),
            to: Box::new(to),
        })
    }

    fn value(&mut self) -> Parsed<Expr> {
        let mut left = self.unary()?;
        loop {
            match self.peek() {
                Kind::Symbol("+" | "-" | "*" | "/" | "%" | "&" | "|" | "^" | "<<" | ">>" | "->" | "->>")
                | Kind::Word("div" | "mod") => {
                    self.bump();
                    self.unary()?;
                    left = Expr::Other("*sqlparser.BinaryExpr");
                }
                Kind::Word("collate") => {
                    self.bump();
                    self.bump();
                    left = Expr::Other("*sqlparser.CollateExpr");
                }
                _ => return Ok(left),
            }
        }
    }

    fn unary(&mut self) -> Parsed<Expr> {
        let sign = match self.peek() {
            Kind::Symbol(symbol @ ("-" | "+" | "~" | "!")) => *symbol,
            Kind::Word("binary") => "binary ",
            _ => return self.primary(),
        };
        self.bump();
        let operand = self.nested(Self::unary)?;
        Ok(match (sign, operand) {
            ("-", Expr::Literal(Literal::Integer(digits))) => Expr::Literal(Literal::Integer(negated(digits))),
            ("-", Expr::Literal(Literal::Float(digits))) => Expr::Literal(Literal::Float(negated(digits))),
            ("+", number @ Expr::Literal(Literal::Integer(_) | Literal::Float(_))) => number,
            (sign, operand) => Expr::Unary(sign, Box::new(operand)),
        })
    }

    fn primary(&mut self) -> Parsed<Expr> {
        let kind = self.peek().clone();
        let expr = match kind {
            Kind::Text(text) => Expr::Literal(Literal::Text(text)),
            Kind::Integer(digits) => Expr::Literal(Literal::Integer(digits)),
            Kind::Float(digits) => Expr::Literal(Literal::Float(digits)),
            Kind::Bits(bits) => Expr::Literal(Literal::Integer(bits)),
            Kind::Opaque(text) => Expr::Literal(Literal::Opaque(text)),
            Kind::Word("null") => Expr::Null,
            Kind::Word("true") => Expr::Bool(true),
            Kind::Word("false") => Expr::Bool(false),
            Kind::Word(
                "current_date" | "current_time" | "current_timestamp" | "localtime" | "localtimestamp" | "utc_date"
                | "utc_time" | "utc_timestamp" | "if" | "left" | "right" | "replace" | "convert" | "substr"
                | "substring" | "database" | "schema" | "match",
            ) => return self.word_function(),
            Kind::Word("case") => return self.case(),
            Kind::Word("values") => {
                self.bump();
                self.expect_symbol("(")?;
                self.skip_brackets()?;
                return Ok(Expr::Other("*sqlparser.ValuesFuncExpr"));
            }
            Kind::Word("interval") => {
                self.bump();
                self.value()?;
                if !matches!(self.peek(), Kind::Name(_)) {
                    return Err(self.syntax_error());
                }
                Expr::Other("*sqlparser.IntervalExpr")
            }
            Kind::Symbol("(") => return self.brackets(),
            Kind::Name(_) => return self.name(),
            Kind::Word(_) | Kind::Symbol(_) | Kind::Invalid(_) | Kind::End => return Err(self.syntax_error()),
        };
        self.bump();
        Ok(expr)
    }

    /// A column `a`, `a.b` or `a.b.c`, or a call `f(..)`.
    fn name(&mut self) -> Parsed<Expr> {
        let mut name = String::new();
        for part in 0..3 {
            let Kind::Name(found) = self.peek() else {
                return Err(self.syntax_error());
            };
            name.push_str(found);
            self.bump();
            if part == 2 || !matches!(self.peek(), Kind::Symbol(".")) || !matches!(self.peek_second(), Kind::Name(_)) {
                break;
            }
            self.bump();
            name.push('.');
        }
        if self.eat_symbol("(") {
            self.skip_brackets()?;
            return Ok(Expr::Function);
        }
        Ok(Expr::Column(name))
    }

    fn word_function(&mut self) -> Parsed<Expr> {
        self.bump();
        if self.eat_symbol("(") {
            self.skip_brackets()?;
        }
        Ok(Expr::Function)
    }

    fn case(&mut self) -> Parsed<Expr> {
        self.bump();
        if !matches!(self.peek(), Kind::Word("when")) {
            self.expression()?;
        }
        while self.eat_word("when") {
            self.expression()?;
            self.expect_word("then")?;
            self.expression()?;
        }
        if self.eat_word("else") {
            self.expression()?;
        }
        self.expect_word("end")?;
        Ok(Expr::Other("*sqlparser.CaseExpr"))
    }

    fn brackets(&mut self) -> Parsed<Expr> {
        self.bump();
        if matches!(self.peek(), Kind::Word("select")) {
            self.skip_brackets()?;
            return Ok(Expr::Other("*sqlparser.Subquery"));
        }
        let mut items = self.list()?;
        self.expect_symbol(")")?;
        match (items.len(), items.pop()) {
            (1, Some(only)) => Ok(Expr::Paren(Box::new(only))),
            (_, last) => {
                items.extend(last);
                Ok(Expr::Tuple(items))
            }
        }
    }

    /// Steps over everything up to the bracket that closes the one already read.
    fn skip_brackets(&mut self) -> Parsed<()> {
        let mut open = 1;
        loop {
            match self.peek() {
                Kind::End | Kind::Invalid(_) => return Err(self.syntax_error()),
                Kind::Symbol("(") => open += 1,
                Kind::Symbol(")") => open -= 1,
                _ => {}
            }
            self.bump();
            if open == 0 {
                return Ok(());
            }
        }
    }
}

fn chain(first: Expr, mut rest: Vec<Expr>, make: impl FnOnce(Vec<Expr>) -> Expr) -> Expr {
    if rest.is_empty() {
        return first;
    }
    rest.insert(0, first);
    make(rest)
}

fn compare(operator: Operator, left: Expr, right: Expr) -> Expr {
    Expr::Compare {
        operator,
        left: Box::new(left),
        right: Box::new(right),
    }
}

fn negated(digits: String) -> String {
    match digits.strip_prefix('-') {
        Some(positive) => positive.to_owned(),
        None => format!("-{digits}"),
    }
}
