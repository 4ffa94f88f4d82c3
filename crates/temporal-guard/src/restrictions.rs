//! Which calls are refused.

use std::borrow::Cow;
use std::fmt;
use std::ops::BitOr;

/// A class of calls whose outcome is not the same in every replay, so that workflow code must not make them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Restricted {
    /// Reading the system's clock, and sleeping.
    Clock,
    /// Drawing randomness from the system.
    Randomness,
    /// Starting threads.
    Threads,
    /// Opening, reading and changing files and folders.
    Files,
    /// Sockets, and asking for the addresses of names.
    Sockets,
    /// Environment variables, the current folder, the machine's name and size.
    Environment,
    /// Starting processes, and the process's own id.
    Processes,
}

impl Restricted {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::Clock,
        Self::Randomness,
        Self::Threads,
        Self::Files,
        Self::Sockets,
        Self::Environment,
        Self::Processes,
    ];

    /// Its bit in a [`mask`](Restrictions::mask).
    #[doc(hidden)]
    #[must_use]
    pub const fn bit(self) -> u8 {
        1 << self as u8
    }
}

impl fmt::Display for Restricted {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Clock => "the clock",
            Self::Randomness => "randomness",
            Self::Threads => "threads",
            Self::Files => "files",
            Self::Sockets => "sockets",
            Self::Environment => "the environment",
            Self::Processes => "processes",
        })
    }
}

/// Which calls of workflow code fail its task: all classes by default.
///
/// They are noticed on Linux with the feature `guard` of `temporal-sdk`, which `temporal-testing` turns on for tests.
///
/// ```
/// # use temporal_guard as workflow; // in a program: use temporal_sdk::workflow;
/// use workflow::{Restricted, Restrictions};
///
/// let restrictions = Restrictions::default()
///     .allow(Restricted::Environment)
///     .pass_through("my_metrics");
/// assert!(restrictions.refuses(Restricted::Clock));
/// assert!(!restrictions.refuses(Restricted::Environment));
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub struct Restrictions {
    refused: u8,
    passed_through: Vec<Cow<'static, str>>,
}

impl Default for Restrictions {
    fn default() -> Self {
        Restricted::ALL.into_iter().fold(Self::none(), Self::refuse)
    }
}

impl Restrictions {
    /// Refuses nothing.
    pub fn none() -> Self {
        Self {
            refused: 0,
            passed_through: Vec::new(),
        }
    }

    /// Lets calls of this class through.
    pub fn allow(mut self, class: Restricted) -> Self {
        self.refused &= !class.bit();
        self
    }

    /// Refuses calls of this class.
    pub fn refuse(mut self, class: Restricted) -> Self {
        self.refused |= class.bit();
        self
    }

    /// Lets calls through that code of this crate, module or function makes, or that are made on its behalf: `my_metrics`, or
    /// `shop::telemetry`.
    ///
    /// Logging through `tracing` and `log`, hash maps that seed themselves, and allocators are let through in any case.
    pub fn pass_through(mut self, path: impl Into<Cow<'static, str>>) -> Self {
        self.passed_through.push(path.into());
        self
    }

    /// Whether calls of this class are refused.
    #[must_use]
    pub fn refuses(&self, class: Restricted) -> bool {
        self.refused & class.bit() != 0
    }

    /// The classes that are refused.
    #[doc(hidden)]
    #[must_use]
    pub fn mask(&self) -> u8 {
        self.refused
    }

    #[allow(dead_code, reason = "nobody asks where nothing can be watched")]
    pub(crate) fn passed_through(&self) -> &[Cow<'static, str>] {
        &self.passed_through
    }
}

/// Both together: refuses what either refuses, and lets through the code that both let through.
impl BitOr for Restrictions {
    type Output = Self;

    fn bitor(mut self, other: Self) -> Self {
        self.refused |= other.refused;
        self.passed_through.retain(|path| other.passed_through.contains(path));
        self
    }
}

#[cfg(test)]
mod tests {
    use super::{Restricted, Restrictions};

    #[test]
    fn classes_are_refused_one_by_one() {
        let all = Restrictions::default();
        assert!(Restricted::ALL.into_iter().all(|class| all.refuses(class)));
        for class in Restricted::ALL {
            let without = all.clone().allow(class);
            let only = Restrictions::none().refuse(class);
            for other in Restricted::ALL {
                assert_eq!(without.refuses(other), other != class);
                assert_eq!(only.refuses(other), other == class);
            }
            assert_eq!(without | only, all);
        }
    }

    #[test]
    fn together_they_let_through_what_both_do() {
        let left = Restrictions::none().pass_through("a").pass_through("b");
        let right = Restrictions::none().pass_through("b").pass_through("c");
        assert_eq!(left | right, Restrictions::none().pass_through("b"));
    }
}
