//! The activities a worker knows.

use super::BuildError;
use crate::activity::Definition;
use std::collections::BTreeMap;

/// The activities a worker knows, by name.
#[derive(Debug, Default)]
pub(super) struct ActivityRegistry {
    named: BTreeMap<String, Definition>,
    dynamic: Option<Definition>,
}

impl ActivityRegistry {
    pub(super) fn register(&mut self, definition: Definition) -> Result<(), BuildError> {
        if definition.is_dynamic() {
            let second = definition.type_name();
            return match self.dynamic.replace(definition) {
                None => Ok(()),
                Some(first) => Err(BuildError::TwoDynamicActivities {
                    first: first.type_name(),
                    second,
                }),
            };
        }
        if definition.name().starts_with("__temporal_") {
            return Err(BuildError::ReservedActivityName(definition.name().to_owned()));
        }
        let name = definition.name().to_owned();
        match self.named.insert(name, definition) {
            None => Ok(()),
            Some(first) => Err(BuildError::ActivityTwice(first.name().to_owned())),
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.named.is_empty() && self.dynamic.is_none()
    }

    /// The activity of this name, or the dynamic one.
    pub(super) fn find(&self, name: &str) -> Option<&Definition> {
        self.named.get(name).or(self.dynamic.as_ref())
    }

    /// The registered names, for people.
    pub(super) fn names(&self) -> String {
        match self.named.len() {
            0 => "none".to_owned(),
            _ => self.named.keys().map(String::as_str).collect::<Vec<_>>().join(", "),
        }
    }

    /// Whether some activity runs on the executor.
    pub(super) fn has_blocking(&self) -> bool {
        self.named.values().chain(&self.dynamic).any(Definition::is_blocking)
    }
}
