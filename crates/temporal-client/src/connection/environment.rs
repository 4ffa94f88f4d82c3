//! Options from environment variables and the configuration file.

mod profile;

use super::{ClientOptions, Tls};
use profile::{FOLDERS, Loaded};
use std::collections::BTreeMap;

/// Environment variables, or a configuration file, that do not make options.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EnvironmentError {
    /// A variable has a value that it cannot have.
    #[error("the environment variable {name} is {value:?}: write {expected}")]
    Invalid {
        /// The variable.
        name: String,
        /// Its value.
        value: String,
        /// What it can be.
        expected: &'static str,
    },
    /// A file that a variable names cannot be read.
    #[error("the file {path:?} named by the environment variable {name} cannot be read: {source}")]
    File {
        /// The variable.
        name: String,
        /// The file.
        path: String,
        /// Why.
        source: std::io::Error,
    },
    /// The configuration file is not one.
    #[error("the configuration file {path:?} is not usable: {reason}")]
    Format {
        /// The file.
        path: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The profile named is not in the configuration file.
    #[error(
        "there is no profile {profile:?} in {path:?}: write [profile.{profile}], or set TEMPORAL_PROFILE to another"
    )]
    NoProfile {
        /// The profile.
        profile: String,
        /// The file; empty when there is none.
        path: String,
    },
    /// A profile of the configuration file has a key with a value that it cannot have, or needs another key.
    #[error("{key} of the profile {profile:?} in {path:?} is not usable: {reason}")]
    Profile {
        /// The configuration file.
        path: String,
        /// The profile.
        profile: String,
        /// The key, such as `tls.client_cert_path`.
        key: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A variable needs another one.
    #[error("the environment variable {name} is set, but {missing} is not")]
    Missing {
        /// The variable set.
        name: String,
        /// The variable that is not.
        missing: String,
    },
}

impl ClientOptions {
    /// Options from the configuration file and the environment variables that all Temporal tools read; the defaults where
    /// neither says anything. A variable goes before the file.
    ///
    /// The variables are `TEMPORAL_ADDRESS`, `TEMPORAL_NAMESPACE`, `TEMPORAL_API_KEY`, `TEMPORAL_TLS` (`true` or `false`),
    /// `TEMPORAL_TLS_SERVER_CA_CERT_PATH` or `…_DATA`, `TEMPORAL_TLS_CLIENT_CERT_PATH` or `…_DATA`,
    /// `TEMPORAL_TLS_CLIENT_KEY_PATH` or `…_DATA`, `TEMPORAL_TLS_SERVER_NAME`, and `TEMPORAL_GRPC_META_X_TEAM` for the
    /// header `x-team`.
    ///
    /// The file is the one named by `TEMPORAL_CONFIG_FILE`, or else `temporalio/temporal.toml` in the user's configuration
    /// folder; of its profiles, `TEMPORAL_PROFILE` names the one to use, `default` by default:
    ///
    /// ```toml
    /// [profile.production]
    /// address = "my-namespace.a1b2c.tmprl.cloud:7233"
    /// namespace = "my-namespace.a1b2c"
    /// [profile.production.tls]
    /// client_cert_path = "/etc/temporal/client.pem"
    /// client_key_path = "/etc/temporal/client.key"
    /// [profile.production.grpc_meta]
    /// x-team = "payments"
    /// ```
    ///
    /// ```no_run
    /// use temporal_client::{Client, ClientOptions};
    ///
    /// # async fn example() -> anyhow::Result<()> {
    /// let client = Client::connect(ClientOptions::from_env()?).await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// When a variable or the file has a value it cannot have, a file that is named cannot be read, or the profile named is
    /// not in it.
    pub fn from_env() -> Result<Self, EnvironmentError> {
        let variables =
            std::env::vars_os().filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
        let variables = variables.filter(|(name, value)| !value.is_empty() && is_used(name));
        with_profile(variables.collect())
    }
}

/// Variables that matter, those that say where the configuration folder is included.
fn is_used(name: &str) -> bool {
    name.starts_with("TEMPORAL_") || FOLDERS.iter().any(|(folder, _)| *folder == name)
}

const META: &str = "TEMPORAL_GRPC_META_";

type Variables = BTreeMap<String, String>;

/// The options of these variables, over those of the profile they name.
fn with_profile(variables: Variables) -> Result<ClientOptions, EnvironmentError> {
    let Loaded {
        variables: mut merged,
        origin,
    } = profile::load(&variables)?;
    for name in [
        "TEMPORAL_TLS_SERVER_CA_CERT",
        "TEMPORAL_TLS_CLIENT_CERT",
        "TEMPORAL_TLS_CLIENT_KEY",
    ] {
        let both = [format!("{name}_PATH"), format!("{name}_DATA")];
        if both.iter().any(|name| variables.contains_key(name)) {
            merged.retain(|name, _| !both.contains(name));
        }
    }
    merged.extend(variables.clone());
    from_variables(&merged).map_err(|error| match origin {
        Some(origin) => origin.blamed(error, &variables),
        None => error,
    })
}

fn from_variables(variables: &Variables) -> Result<ClientOptions, EnvironmentError> {
    let get = |name: &str| variables.get(name).cloned();
    let tls = tls(&get)?;
    let mut options = ClientOptions::default();
    // Without a scheme, so that TLS or an API key can choose it.
    let address = get("TEMPORAL_ADDRESS").unwrap_or_else(|| "localhost:7233".to_owned());
    options = match tls {
        Wanted::Off if !address.contains("://") => options.address(format!("http://{address}")),
        Wanted::Off | Wanted::Unsaid => options.address(address),
        Wanted::On(tls) => options.address(address).tls(tls),
    };
    if let Some(namespace) = get("TEMPORAL_NAMESPACE") {
        options = options.namespace(namespace);
    }
    if let Some(key) = get("TEMPORAL_API_KEY") {
        options = options.api_key(key);
    }
    for (name, value) in variables {
        if let Some(key) = name.strip_prefix(META) {
            options = options.metadata(key.to_ascii_lowercase().replace('_', "-"), value);
        }
    }
    Ok(options)
}

/// What is said about TLS.
enum Wanted {
    On(Tls),
    Off,
    Unsaid,
}

fn tls(get: &dyn Fn(&str) -> Option<String>) -> Result<Wanted, EnvironmentError> {
    let wanted = flag(get, "TEMPORAL_TLS")?;
    if flag(get, "TEMPORAL_TLS_DISABLE_HOST_VERIFICATION")? == Some(true) {
        return Err(EnvironmentError::Invalid {
            name: "TEMPORAL_TLS_DISABLE_HOST_VERIFICATION".to_owned(),
            value: "true".to_owned(),
            expected: "false: an unverified server is not supported; name the certificate's own host in \
                       TEMPORAL_TLS_SERVER_NAME",
        });
    }
    let roots = pem(get, "TEMPORAL_TLS_SERVER_CA_CERT")?;
    let certificate = pem(get, "TEMPORAL_TLS_CLIENT_CERT")?;
    let key = pem(get, "TEMPORAL_TLS_CLIENT_KEY")?;
    let domain = get("TEMPORAL_TLS_SERVER_NAME");
    let any = roots.is_some() || certificate.is_some() || key.is_some() || domain.is_some();
    match wanted {
        Some(false) => return Ok(Wanted::Off),
        None if !any => return Ok(Wanted::Unsaid),
        Some(true) | None => {}
    }
    let mut tls = Tls::new();
    if let Some(roots) = roots {
        tls = tls.root_certificates(roots);
    }
    if let Some(domain) = domain {
        tls = tls.domain(domain);
    }
    let missing = |name: &str, missing: &str| EnvironmentError::Missing {
        name: name.to_owned(),
        missing: missing.to_owned(),
    };
    match (certificate, key) {
        (Some(certificate), Some(key)) => tls = tls.client_certificate(certificate, key),
        (Some(_), None) => return Err(missing("TEMPORAL_TLS_CLIENT_CERT_PATH", "TEMPORAL_TLS_CLIENT_KEY_PATH")),
        (None, Some(_)) => return Err(missing("TEMPORAL_TLS_CLIENT_KEY_PATH", "TEMPORAL_TLS_CLIENT_CERT_PATH")),
        (None, None) => {}
    }
    Ok(Wanted::On(tls))
}

fn flag(get: &dyn Fn(&str) -> Option<String>, name: &str) -> Result<Option<bool>, EnvironmentError> {
    match get(name).as_deref() {
        None => Ok(None),
        Some("true" | "1") => Ok(Some(true)),
        Some("false" | "0") => Ok(Some(false)),
        Some(other) => Err(EnvironmentError::Invalid {
            name: name.to_owned(),
            value: other.to_owned(),
            expected: "true or false",
        }),
    }
}

/// The text of `…_DATA`, or of the file named by `…_PATH`.
fn pem(get: &dyn Fn(&str) -> Option<String>, name: &str) -> Result<Option<Vec<u8>>, EnvironmentError> {
    if let Some(data) = get(&format!("{name}_DATA")) {
        return Ok(Some(data.into_bytes()));
    }
    let name = format!("{name}_PATH");
    let Some(path) = get(&name) else {
        return Ok(None);
    };
    match std::fs::read(&path) {
        Ok(data) => Ok(Some(data)),
        Err(source) => Err(EnvironmentError::File { name, path, source }),
    }
}

#[cfg(test)]
mod tests {
    use super::{ClientOptions, EnvironmentError, Tls, with_profile};
    use std::path::PathBuf;

    fn options(variables: &[(&str, &str)]) -> Result<ClientOptions, EnvironmentError> {
        let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        with_profile(variables.iter().map(owned).collect())
    }

    /// A configuration file that is there as long as this is.
    struct File(PathBuf);

    impl File {
        fn new(text: &str) -> Self {
            let path = std::env::temp_dir().join(format!("temporal-{}.toml", uuid::Uuid::new_v4()));
            std::fs::write(&path, text).unwrap();
            Self(path)
        }

        fn options(&self, variables: &[(&str, &str)]) -> Result<ClientOptions, EnvironmentError> {
            let file = ("TEMPORAL_CONFIG_FILE", self.0.to_str().unwrap());
            options(&[&[file], variables].concat())
        }
    }

    impl Drop for File {
        fn drop(&mut self) {
            let _ = std::fs::remove_file(&self.0);
        }
    }

    const FILE: &str = r#"
        [profile.default]
        address = "file:7233"
        namespace = "file-namespace"
        [profile.default.grpc_meta]
        X-Team = "payments"
        [profile.default.tls]
        client_cert_data = "certificate"
        client_key_data = "key"
        [profile.plain]
        address = "plain:1"
        api_key = "secret"
        [profile.plain.tls]
        disabled = true
        [profile.plain.codec]
        endpoint = "ignored"
    "#;

    #[test]
    fn p47_defaults() {
        let options = options(&[]).unwrap();
        assert_eq!(options.address, "localhost:7233");
        assert_eq!(options.namespace, "default");
        assert!(options.tls.is_none());
    }

    #[test]
    fn p47_all_variables() {
        let options = options(&[
            ("TEMPORAL_ADDRESS", "example.com:7233"),
            ("TEMPORAL_NAMESPACE", "orders"),
            ("TEMPORAL_API_KEY", "secret"),
            ("TEMPORAL_GRPC_META_X_TEAM", "payments"),
            ("TEMPORAL_TLS_SERVER_NAME", "server"),
            ("TEMPORAL_TLS_CLIENT_CERT_DATA", "certificate"),
            ("TEMPORAL_TLS_CLIENT_KEY_DATA", "key"),
        ]);
        let options = options.unwrap();
        assert_eq!(
            (options.address.as_str(), options.namespace.as_str()),
            ("example.com:7233", "orders")
        );
        assert_eq!(options.api_key.as_deref(), Some("secret"));
        assert_eq!(options.metadata, [("x-team".to_owned(), "payments".to_owned())]);
        assert_eq!(
            options.tls,
            Some(Tls::new().domain("server").client_certificate("certificate", "key"))
        );
        assert!(!format!("{options:?}").contains("secret"));
    }

    #[test]
    fn p47_mistakes_name_the_variable() {
        let error = options(&[("TEMPORAL_TLS", "maybe")]).unwrap_err();
        assert!(error.to_string().contains("TEMPORAL_TLS is \"maybe\""), "{error}");
        let error = options(&[("TEMPORAL_TLS_SERVER_CA_CERT_PATH", "/no/such/file")]).unwrap_err();
        assert!(
            error.to_string().contains("TEMPORAL_TLS_SERVER_CA_CERT_PATH"),
            "{error}"
        );
        let error = options(&[("TEMPORAL_TLS_CLIENT_KEY_DATA", "key")]).unwrap_err();
        assert!(
            error.to_string().contains("TEMPORAL_TLS_CLIENT_CERT_PATH is not"),
            "{error}"
        );
        let error = options(&[("TEMPORAL_TLS_DISABLE_HOST_VERIFICATION", "1")]).unwrap_err();
        assert!(error.to_string().contains("TEMPORAL_TLS_SERVER_NAME"), "{error}");
    }

    #[test]
    fn p47_profiles_of_a_file() {
        let file = File::new(FILE);
        let options = file.options(&[]).unwrap();
        assert_eq!(
            (options.address.as_str(), options.namespace.as_str()),
            ("file:7233", "file-namespace")
        );
        assert_eq!(options.metadata, [("x-team".to_owned(), "payments".to_owned())]);
        assert_eq!(options.tls, Some(Tls::new().client_certificate("certificate", "key")));
        let plain = file.options(&[("TEMPORAL_PROFILE", "plain")]).unwrap();
        assert_eq!(
            (plain.address.as_str(), plain.api_key.as_deref()),
            ("http://plain:1", Some("secret"))
        );
        assert!(plain.tls.is_none());
    }

    #[test]
    fn p47_variables_go_before_the_file() {
        let file = File::new(FILE);
        let key = File::new("other key");
        let variables = [
            ("TEMPORAL_NAMESPACE", "own"),
            ("TEMPORAL_TLS_CLIENT_KEY_PATH", key.0.to_str().unwrap()),
        ];
        let options = file.options(&variables).unwrap();
        assert_eq!(
            (options.address.as_str(), options.namespace.as_str()),
            ("file:7233", "own")
        );
        assert_eq!(
            options.tls,
            Some(Tls::new().client_certificate("certificate", "other key"))
        );
    }

    #[test]
    fn p47_mistakes_in_a_file_name_it() {
        let file = File::new("[profile.default]\naddress = 5");
        let text = file.options(&[]).unwrap_err().to_string();
        assert!(
            text.contains(file.0.to_str().unwrap()) && text.contains("line 2"),
            "{text}"
        );
        let file = File::new("[profile.default.tls]\nclient_cert_path = \"/no/such/file\"");
        let text = file.options(&[]).unwrap_err().to_string();
        let expected = format!("tls.client_cert_path of the profile \"default\" in {:?}", file.0);
        assert!(text.starts_with(&expected) && text.contains("/no/such/file"), "{text}");
        // Of two, the one that is read is to blame.
        let variable = ("TEMPORAL_TLS_CLIENT_CERT_PATH", "/no/such/file/either");
        let text = file.options(&[variable]).unwrap_err().to_string();
        assert!(
            text.contains("environment variable TEMPORAL_TLS_CLIENT_CERT_PATH"),
            "{text}"
        );
        let file = File::new("[profile.default.tls]\nclient_key_data = \"key\"");
        let text = file.options(&[]).unwrap_err().to_string();
        assert!(text.contains("it needs tls.client_cert_path"), "{text}");
        let error = File::new(FILE).options(&[("TEMPORAL_PROFILE", "missing")]).unwrap_err();
        assert!(error.to_string().contains("no profile \"missing\""), "{error}");
        let error = options(&[("TEMPORAL_CONFIG_FILE", "/no/such/file")]).unwrap_err();
        assert!(error.to_string().contains("TEMPORAL_CONFIG_FILE"), "{error}");
    }
}
