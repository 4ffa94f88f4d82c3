//! Profiles of the configuration file, as the variables that say the same.

use super::{EnvironmentError, META, Variables};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::PathBuf;

/// Where a user's configuration lies, by the variable that tells and what follows it.
pub(super) const FOLDERS: &[(&str, &str)] = if cfg!(target_os = "macos") {
    &[("HOME", "Library/Application Support")]
} else if cfg!(windows) {
    &[("APPDATA", "")]
} else {
    &[("XDG_CONFIG_HOME", ""), ("HOME", ".config")]
};

#[derive(Deserialize)]
struct File {
    #[serde(default)]
    profile: BTreeMap<String, Profile>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Profile {
    address: Option<String>,
    namespace: Option<String>,
    api_key: Option<String>,
    tls: ProfileTls,
    grpc_meta: BTreeMap<String, String>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct ProfileTls {
    disabled: Option<bool>,
    client_cert_path: Option<String>,
    client_cert_data: Option<String>,
    client_key_path: Option<String>,
    client_key_data: Option<String>,
    server_ca_cert_path: Option<String>,
    server_ca_cert_data: Option<String>,
    server_name: Option<String>,
    disable_host_verification: bool,
}

/// What a profile says, and where it stands.
#[derive(Default)]
pub(super) struct Loaded {
    pub(super) variables: Variables,
    pub(super) origin: Option<Origin>,
}

/// A profile of a file.
pub(super) struct Origin {
    path: String,
    profile: String,
}

impl Origin {
    /// The error of a variable that is not set: the profile's key that stands for it is named instead.
    pub(super) fn blamed(self, error: EnvironmentError, set: &Variables) -> EnvironmentError {
        let (name, reason) = match &error {
            EnvironmentError::Invalid { name, value, expected } => (name, format!("it is {value:?}: write {expected}")),
            EnvironmentError::File { name, path, source } => {
                (name, format!("the file {path:?} cannot be read: {source}"))
            }
            EnvironmentError::Missing { name, missing } => (name, format!("it needs {}, or its data", key(missing))),
            _ => return error,
        };
        let data = name.replace("_PATH", "_DATA");
        if set.contains_key(name) || set.contains_key(&data) {
            return error;
        }
        EnvironmentError::Profile {
            key: key(name),
            path: self.path,
            profile: self.profile,
            reason,
        }
    }
}

/// The key of a profile that says what this variable does.
fn key(variable: &str) -> String {
    let key = variable.trim_start_matches("TEMPORAL_").to_ascii_lowercase();
    match key.strip_prefix("tls_") {
        Some(key) => format!("tls.{key}"),
        None => key,
    }
}

/// The profile that the variables name, of the file that they name or the user's own.
pub(super) fn load(variables: &Variables) -> Result<Loaded, EnvironmentError> {
    let wanted = variables.get("TEMPORAL_PROFILE").map(String::as_str);
    let none = || match wanted {
        Some(profile) => Err(EnvironmentError::NoProfile {
            profile: profile.to_owned(),
            path: String::new(),
        }),
        None => Ok(Loaded::default()),
    };
    let named = variables.get("TEMPORAL_CONFIG_FILE").map(PathBuf::from);
    let Some(path) = named.clone().or_else(|| own_file(variables)) else {
        return none();
    };
    let text = match std::fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) if named.is_none() && error.kind() == std::io::ErrorKind::NotFound => return none(),
        Err(source) => {
            return Err(EnvironmentError::File {
                name: "TEMPORAL_CONFIG_FILE".to_owned(),
                path: path.display().to_string(),
                source,
            });
        }
    };
    let path = path.display().to_string();
    let mut file: File = match toml::from_str(&text) {
        Ok(file) => file,
        Err(error) => {
            let reason = error.to_string();
            return Err(EnvironmentError::Format { path, reason });
        }
    };
    let name = wanted.unwrap_or("default");
    match (file.profile.remove(name), wanted) {
        (Some(profile), _) => {
            let (variables, profile) = (profile.into_variables(), name.to_owned());
            let origin = Some(Origin { path, profile });
            Ok(Loaded { variables, origin })
        }
        (None, None) => Ok(Loaded::default()),
        (None, Some(profile)) => {
            let profile = profile.to_owned();
            Err(EnvironmentError::NoProfile { profile, path })
        }
    }
}

fn own_file(variables: &Variables) -> Option<PathBuf> {
    let folder = FOLDERS
        .iter()
        .find_map(|(variable, inside)| Some(PathBuf::from(variables.get(*variable)?).join(inside)));
    Some(folder?.join("temporalio/temporal.toml"))
}

impl Profile {
    fn into_variables(self) -> Variables {
        let tls = self.tls;
        let mut variables = Variables::new();
        let flag = |value: bool| Some(value.to_string());
        for (name, value) in [
            ("TEMPORAL_ADDRESS", self.address),
            ("TEMPORAL_NAMESPACE", self.namespace),
            ("TEMPORAL_API_KEY", self.api_key),
            ("TEMPORAL_TLS", tls.disabled.and_then(|disabled| flag(!disabled))),
            ("TEMPORAL_TLS_CLIENT_CERT_PATH", tls.client_cert_path),
            ("TEMPORAL_TLS_CLIENT_CERT_DATA", tls.client_cert_data),
            ("TEMPORAL_TLS_CLIENT_KEY_PATH", tls.client_key_path),
            ("TEMPORAL_TLS_CLIENT_KEY_DATA", tls.client_key_data),
            ("TEMPORAL_TLS_SERVER_CA_CERT_PATH", tls.server_ca_cert_path),
            ("TEMPORAL_TLS_SERVER_CA_CERT_DATA", tls.server_ca_cert_data),
            ("TEMPORAL_TLS_SERVER_NAME", tls.server_name),
            (
                "TEMPORAL_TLS_DISABLE_HOST_VERIFICATION",
                flag(tls.disable_host_verification),
            ),
        ] {
            if let Some(value) = value.filter(|value| !value.is_empty()) {
                variables.insert(name.to_owned(), value);
            }
        }
        for (key, value) in self.grpc_meta {
            variables.insert(format!("{META}{}", key.to_ascii_uppercase().replace('-', "_")), value);
        }
        variables
    }
}
