//! `cargo xtask features`: each capability of docs/features.md with the tests that cover it.

use anyhow::{Context as _, bail};
use clap::Args;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Folders with Rust tests.
const FOLDERS: [&str; 2] = ["tests", "crates"];
/// The integration suite.
const SUITE: &str = "tests/tests/suite/";
const TABLE: &str = "docs/features.md";
/// How the table excepts a row from having a test in the suite; the reason follows.
const EXCEPTED: &str = "required; not in the suite: ";

#[derive(Args)]
pub(crate) struct Options {
    /// Print only the rows that have no test.
    #[arg(long)]
    uncovered: bool,
}

/// A capability's number: `S12`, `P3`, `O14`, `B8`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Row {
    family: Family,
    number: u32,
}

/// Where a capability comes from, in the order of the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Family {
    /// What a Temporal SDK offers at the least.
    Seed,
    /// What the newest siblings offer beyond that.
    Plus,
    /// What single SDKs offer.
    Other,
    /// What none offers.
    Beyond,
}

impl Family {
    fn of(letter: char) -> Option<Self> {
        match letter.to_ascii_uppercase() {
            'S' => Some(Self::Seed),
            'P' => Some(Self::Plus),
            'O' => Some(Self::Other),
            'B' => Some(Self::Beyond),
            _ => None,
        }
    }

    fn letter(self) -> char {
        match self {
            Self::Seed => 'S',
            Self::Plus => 'P',
            Self::Other => 'O',
            Self::Beyond => 'B',
        }
    }
}

impl std::fmt::Display for Row {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{}{}", self.family.letter(), self.number)
    }
}

#[derive(Debug, PartialEq, Eq)]
enum State {
    /// It needs a test of the suite that is named after it.
    Required,
    /// It needs a test, which is not in the suite for this reason.
    Elsewhere(String),
    Later,
    Nothing,
}

/// A test that cites a row.
struct Citation {
    /// The file, and the function where a file has several tests.
    test: String,
    /// In its name, not only in its doc comment.
    by_name: bool,
}

impl Citation {
    /// Whether it is what the issue of a row asks for: an integration test named after it.
    fn is_named_in_suite(&self) -> bool {
        self.by_name && self.test.starts_with(SUITE)
    }
}

impl std::fmt::Display for Citation {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(&self.test)?;
        formatter.write_str(if self.by_name { "" } else { " (in its comment)" })
    }
}

struct Feature {
    row: Row,
    title: String,
    state: State,
}

/// What is not covered, for `cargo xtask ci`.
pub(crate) fn check() -> anyhow::Result<()> {
    run(&Options { uncovered: true })
}

pub(crate) fn run(options: &Options) -> anyhow::Result<()> {
    let root = crate::root();
    let table = root.join(TABLE);
    let text = std::fs::read_to_string(&table).with_context(|| format!("cannot read {}", table.display()))?;
    let features = parse_table(&text)?;
    let covered = tests(&root)?;

    for feature in &features {
        let tests = covered.get(&feature.row).map(Vec::as_slice).unwrap_or_default();
        if options.uncovered && (!tests.is_empty() || feature.state == State::Nothing) {
            continue;
        }
        let state = match &feature.state {
            State::Required => String::new(),
            State::Elsewhere(reason) => format!(" (not in the suite: {reason})"),
            State::Later => " (later)".to_owned(),
            State::Nothing => " (nothing to test)".to_owned(),
        };
        println!("{:<5} {}{state}", feature.row.to_string(), feature.title);
        for test in tests {
            println!("        {test}");
        }
    }
    let with_tests = features
        .iter()
        .filter(|feature| covered.contains_key(&feature.row))
        .count();
    let in_suite = features
        .iter()
        .filter(|feature| covered.get(&feature.row).is_some_and(|tests| named_in_suite(tests)))
        .count();
    println!(
        "{with_tests} of {} rows have a test, {in_suite} of them one of the suite that is named after them",
        features.len()
    );
    let complaints = complaints(&features, &covered);
    if !complaints.is_empty() {
        bail!("{}", complaints.join("\n"));
    }
    Ok(())
}

fn named_in_suite(tests: &[Citation]) -> bool {
    tests.iter().any(Citation::is_named_in_suite)
}

/// What is wrong with the table or with the tests.
fn complaints(features: &[Feature], covered: &BTreeMap<Row, Vec<Citation>>) -> Vec<String> {
    let mut complaints = Vec::new();
    let unknown: Vec<String> = covered
        .iter()
        .filter(|(row, _)| !features.iter().any(|feature| feature.row == **row))
        .map(|(row, tests)| {
            let tests: Vec<String> = tests.iter().map(ToString::to_string).collect();
            format!("{row} ({})", tests.join(", "))
        })
        .collect();
    if !unknown.is_empty() {
        complaints.push(format!(
            "tests cite rows that {TABLE} does not have: {}",
            unknown.join("; ")
        ));
    }
    let mut complain = |what: &str, wrong: &dyn Fn(&State, &[Citation]) -> bool| {
        let rows: Vec<String> = features
            .iter()
            .filter(|feature| {
                let tests = covered.get(&feature.row).map(Vec::as_slice).unwrap_or_default();
                wrong(&feature.state, tests)
            })
            .map(|feature| format!("\n  {} {}", feature.row, feature.title))
            .collect();
        if !rows.is_empty() {
            complaints.push(format!("{} {what}:{}", rows.len(), rows.concat()));
        }
    };
    complain(
        &format!(
            "required rows have no test in {SUITE} that is named after them: write one (`s12_what_it_shows`), or say in {TABLE} why \
             it cannot be there (`{EXCEPTED}…`), or mark the row `later`"
        ),
        &|state, tests| *state == State::Required && !named_in_suite(tests),
    );
    complain(
        &format!("rows that {TABLE} excepts from the suite have no test at all: write one and cite the row in it"),
        &|state, tests| matches!(state, State::Elsewhere(_)) && tests.is_empty(),
    );
    complain(
        &format!("rows that {TABLE} excepts from the suite have a test there: mark them `required`"),
        &|state, tests| matches!(state, State::Elsewhere(_)) && named_in_suite(tests),
    );
    complaints
}

fn parse_table(text: &str) -> anyhow::Result<Vec<Feature>> {
    let mut features = Vec::new();
    for line in text.lines() {
        let cells: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
        let Some(row) = cells.first().and_then(|cell| parse_row(cell)) else {
            continue;
        };
        let [_, title, state] = cells[..] else {
            bail!("{TABLE}: {row} has {} cells instead of 3", cells.len());
        };
        let state = match state {
            "required" => State::Required,
            "later" => State::Later,
            "-" => State::Nothing,
            other => match other.strip_prefix(EXCEPTED) {
                Some(reason) => State::Elsewhere(reason.to_owned()),
                None => bail!(
                    "{TABLE}: the state of {row} is {other:?} instead of `required`, `{EXCEPTED}…`, `later` or `-`"
                ),
            },
        };
        features.push(Feature {
            row,
            title: title.to_owned(),
            state,
        });
    }
    Ok(features)
}

/// `S12` or `p3`, and nothing else.
fn parse_row(word: &str) -> Option<Row> {
    let family = Family::of(word.chars().next()?)?;
    let digits = &word[1..];
    if digits.is_empty() || digits.len() > 3 || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    Some(Row {
        family,
        number: digits.parse().ok()?,
    })
}

/// The rows that tests cite, each with the tests: those of the suite first.
fn tests(root: &Path) -> anyhow::Result<BTreeMap<Row, Vec<Citation>>> {
    let mut files = Vec::new();
    for folder in FOLDERS {
        rust_files(&root.join(folder), &mut files)?;
    }
    files.sort_by_key(|file| (!file.starts_with(root.join(SUITE)), file.clone()));
    let mut covered: BTreeMap<Row, Vec<Citation>> = BTreeMap::new();
    for file in files {
        let text = std::fs::read_to_string(&file).with_context(|| format!("cannot read {}", file.display()))?;
        let name = file.strip_prefix(root).unwrap_or(&file).display().to_string();
        for test in tests_of(&text, is_case(&file)) {
            for (row, by_name) in test.rows {
                covered.entry(row).or_default().push(Citation {
                    test: match &test.function {
                        Some(function) => format!("{name} {function}"),
                        None => name.clone(),
                    },
                    by_name,
                });
            }
        }
    }
    Ok(covered)
}

/// Whether the file is a compile test: as a whole, it is one test.
fn is_case(file: &Path) -> bool {
    file.parent()
        .and_then(Path::parent)
        .and_then(Path::file_name)
        .is_some_and(|folder| folder == "ui")
        || file
            .parent()
            .and_then(Path::file_name)
            .is_some_and(|folder| folder == "ui")
}

fn rust_files(folder: &Path, files: &mut Vec<PathBuf>) -> anyhow::Result<()> {
    for entry in std::fs::read_dir(folder).with_context(|| format!("cannot read {}", folder.display()))? {
        let entry = entry?;
        let path = entry.path();
        if entry.file_type()?.is_dir() {
            let name = entry.file_name();
            if name != "target" && name != "generated" {
                rust_files(&path, files)?;
            }
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    Ok(())
}

/// A test, with the rows it cites and whether each is in its name.
struct Test {
    /// `None` where the file as a whole is the test.
    function: Option<String>,
    rows: BTreeMap<Row, bool>,
}

impl Test {
    fn new(name: &str, in_comment: Vec<Row>) -> Self {
        let mut rows: BTreeMap<Row, bool> = in_comment.into_iter().map(|row| (row, false)).collect();
        rows.extend(name.split('_').map_while(parse_row).map(|row| (row, true)));
        Self {
            function: Some(name.to_owned()),
            rows,
        }
    }
}

/// The tests of a file with the rows they cite: in the name (`s5_s6_two_things`) or in the doc comment (`/// S5, S6.`).
fn tests_of(text: &str, is_case: bool) -> Vec<Test> {
    if is_case {
        let comments = text.lines().filter(|line| line.starts_with("//"));
        return vec![Test {
            function: None,
            rows: comments.flat_map(rows_in).map(|row| (row, false)).collect(),
        }];
    }
    let mut tests = Vec::new();
    let mut comment = Vec::new();
    let mut is_test = false;
    for line in text.lines() {
        let line = line.trim_start();
        if line.starts_with("///") {
            comment.extend(rows_in(line));
        } else if line.starts_with("#[") {
            let attribute = line.trim_start_matches("#[");
            let path = attribute.split(['(', ']']).next().unwrap_or_default();
            is_test |= path == "test" || path.ends_with("::test");
        } else {
            if is_test && let Some(name) = function_name(line) {
                tests.push(Test::new(name, std::mem::take(&mut comment)));
            } else if let Some(name) = example_name(line) {
                tests.push(Test::new(name, std::mem::take(&mut comment)));
            }
            comment.clear();
            is_test = false;
        }
    }
    tests
}

/// The test that the suite's macro for examples makes: `example!(saga, s91_example_saga, ..)`.
fn example_name(line: &str) -> Option<&str> {
    line.strip_prefix("example!(")?.split(',').nth(1).map(str::trim)
}

fn function_name(line: &str) -> Option<&str> {
    let line = line.trim_start_matches("pub ").trim_start_matches("async ");
    line.strip_prefix("fn ")?.split(['(', '<']).next()
}

/// The rows in a line, with ranges (`S5–S8`) filled in.
fn rows_in(line: &str) -> Vec<Row> {
    let mut rows: Vec<Row> = Vec::new();
    let mut range = false;
    for word in split_keeping_dashes(line) {
        if word == "–" || word == "-" {
            range = !rows.is_empty();
            continue;
        }
        // Only capitals: a word such as "s3" in a sentence is none.
        if let Some(row) = parse_row(word).filter(|_| word.starts_with(['S', 'P', 'O', 'B'])) {
            if let (true, Some(first)) = (range, rows.last().copied())
                && first.family == row.family
            {
                rows.extend((first.number + 1..row.number).map(|number| Row { number, ..row }));
            }
            rows.push(row);
        }
        range = false;
    }
    rows
}

/// The words of a line; a dash is a word of its own.
fn split_keeping_dashes(line: &str) -> Vec<&str> {
    let mut words = Vec::new();
    let mut start = None;
    for (at, character) in line.char_indices() {
        if character.is_alphanumeric() {
            start.get_or_insert(at);
            continue;
        }
        if let Some(from) = start.take() {
            words.push(&line[from..at]);
        }
        if character == '–' || character == '-' {
            words.push(&line[at..at + character.len_utf8()]);
        }
    }
    words.extend(start.map(|from| &line[from..]));
    words
}

#[cfg(test)]
mod tests {
    use super::{Citation, Row, complaints, parse_table, rows_in, tests_of};
    use std::collections::BTreeMap;

    fn shown(rows: impl IntoIterator<Item = Row>) -> String {
        let rows: Vec<String> = rows.into_iter().map(|row| row.to_string()).collect();
        rows.join(" ")
    }

    #[test]
    fn rows_are_found_in_sentences() {
        assert_eq!(shown(rows_in("/// S4, S66: typed (P3).")), "S4 S66 P3");
        assert_eq!(shown(rows_in("/// O13, and B8 too")), "O13 B8");
        assert_eq!(shown(rows_in("/// S17–S20 and S22-S23")), "S17 S18 S19 S20 S22 S23");
        assert_eq!(shown(rows_in("/// an S3 bucket is one, s4 and SHA1 are not")), "S3");
    }

    #[test]
    fn tests_cite_rows_in_names_and_comments() {
        let text = "/// S1.\n#[test]\nfn s2_p3_works() {}\n/// S9: no test.\nfn s5_helper() {}\n#[tokio::test]\nasync fn s6_s7() {}\n\
                    example!(saga, s91_example_saga, \"saga.rs\", result => {\n";
        let found: Vec<String> = tests_of(text, false)
            .into_iter()
            .map(|test| {
                let (named, told): (Vec<_>, Vec<_>) = test.rows.into_iter().partition(|(_, by_name)| *by_name);
                let rows = |list: Vec<(Row, bool)>| shown(list.into_iter().map(|(row, _)| row));
                format!("{}: {}; {}", test.function.unwrap_or_default(), rows(named), rows(told))
            })
            .collect();
        assert_eq!(
            found,
            ["s2_p3_works: S2 P3; S1", "s6_s7: S6 S7; ", "s91_example_saga: S91; "]
        );
    }

    #[test]
    fn compile_tests_cite_rows_in_comments() {
        let found = tests_of("// S5: a wrong argument.\nfn main() {}\n", true);
        assert_eq!(shown(found[0].rows.keys().copied()), "S5");
    }

    #[test]
    fn a_required_row_needs_a_test_of_the_suite_named_after_it() {
        let suite = "tests/tests/suite/a.rs s1";
        let unit = "crates/a/src/b.rs s1";
        let cases = [
            ("required", vec![(suite, true), (unit, false)], ""),
            (
                "required",
                vec![(suite, false)],
                "1 required rows have no test in tests/tests/suite/",
            ),
            (
                "required",
                vec![(unit, true)],
                "1 required rows have no test in tests/tests/suite/",
            ),
            (
                "required; not in the suite: it is about the compiler",
                vec![(unit, false)],
                "",
            ),
            (
                "required; not in the suite: why",
                vec![],
                "1 rows that docs/features.md excepts from the suite have no test at all",
            ),
            (
                "required; not in the suite: why",
                vec![(suite, true)],
                "1 rows that docs/features.md excepts from the suite have a test there",
            ),
            ("later", vec![], ""),
            ("-", vec![], ""),
        ];
        for (state, tests, expected) in cases {
            let features = parse_table(&format!("| S1 | something | {state} |")).unwrap();
            let citations: Vec<Citation> = tests
                .into_iter()
                .map(|(test, by_name)| Citation {
                    test: test.to_owned(),
                    by_name,
                })
                .collect();
            let covered: BTreeMap<Row, Vec<Citation>> = match citations.is_empty() {
                true => BTreeMap::new(),
                false => [(features[0].row, citations)].into(),
            };
            let complaints = complaints(&features, &covered).join("\n");
            assert!(complaints.starts_with(expected), "{state}: {complaints}");
            assert_eq!(complaints.is_empty(), expected.is_empty(), "{state}: {complaints}");
        }
        assert!(parse_table("| S1 | something | perhaps |").is_err());
    }
}
