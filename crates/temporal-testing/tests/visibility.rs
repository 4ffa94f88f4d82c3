//! The filter language against what the real dev server answered, case by case.
#![allow(clippy::unwrap_used, reason = "a test ends where its helpers fail")]

use std::collections::BTreeMap;

use temporal_testing::server::visibility::{
    AttributeType, Attributes, Query, Schema, SystemSchema, Value, parse_datetime,
};

/// The attributes of run a in the recording.
struct RunA;

/// The attributes every run has.
fn common(name: &str, id: &str) -> Option<Value> {
    let keyword = |text: &str| Some(Value::Keyword(text.to_owned()));
    match name {
        "WorkflowId" | "RootWorkflowId" => keyword(id),
        "RunId" | "RootRunId" => keyword("01a20eac-22a4-7c85-baac-000000000000"),
        "WorkflowType" => keyword("W"),
        "TaskQueue" => keyword("q"),
        "ExecutionStatus" => Some(Value::Int(1)),
        "StartTime" | "ExecutionTime" => parse_datetime("2026-11-24T17:48:12Z").map(Value::Datetime),
        _ => None,
    }
}

impl Attributes for RunA {
    fn attribute(&self, name: &str) -> Option<Value> {
        match name {
            "KW" => Some(Value::Keyword("abc".into())),
            "TX" => Some(Value::Text("Hello big World".into())),
            "IN" => Some(Value::Int(42)),
            "DB" => Some(Value::Double(1.5)),
            "BO" => Some(Value::Bool(true)),
            "DT" => parse_datetime("2026-01-02T03:04:05Z").map(Value::Datetime),
            "KL" => Some(Value::KeywordList(vec!["x".into(), "y".into()])),
            _ => common(name, "probe-a"),
        }
    }
}

struct RunB;

impl Attributes for RunB {
    fn attribute(&self, name: &str) -> Option<Value> {
        common(name, "probe-b")
    }
}

fn schema() -> BTreeMap<String, AttributeType> {
    [
        ("KW", AttributeType::Keyword),
        ("TX", AttributeType::Text),
        ("IN", AttributeType::Int),
        ("DB", AttributeType::Double),
        ("BO", AttributeType::Bool),
        ("DT", AttributeType::Datetime),
        ("KL", AttributeType::KeywordList),
    ]
    .map(|(name, kind)| (name.to_owned(), kind))
    .into()
}

fn answer(query: &str) -> String {
    let query = query.strip_prefix("COUNT ").unwrap_or(query);
    match Query::parse(query, &schema()) {
        Err(error) => format!("! {error}"),
        Ok(query) => {
            let rows: [(&str, &dyn Attributes); 2] = [("a", &RunA), ("b", &RunB)];
            let matched: String = rows
                .iter()
                .filter(|(_, row)| query.matches(*row))
                .map(|(id, _)| *id)
                .collect();
            format!("= {matched}")
        }
    }
}

#[test]
fn every_recorded_query_is_answered_as_by_the_real_server() {
    let recording = include_str!("data/visibility.txt");
    let mut lines = recording.lines().filter(|line| !line.starts_with("# "));
    let (mut cases, mut wrong) = (0, Vec::new());
    while let (Some(query), Some(expected)) = (lines.next(), lines.next()) {
        cases += 1;
        let expected = expected.trim_start();
        let answer = answer(query);
        let agrees = answer == expected;
        let meant_to_agree = !expected.starts_with('~');
        if agrees != meant_to_agree {
            wrong.push(format!("{query}\n  real {expected}\n  ours {answer}"));
        }
    }
    assert!(cases > 400, "{cases} cases");
    assert!(
        wrong.is_empty(),
        "{} of {cases} differ:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
}

#[test]
fn counts_are_grouped_by_status_alone() {
    assert!(
        Query::parse("GROUP BY ExecutionStatus", &SystemSchema)
            .unwrap()
            .groups_by_status()
    );
    assert!(!Query::parse("", &SystemSchema).unwrap().groups_by_status());
}

#[test]
fn internal_workflows_show_only_when_asked_for() {
    struct Internal;
    impl Attributes for Internal {
        fn attribute(&self, name: &str) -> Option<Value> {
            (name == "TemporalNamespaceDivision").then(|| Value::Keyword("TemporalScheduler".into()))
        }
    }
    let matches = |query: &str| Query::parse(query, &SystemSchema).unwrap().matches(&Internal);
    assert!(!matches(""));
    assert!(!matches("WorkflowId IS NULL"));
    assert!(matches("TemporalNamespaceDivision = 'TemporalScheduler'"));
}

#[test]
fn deep_and_long_queries_are_answered() {
    let deep = format!("{}WorkflowId = 'x'{}", "(".repeat(100_000), ")".repeat(100_000));
    let error = Query::parse(&deep, &SystemSchema).unwrap_err().to_string();
    assert!(error.contains("nests too deeply"), "{error}");
    let nots = format!("{}WorkflowId = 'x'", "NOT ".repeat(100_000));
    Query::parse(&nots, &SystemSchema).unwrap_err();
    let signs = format!("WorkflowId = {}1", "-".repeat(100_000));
    Query::parse(&signs, &SystemSchema).unwrap_err();
    let long = format!("WorkflowId = 'x'{}", " OR WorkflowId = 'x'".repeat(100_000));
    assert!(!Query::parse(&long, &SystemSchema).unwrap().matches(&RunA));
}

#[test]
fn no_text_makes_the_parser_panic() {
    // Pieces of queries in random order: far likelier to reach odd states than random bytes.
    let pieces = [
        "WorkflowId",
        "`IN`",
        "'x'",
        "\"",
        "`",
        "(",
        ")",
        ",",
        "=",
        "!=",
        "NOT",
        "IN",
        "BETWEEN",
        "AND",
        "OR",
        "IS",
        "NULL",
        "1",
        "1.5e",
        "0x",
        "é",
        "\\",
        "'",
        ".",
        ":",
        "?",
        "CASE",
        "END",
        "GROUP BY",
        "ORDER BY",
        "LIMIT",
        "--",
        "/*",
        "b'1'",
        "STARTS_WITH",
        ";",
        "\u{0}",
        "INTERVAL",
        "EXISTS",
        "SELECT",
        "ExecutionStatus",
        "ExecutionDuration",
        "DT",
        "KL",
        "TX",
    ];
    let schema = schema();
    let mut seed = 1u64;
    for _ in 0..50_000 {
        let mut query = String::new();
        for _ in 0..seed % 12 + 1 {
            seed = seed
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            query.push_str(pieces[(seed >> 33) as usize % pieces.len()]);
            if seed >> 63 == 0 {
                query.push(' ');
            }
        }
        if let Ok(query) = Query::parse(&query, &schema as &dyn Schema) {
            query.matches(&RunA);
        }
    }
}
