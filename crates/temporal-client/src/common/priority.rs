//! The order in which tasks of one queue are handed out.

use temporal_protos::api::common::v1 as proto;

/// The priority of a workflow or activity among those of its task queue.
///
/// What is not set is inherited, from the workflow that starts it or from the server's default.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Priority {
    /// From 1 (first) to 5 (last); the server's default is 3.
    pub key: Option<u32>,
    /// Within one priority, keys share the workers in proportion to their weights.
    pub fairness_key: Option<String>,
    /// The weight of the fairness key, 1.0 by default.
    pub fairness_weight: Option<f32>,
}

impl Priority {
    /// This priority, from 1 (first) to 5 (last).
    #[must_use]
    pub fn new(key: u32) -> Self {
        Self {
            key: Some(key),
            ..Self::default()
        }
    }

    /// With a fairness key.
    #[must_use]
    pub fn fairness_key(mut self, key: impl Into<String>) -> Self {
        self.fairness_key = Some(key.into());
        self
    }

    /// With the weight of its fairness key.
    #[must_use]
    pub fn fairness_weight(mut self, weight: f32) -> Self {
        self.fairness_weight = Some(weight);
        self
    }
}

impl From<&Priority> for proto::Priority {
    fn from(priority: &Priority) -> Self {
        Self {
            priority_key: priority.key.map_or(0, |key| i32::try_from(key).unwrap_or(i32::MAX)),
            fairness_key: priority.fairness_key.clone().unwrap_or_default(),
            fairness_weight: priority.fairness_weight.unwrap_or_default(),
        }
    }
}

impl From<&proto::Priority> for Priority {
    fn from(priority: &proto::Priority) -> Self {
        Self {
            key: u32::try_from(priority.priority_key).ok().filter(|key| *key != 0),
            fairness_key: Some(priority.fairness_key.clone()).filter(|key| !key.is_empty()),
            fairness_weight: Some(priority.fairness_weight).filter(|weight| *weight != 0.0),
        }
    }
}
