//! What the compiler says about mistakes in workflows and in calls of them.

/// S5, S46, S53, S62, S63, S69, S123: wrong arguments of start, signal, query, update and activity; a run method that is missing,
/// doubled or not async; an async query; options without a timeout; calls that a replay would find different.
#[test]
fn mistakes_are_explained() {
    let cases = trybuild::TestCases::new();
    cases.compile_fail("tests/ui/workflow/*.rs");
}
