//! Running workflows and activities.
