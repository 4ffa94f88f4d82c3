//! `cargo xtask features`: each capability of docs/features.md with the tests that cover it.

use anyhow::{Context as _, bail};
use clap::Args;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Folders with Rust tests, beside `crates/*/src`, `crates/*/tests` and `crates/*/examples`.
const SUITE: &str = "tests";
const TABLE: &str = "docs/features.md";

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
    Required,
    Later,
    Nothing,
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
        let state = match feature.state {
            State::Required => "",
            State::Later => " (later)",
            State::Nothing => " (nothing to test)",
        };
        println!("{:<5} {}{state}", feature.row.to_string(), feature.title);
        for test in tests {
            println!("        {test}");
        }
    }

    let unknown: Vec<String> = covered
        .iter()
        .filter(|(row, _)| !features.iter().any(|feature| feature.row == **row))
        .map(|(row, tests)| format!("{row} ({})", tests.join(", ")))
        .collect();
    if !unknown.is_empty() {
        bail!("tests cite rows that {TABLE} does not have: {}", unknown.join("; "));
    }
    let missing: Vec<String> = features
        .iter()
        .filter(|feature| feature.state == State::Required && !covered.contains_key(&feature.row))
        .map(|feature| format!("{} {}", feature.row, feature.title))
        .collect();
    let with_tests = features
        .iter()
        .filter(|feature| covered.contains_key(&feature.row))
        .count();
    println!("{with_tests} of {} rows have a test", features.len());
    if !missing.is_empty() {
        bail!(
            "{} required rows have no test: write one and put the row into its name or doc comment, or mark the row `later` in {TABLE}:\n  {}",
            missing.len(),
            missing.join("\n  ")
        );
    }
    Ok(())
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
            other => bail!("{TABLE}: the state of {row} is {other:?} instead of `required`, `later` or `-`"),
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

/// The rows that tests cite, each with the tests.
fn tests(root: &Path) -> anyhow::Result<BTreeMap<Row, Vec<String>>> {
    let mut files = Vec::new();
    rust_files(&root.join(SUITE), &mut files)?;
    rust_files(&root.join("crates"), &mut files)?;
    files.sort();
    let mut covered: BTreeMap<Row, Vec<String>> = BTreeMap::new();
    for file in files {
        let text = std::fs::read_to_string(&file).with_context(|| format!("cannot read {}", file.display()))?;
        let name = file.strip_prefix(root).unwrap_or(&file).display().to_string();
        for (test, rows) in tests_of(&text, is_case(&file)) {
            for row in rows {
                covered.entry(row).or_default().push(if test.is_empty() {
                    name.clone()
                } else {
                    format!("{name} {test}")
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

/// The tests of a file with the rows they cite: in the name (`s5_s6_two_things`) or in the doc comment (`/// S5, S6.`).
fn tests_of(text: &str, is_case: bool) -> Vec<(String, Vec<Row>)> {
    if is_case {
        let comments = text.lines().filter(|line| line.starts_with("//"));
        return vec![(String::new(), comments.flat_map(rows_in).collect())];
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
                let mut rows = std::mem::take(&mut comment);
                rows.extend(name.split('_').map_while(parse_row));
                rows.sort_unstable();
                rows.dedup();
                tests.push((name.to_owned(), rows));
            }
            comment.clear();
            is_test = false;
        }
    }
    tests
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
    use super::{Row, rows_in, tests_of};

    fn shown(rows: &[Row]) -> String {
        rows.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn rows_are_found_in_sentences() {
        assert_eq!(shown(&rows_in("/// S4, S66: typed (P3).")), "S4 S66 P3");
        assert_eq!(shown(&rows_in("/// O13, and B8 too")), "O13 B8");
        assert_eq!(shown(&rows_in("/// S17–S20 and S22-S23")), "S17 S18 S19 S20 S22 S23");
        assert_eq!(shown(&rows_in("/// an S3 bucket is one, s4 and SHA1 are not")), "S3");
    }

    #[test]
    fn tests_cite_rows_in_names_and_comments() {
        let text = "/// S1.\n#[test]\nfn s2_p3_works() {}\n/// S9: no test.\nfn s5_helper() {}\n#[tokio::test]\nasync fn s6_s7() {}\n";
        let found: Vec<String> = tests_of(text, false)
            .iter()
            .map(|(name, rows)| format!("{name}: {}", shown(rows)))
            .collect();
        assert_eq!(found, ["s2_p3_works: S1 S2 P3", "s6_s7: S6 S7"]);
    }

    #[test]
    fn compile_tests_cite_rows_in_comments() {
        let found = tests_of("// S5: a wrong argument.\nfn main() {}\n", true);
        assert_eq!(shown(&found[0].1), "S5");
    }
}
