//! Options from environment variables.

use super::{ClientOptions, Tls};

/// Environment variables that do not make options.
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
    /// Options from the environment variables that all Temporal tools read; the defaults where they are not set.
    ///
    /// `TEMPORAL_ADDRESS`, `TEMPORAL_NAMESPACE`, `TEMPORAL_API_KEY`, `TEMPORAL_TLS` (`true` or `false`),
    /// `TEMPORAL_TLS_SERVER_CA_CERT_PATH` or `…_DATA`, `TEMPORAL_TLS_CLIENT_CERT_PATH` or `…_DATA`,
    /// `TEMPORAL_TLS_CLIENT_KEY_PATH` or `…_DATA`, `TEMPORAL_TLS_SERVER_NAME`, and `TEMPORAL_GRPC_META_X_TEAM` for the
    /// header `x-team`.
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
    /// When a variable has a value it cannot have, or names a file that cannot be read.
    pub fn from_env() -> Result<Self, EnvironmentError> {
        let variables = std::env::vars_os().filter_map(|(name, value)| {
            let name = name.into_string().ok()?;
            name.starts_with("TEMPORAL_").then_some(())?;
            Some((name, value.into_string().ok()?))
        });
        from_variables(variables.collect())
    }
}

const META: &str = "TEMPORAL_GRPC_META_";

fn from_variables(variables: Vec<(String, String)>) -> Result<ClientOptions, EnvironmentError> {
    let get = |name: &str| {
        let found = variables.iter().find(|(own, _)| own == name);
        found.map(|(_, value)| value.clone()).filter(|value| !value.is_empty())
    };
    let mut options = ClientOptions::default();
    if let Some(address) = get("TEMPORAL_ADDRESS") {
        options = options.address(address);
    } else {
        // Without a scheme, so that TLS or an API key can choose it.
        options = options.address("localhost:7233");
    }
    if let Some(namespace) = get("TEMPORAL_NAMESPACE") {
        options = options.namespace(namespace);
    }
    if let Some(key) = get("TEMPORAL_API_KEY") {
        options = options.api_key(key);
    }
    for (name, value) in &variables {
        if let Some(key) = name.strip_prefix(META) {
            options = options.metadata(key.to_ascii_lowercase().replace('_', "-"), value);
        }
    }
    if let Some(tls) = tls(&get)? {
        options = options.tls(tls);
    }
    Ok(options)
}

fn tls(get: &dyn Fn(&str) -> Option<String>) -> Result<Option<Tls>, EnvironmentError> {
    let wanted = match get("TEMPORAL_TLS").as_deref() {
        None => None,
        Some("true" | "1") => Some(true),
        Some("false" | "0") => Some(false),
        Some(other) => {
            return Err(EnvironmentError::Invalid {
                name: "TEMPORAL_TLS".to_owned(),
                value: other.to_owned(),
                expected: "true or false",
            });
        }
    };
    let roots = pem(get, "TEMPORAL_TLS_SERVER_CA_CERT")?;
    let certificate = pem(get, "TEMPORAL_TLS_CLIENT_CERT")?;
    let key = pem(get, "TEMPORAL_TLS_CLIENT_KEY")?;
    let domain = get("TEMPORAL_TLS_SERVER_NAME");
    let any = roots.is_some() || certificate.is_some() || key.is_some() || domain.is_some();
    if !wanted.unwrap_or(any) {
        return Ok(None);
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
    Ok(Some(tls))
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
    use super::{ClientOptions, EnvironmentError, Tls, from_variables};

    fn options(variables: &[(&str, &str)]) -> Result<ClientOptions, EnvironmentError> {
        from_variables(
            variables
                .iter()
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
                .collect(),
        )
    }

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
    }
}
