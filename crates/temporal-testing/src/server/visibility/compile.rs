//! Turns a parsed query into a filter: names are looked up, values are read by the type of their attribute.

use super::QueryError;
use super::filter::{Filter, Query};
use super::literal::{parse_datetime, parse_duration, parse_status};
use super::parser::{self, Expr, Is, Literal, Operator, Statement};
use super::schema::{AttributeType, Schema};
use super::value::{Value, show_float};

const DIVISION: &str = "TemporalNamespaceDivision";

/// Reads and checks a query.
pub(super) fn compile(text: &str, schema: &dyn Schema) -> Result<Query, QueryError> {
    let Statement {
        filter,
        group_by,
        order_by,
        limit,
    } = parser::parse(text)?;
    if limit {
        return Err(QueryError::unsupported("'LIMIT' clause"));
    }
    let mut compiler = Compiler {
        schema,
        names_division: false,
    };
    let filter = filter.as_ref().map(|filter| compiler.condition(filter)).transpose()?;
    let group_by = match group_by.as_slice() {
        [] => false,
        [only] => {
            let (name, _) = compiler.column(only)?;
            if name != "ExecutionStatus" {
                return Err(QueryError::unsupported(format!(
                    "'GROUP BY' clause is not supported for search attribute {name}"
                )));
            }
            true
        }
        _ => {
            return Err(QueryError::unsupported(
                "'GROUP BY' clause supports only a single field",
            ));
        }
    };
    for column in &order_by {
        compiler.column(column)?;
    }
    if !order_by.is_empty() {
        return Err(QueryError::unsupported("'ORDER BY' clause"));
    }
    Ok(Query {
        filter,
        group_by,
        names_division: compiler.names_division,
    })
}

struct Compiler<'s> {
    schema: &'s dyn Schema,
    names_division: bool,
}

impl Compiler<'_> {
    fn condition(&mut self, expr: &Expr) -> Result<Filter, QueryError> {
        match expr {
            Expr::And(parts) => Ok(Filter::And(self.conditions(parts)?)),
            Expr::Or(parts) => Ok(Filter::Or(self.conditions(parts)?)),
            Expr::Not(inner) => Ok(Filter::Not(Box::new(self.condition(inner)?))),
            Expr::Paren(inner) => self.condition(inner),
            Expr::Compare { operator, left, right } => self.comparison(*operator, left, right),
            Expr::Between { not, left, from, to } => {
                let (name, kind) = self.column(left)?;
                let from = self.value(&name, kind, from)?;
                let to = self.value(&name, kind, to)?;
                if matches!(kind, AttributeType::Text | AttributeType::KeywordList) {
                    return Err(QueryError::expression(format!(
                        "cannot do range condition on search attribute '{name}' of type {}",
                        kind.name()
                    )));
                }
                let between = Filter::Between { name, from, to };
                Ok(if *not { Filter::Not(Box::new(between)) } else { between })
            }
            Expr::Is { left, what } => {
                let (name, _) = self.column(left)?;
                match what {
                    Is::Null => Ok(Filter::IsNull(name)),
                    Is::NotNull => Ok(Filter::Not(Box::new(Filter::IsNull(name)))),
                    Is::Truth => Err(QueryError::expression(
                        "'IS' operator can only be used as 'IS NULL' or 'IS NOT NULL'",
                    )),
                }
            }
            Expr::Column(_) => Err(QueryError::expression("incomplete expression")),
            Expr::Function => Err(QueryError::unsupported("function expression")),
            other => Err(QueryError::unsupported(format!(
                "expression of type {}",
                type_name(other)
            ))),
        }
    }

    fn conditions(&mut self, parts: &[Expr]) -> Result<Vec<Filter>, QueryError> {
        parts.iter().map(|part| self.condition(part)).collect()
    }

    fn comparison(&mut self, operator: Operator, left: &Expr, right: &Expr) -> Result<Filter, QueryError> {
        let (name, kind) = self.column(left)?;
        let mut values = Vec::new();
        match right {
            Expr::Tuple(items) if matches!(operator, Operator::In | Operator::NotIn) => {
                for item in items {
                    values.push(self.value(&name, kind, item)?);
                }
            }
            right => values.push(self.value(&name, kind, right)?),
        }
        if !supports(kind, operator) {
            return Err(QueryError::unsupported(format!(
                "operator '{}' not supported for {} type search attribute '{name}'",
                operator.text(),
                kind.name()
            )));
        }
        let positive = match (operator, values.pop()) {
            (Operator::In | Operator::NotIn, last) => {
                values.extend(last);
                Filter::In { name, values }
            }
            (Operator::StartsWith | Operator::NotStartsWith, Some(Value::Keyword(prefix))) => {
                Filter::StartsWith { name, prefix }
            }
            (Operator::Equal | Operator::NotEqual, Some(value)) => Filter::Equal { name, value },
            (Operator::Less, Some(value)) => Filter::Less {
                name,
                value,
                or_equal: false,
            },
            (Operator::LessOrEqual, Some(value)) => Filter::Less {
                name,
                value,
                or_equal: true,
            },
            (Operator::Greater, Some(value)) => Filter::Greater {
                name,
                value,
                or_equal: false,
            },
            (Operator::GreaterOrEqual, Some(value)) => Filter::Greater {
                name,
                value,
                or_equal: true,
            },
            (operator, _) => return Err(QueryError::unsupported(format!("operator '{}'", operator.text()))),
        };
        Ok(match operator {
            Operator::NotEqual | Operator::NotIn | Operator::NotStartsWith => Filter::Not(Box::new(positive)),
            _ => positive,
        })
    }

    fn column(&mut self, expr: &Expr) -> Result<(String, AttributeType), QueryError> {
        let Expr::Column(name) = expr else {
            return Err(QueryError::expression(format!(
                "must be a column name but was {}",
                type_name(expr)
            )));
        };
        if name == DIVISION {
            self.names_division = true;
        }
        match self.schema.attribute_type(name) {
            Some(kind) => Ok((name.clone(), kind)),
            None => Err(QueryError::unknown_attribute(name)),
        }
    }

    fn value(&self, name: &str, kind: AttributeType, expr: &Expr) -> Result<Value, QueryError> {
        let scalar = scalar(kind, expr)?;
        match name {
            "ExecutionStatus" => status(scalar),
            "ExecutionDuration" => duration(scalar),
            _ => typed(name, kind, scalar),
        }
    }
}

/// A value of a query before its attribute gives it a type.
enum Scalar {
    Text(String),
    Int(i64),
    Float(f64),
    Bool(bool),
}

impl Scalar {
    fn mismatch(&self, name: &str, kind: AttributeType) -> QueryError {
        let (shown, type_name) = match self {
            Scalar::Text(text) => (format!("{text:?}").replace("\\'", "'"), "string"),
            Scalar::Int(number) => (number.to_string(), "int64"),
            Scalar::Float(number) => (show_float(*number), "float64"),
            Scalar::Bool(value) => (value.to_string(), "bool"),
        };
        QueryError::expression(format!(
            "invalid value type for search attribute {name} of type {}: {shown} (type: {type_name})",
            kind.name()
        ))
    }
}

fn scalar(kind: AttributeType, expr: &Expr) -> Result<Scalar, QueryError> {
    match expr {
        Expr::Literal(Literal::Text(text)) => Ok(Scalar::Text(text.clone())),
        Expr::Literal(Literal::Integer(digits)) => match digits.parse() {
            Ok(number) => Ok(Scalar::Int(number)),
            Err(_) => Ok(Scalar::Float(digits.parse().unwrap_or(f64::INFINITY))),
        },
        Expr::Literal(Literal::Float(digits)) => match digits.parse() {
            Ok(number) => Ok(Scalar::Float(number)),
            Err(_) => Err(QueryError::expression(format!("unable to parse value \"{digits}\""))),
        },
        Expr::Literal(Literal::Opaque(text)) => {
            Err(QueryError::expression(format!("unable to parse value \"{text}\"")))
        }
        Expr::Bool(value) => Ok(Scalar::Bool(*value)),
        Expr::Column(name) => Err(QueryError::unsupported(format!(
            "column name on the right side of comparison expression (did you forget to quote \"{name}\"?)"
        ))),
        Expr::Function => Err(QueryError::unsupported("nested func")),
        Expr::Unary("-" | "+", operand) => Err(QueryError::expression(format!(
            "unary operator not supported in \"-{}\"",
            show_operand(operand)
        ))),
        Expr::Unary(operator, _) => Err(QueryError::unsupported(format!("unary operator \"{operator}\""))),
        Expr::Tuple(items) => {
            let shown: Vec<_> = items.iter().map(show_operand).collect();
            let expected = match kind {
                AttributeType::Int => "int64",
                AttributeType::Double => "float64",
                AttributeType::Bool => "bool",
                _ => "string",
            };
            Err(QueryError::expression(format!(
                "unexpected value type (expected {expected}, got ({}))",
                shown.join(", ")
            )))
        }
        other => Err(QueryError::expression(format!(
            "unexpected value type {}",
            type_name(other)
        ))),
    }
}

fn typed(name: &str, kind: AttributeType, scalar: Scalar) -> Result<Value, QueryError> {
    match (kind, scalar) {
        (AttributeType::Keyword, Scalar::Text(text)) => Ok(Value::Keyword(text)),
        (AttributeType::KeywordList, Scalar::Text(text)) => Ok(Value::KeywordList(vec![text])),
        (AttributeType::Text, Scalar::Text(text)) if text.trim().is_empty() => Err(QueryError::expression(format!(
            "no tokens found filtering on Text type search attribute {name}"
        ))),
        (AttributeType::Text, Scalar::Text(text)) => Ok(Value::Text(text)),
        (AttributeType::Int | AttributeType::Double, Scalar::Int(number)) => Ok(Value::Int(number)),
        (AttributeType::Int | AttributeType::Double, Scalar::Float(number)) => Ok(Value::Double(number)),
        (AttributeType::Bool, Scalar::Bool(value)) => Ok(Value::Bool(value)),
        (AttributeType::Datetime, Scalar::Int(nanos)) => Ok(Value::Datetime(nanos)),
        (AttributeType::Datetime, Scalar::Text(text)) => match parse_datetime(&text) {
            Some(nanos) => Ok(Value::Datetime(nanos)),
            None => Err(QueryError::expression(format!("unable to parse datetime '{text}'"))),
        },
        (kind, scalar) => Err(scalar.mismatch(name, kind)),
    }
}

fn status(scalar: Scalar) -> Result<Value, QueryError> {
    let invalid = |shown: String| QueryError::expression(format!("invalid ExecutionStatus value {shown}"));
    match scalar {
        Scalar::Text(text) => match parse_status(&text) {
            Some(status) => Ok(Value::Int(i64::from(status as i32))),
            None => Err(invalid(format!("'{text}'"))),
        },
        Scalar::Int(number @ 0..=8) => Ok(Value::Int(number)),
        Scalar::Int(number) => Err(invalid(number.to_string())),
        Scalar::Float(_) => Err(unexpected_float("ExecutionStatus")),
        Scalar::Bool(_) => Err(scalar.mismatch("ExecutionStatus", AttributeType::Keyword)),
    }
}

fn duration(scalar: Scalar) -> Result<Value, QueryError> {
    match scalar {
        Scalar::Int(nanos) => Ok(Value::Int(nanos)),
        Scalar::Text(text) => match parse_duration(&text) {
            Some(nanos) => Ok(Value::Int(nanos)),
            None => Err(QueryError::expression(format!(
                "invalid duration value for search attribute ExecutionDuration: {text}"
            ))),
        },
        Scalar::Float(_) => Err(unexpected_float("ExecutionDuration")),
        Scalar::Bool(_) => Err(scalar.mismatch("ExecutionDuration", AttributeType::Int)),
    }
}

fn unexpected_float(name: &str) -> QueryError {
    QueryError::expression(format!("unexpected value type float64 for search attribute {name}"))
}

fn supports(kind: AttributeType, operator: Operator) -> bool {
    match operator {
        Operator::Equal | Operator::NotEqual => true,
        Operator::In | Operator::NotIn => kind != AttributeType::Text,
        Operator::Less | Operator::LessOrEqual | Operator::Greater | Operator::GreaterOrEqual => {
            !matches!(kind, AttributeType::Text | AttributeType::KeywordList)
        }
        Operator::StartsWith | Operator::NotStartsWith => kind == AttributeType::Keyword,
        Operator::Refused(_) => false,
    }
}

/// The name messages give a node.
fn type_name(expr: &Expr) -> &'static str {
    match expr {
        Expr::And(_) => "*sqlparser.AndExpr",
        Expr::Or(_) => "*sqlparser.OrExpr",
        Expr::Not(_) => "*sqlparser.NotExpr",
        Expr::Paren(_) => "*sqlparser.ParenExpr",
        Expr::Compare { .. } => "*sqlparser.ComparisonExpr",
        Expr::Between { .. } => "*sqlparser.RangeCond",
        Expr::Is { .. } => "*sqlparser.IsExpr",
        Expr::Column(_) => "*sqlparser.ColName",
        Expr::Literal(_) => "*sqlparser.SQLVal",
        Expr::Null => "*sqlparser.NullVal",
        Expr::Bool(_) => "sqlparser.BoolVal",
        Expr::Tuple(_) => "sqlparser.ValTuple",
        Expr::Unary(..) => "*sqlparser.UnaryExpr",
        Expr::Function => "*sqlparser.FuncExpr",
        Expr::Other(name) => name,
    }
}

fn show_operand(expr: &Expr) -> String {
    match expr {
        Expr::Column(name) => name.clone(),
        Expr::Literal(Literal::Text(text)) => format!("'{text}'"),
        Expr::Literal(Literal::Integer(text) | Literal::Float(text) | Literal::Opaque(text)) => text.clone(),
        Expr::Bool(value) => value.to_string(),
        Expr::Null => "null".to_owned(),
        other => type_name(other).to_owned(),
    }
}
