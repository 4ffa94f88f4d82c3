//! What the compiler says about mistakes in workflows and in calls of them.

#[test]
fn mistakes_are_explained() {
    let cases = trybuild::TestCases::new();
    cases.compile_fail("tests/ui/workflow/*.rs");
}
