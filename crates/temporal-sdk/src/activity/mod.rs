//! Authoring activities.
