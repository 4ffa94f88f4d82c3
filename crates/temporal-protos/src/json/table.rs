//! What the transcoder knows of messages: one row a field.

use super::JsonMessage;

#[allow(clippy::all, reason = "generated code")]
#[rustfmt::skip]
mod generated {
    use super::Form::{Any, Duration, Empty, FieldMask, Plain, Timestamp, Wrapper};
    use super::Kind::{Bool, Bytes, Double, Enumeration, Float, Int32, Int64, Nested, Text, Uint32, Uint64};
    use super::Label::{Many, Map, One};
    use super::{Enum, Field, JsonMessage, Message};

    include!("../generated/json.rs");
}

/// How the JSON of a message looks.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// An object with a member for each field.
    Plain,
    Any,
    Duration,
    Empty,
    FieldMask,
    Timestamp,
    /// The bare value of the message's only field.
    Wrapper,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Bool,
    Bytes,
    Double,
    Enumeration,
    Float,
    Int32,
    Int64,
    Nested,
    Text,
    Uint32,
    Uint64,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Label {
    One,
    Many,
    /// The target is the entry message: its first field is the key, its second the value.
    Map,
}

/// Full name, form, fields in the order of declaration.
pub(super) struct Message(&'static str, Form, &'static [Field]);

/// JSON name, number, kind, label, index of the message or enum.
pub(super) struct Field(&'static str, u16, Kind, Label, u16);

/// The common prefix of all names, and each number with its name.
pub(super) struct Enum(&'static str, &'static [(i32, &'static str)]);

/// The message of that index.
pub(super) fn message(index: u16) -> &'static Message {
    &generated::MESSAGES[usize::from(index)]
}

/// The index of a message by its full name.
pub(super) fn find(name: &str) -> Option<u16> {
    // The two have the same fields; Google's own is not among the messages.
    let name = match name {
        "google.rpc.Status" => "temporal.api.common.v1.GrpcStatus",
        _ => name,
    };
    let index = generated::MESSAGES
        .binary_search_by(|message| message.0.cmp(name))
        .ok()?;
    u16::try_from(index).ok()
}

impl Message {
    pub(super) fn form(&self) -> Form {
        self.1
    }

    pub(super) fn fields(&self) -> &'static [Field] {
        self.2
    }

    /// The place of the field with that number.
    pub(super) fn by_number(&self, number: u32) -> Option<usize> {
        let is = |field: &Field| u32::from(field.1) == number;
        // Most messages number their fields 1, 2, 3 …
        let guess = (number as usize).wrapping_sub(1);
        match self.2.get(guess) {
            Some(field) if is(field) => Some(guess),
            _ => self.2.iter().position(is),
        }
    }

    /// The place of the field with that name, in lowerCamelCase or snake_case, looked for from `hint` on.
    pub(super) fn by_name(&self, name: &str, hint: usize) -> Option<usize> {
        let from = hint.min(self.2.len());
        let is = |field: &Field| field.0 == name;
        let place = self.2[from..].iter().position(is).map(|place| place + from);
        let place = place.or_else(|| self.2[..from].iter().position(is));
        if place.is_some() || !name.contains('_') {
            return place;
        }
        self.2.iter().position(|field| is_snake_of(name, field.0))
    }
}

/// Whether `camel` is what becomes of `snake` when each underscore raises the letter after it.
fn is_snake_of(snake: &str, camel: &str) -> bool {
    let mut camel = camel.bytes();
    let mut raise = false;
    for byte in snake.bytes() {
        if byte == b'_' {
            raise = true;
            continue;
        }
        let expected = if raise { byte.to_ascii_uppercase() } else { byte };
        raise = false;
        if camel.next() != Some(expected) {
            return false;
        }
    }
    camel.next().is_none()
}

impl Field {
    pub(super) fn name(&self) -> &'static str {
        self.0
    }

    pub(super) fn number(&self) -> u32 {
        u32::from(self.1)
    }

    pub(super) fn kind(&self) -> Kind {
        self.2
    }

    pub(super) fn label(&self) -> Label {
        self.3
    }

    /// The index of the message, for the kind `Nested`.
    pub(super) fn target(&self) -> u16 {
        self.4
    }

    /// The enum, for the kind `Enumeration`.
    pub(super) fn enumeration(&self) -> &'static Enum {
        &generated::ENUMS[usize::from(self.4)]
    }

    /// The key and the value of a map field.
    pub(super) fn entry(&self) -> (&'static Field, &'static Field) {
        let fields = message(self.4).fields();
        (&fields[0], &fields[1])
    }
}

impl Enum {
    /// The full name of a number.
    pub(super) fn name(&self, number: i32) -> Option<&'static str> {
        let guess = usize::try_from(number).ok().and_then(|place| self.1.get(place));
        match guess {
            Some((found, name)) if *found == number => Some(name),
            _ => self.1.iter().find(|(found, _)| *found == number).map(|(_, name)| *name),
        }
    }

    /// The number of a full name, or of the PascalCase name without prefix that older tools wrote.
    pub(super) fn number(&self, name: &str) -> Option<i32> {
        let full = self.1.iter().find(|(_, full)| *full == name);
        let found = full.or_else(|| {
            self.1
                .iter()
                .find(|(_, full)| is_pascal_of(name, &full[self.0.len()..]))
        });
        found.map(|(number, _)| *number)
    }
}

/// Whether `pascal` is `SCREAMING_SNAKE` in PascalCase. Digits and letters within a word are compared without case,
/// since the older tools did not agree on acronyms.
fn is_pascal_of(pascal: &str, screaming: &str) -> bool {
    let letters = screaming.bytes().filter(|byte| *byte != b'_');
    !pascal.contains('_')
        && pascal.len() == letters.clone().count()
        && pascal.bytes().zip(letters).all(|(a, b)| a.eq_ignore_ascii_case(&b))
}

#[cfg(test)]
mod tests {
    use super::{Kind, find, generated, is_pascal_of, is_snake_of, message};

    #[test]
    fn messages_are_found_by_name() {
        for (index, row) in generated::MESSAGES.iter().enumerate() {
            assert_eq!(find(row.0).map(usize::from), Some(index), "{}", row.0);
        }
        assert_eq!(find("temporal.api.Nothing"), None);
        assert_eq!(find("google.rpc.Status"), find("temporal.api.common.v1.GrpcStatus"));
    }

    #[test]
    fn fields_are_found_by_number_and_name() {
        for row in &generated::MESSAGES {
            for (place, field) in row.fields().iter().enumerate() {
                assert_eq!(row.by_number(field.number()), Some(place));
                for hint in [0, place, place + 1, 1000] {
                    assert_eq!(row.by_name(field.name(), hint), Some(place));
                }
            }
            assert_eq!(row.by_number(0), None);
            assert_eq!(row.by_number(60_000), None);
        }
    }

    #[test]
    fn snake_case_names_are_found() {
        let event = message(find("temporal.api.history.v1.HistoryEvent").unwrap());
        assert_eq!(event.by_name("event_id", 0), Some(0));
        assert!(
            event
                .by_name("workflow_execution_started_event_attributes", 0)
                .is_some()
        );
        assert!(event.by_name("event_ID", 0).is_none());
        assert!(is_snake_of("a_b_c", "aBC") && !is_snake_of("a_b", "aBc") && !is_snake_of("a_bc", "aB"));
    }

    #[test]
    fn enums_are_read_by_either_name() {
        let event = message(find("temporal.api.history.v1.HistoryEvent").unwrap());
        let field = &event.fields()[event.by_name("eventType", 0).unwrap()];
        assert!(field.kind() == Kind::Enumeration);
        let types = field.enumeration();
        assert_eq!(types.name(1), Some("EVENT_TYPE_WORKFLOW_EXECUTION_STARTED"));
        assert_eq!(types.name(-1), None);
        assert_eq!(types.number("EVENT_TYPE_WORKFLOW_EXECUTION_STARTED"), Some(1));
        assert_eq!(types.number("WorkflowExecutionStarted"), Some(1));
        assert_eq!(types.number("WorkflowExecutionBegun"), None);
        assert!(is_pascal_of("StartToClose", "START_TO_CLOSE") && !is_pascal_of("Start_To_Close", "START_TO_CLOSE"));
    }

    #[test]
    fn old_names_are_unambiguous() {
        for row in &generated::ENUMS {
            for (number, name) in row.1 {
                assert_eq!(row.number(name), Some(*number), "{name}");
                let pascal = name[row.0.len()..].replace('_', "");
                assert_eq!(row.number(&pascal), Some(*number), "{pascal}");
            }
        }
    }
}
