//! What the compiler says about mistakes in activities.

#[test]
fn mistakes_are_explained() {
    let cases = trybuild::TestCases::new();
    cases.compile_fail("tests/ui/activity/*.rs");
}
