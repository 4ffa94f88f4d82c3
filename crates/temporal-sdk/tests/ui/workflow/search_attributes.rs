use temporal_sdk::SearchAttributeSet;

#[derive(SearchAttributeSet)]
struct Unnamed(String);

#[derive(SearchAttributeSet)]
struct TextOfNumber {
    #[search_attribute(text)]
    amount: i64,
}

#[derive(SearchAttributeSet)]
struct UnknownOption {
    #[search_attribute(keyword)]
    customer: String,
}

#[derive(SearchAttributeSet)]
struct Twice {
    customer: String,
    #[search_attribute(name = "Customer")]
    other: String,
}

fn main() {}
