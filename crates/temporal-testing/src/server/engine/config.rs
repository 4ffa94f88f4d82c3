//! What an engine is made with.

use std::collections::BTreeMap;
use std::time::Duration;

use temporal_protos::api::enums::v1::IndexedValueType;

use super::super::visibility::AttributeType;
use super::limits::Limits;

/// How the engine's clock runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum TimeMode {
    /// Virtual time is real time; the time-skipping calls are refused as on a real server.
    #[default]
    Real,
    /// Virtual time jumps to the next due timer whenever nothing is in flight and no lock is held.
    Skipping {
        /// The lock counter at the start: 1 holds time until the first unlock, as test servers do by default.
        initial_locks: u32,
    },
}

/// Options of an [`Engine`](super::Engine); plain fields, [`EngineConfig::default`] fills the rest.
#[derive(Clone, Debug)]
pub struct EngineConfig {
    /// The namespaces that exist from the start. Default: `default`.
    pub namespaces: Vec<String>,
    /// Custom search attributes that every namespace has from the start. Default: none.
    pub search_attributes: BTreeMap<String, IndexedValueType>,
    /// Whether and how time is skipped. Default: real time.
    pub time: TimeMode,
    /// The seed of run ids and request ids; the same seed and the same calls give the same histories. Default: 0.
    pub seed: u64,
    /// How long a closed run is kept in a namespace that does not say. Default: 24 hours.
    pub retention: Duration,
    /// The shortest time between the starts of two runs of one continue-as-new chain. Default: 1 s, as the real server;
    /// ignored while time skips.
    pub continue_as_new_interval: Duration,
    /// What bounds requests and runs. Default: as the real server.
    pub limits: Limits,
}

impl Default for EngineConfig {
    fn default() -> Self {
        EngineConfig {
            namespaces: vec!["default".to_owned()],
            search_attributes: BTreeMap::new(),
            time: TimeMode::default(),
            seed: 0,
            retention: Duration::from_secs(24 * 3600),
            continue_as_new_interval: Duration::from_secs(1),
            limits: Limits::default(),
        }
    }
}

impl EngineConfig {
    /// The search attributes that every namespace begins with.
    pub(super) fn custom_search_attributes(&self) -> BTreeMap<String, AttributeType> {
        let typed = |(name, kind): (&String, &IndexedValueType)| {
            AttributeType::from_proto(*kind as i32).map(|kind| (name.clone(), kind))
        };
        self.search_attributes.iter().filter_map(typed).collect()
    }
}
