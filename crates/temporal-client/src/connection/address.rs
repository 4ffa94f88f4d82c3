//! Server addresses as people write them.

use super::{ClientOptions, ConnectError};
use http::Uri;

/// The URI to connect to: with a scheme, which `localhost:7233` lacks, and a port.
pub(super) fn parse(options: &ClientOptions) -> Result<Uri, ConnectError> {
    let address = options.address.trim();
    let invalid = |reason: &str| ConnectError::InvalidAddress {
        address: address.to_owned(),
        reason: reason.to_owned(),
    };
    let secure = options.tls.is_some() || options.api_key.is_some();
    let full = match address.contains("://") {
        true => address.to_owned(),
        false if secure => format!("https://{address}"),
        false => format!("http://{address}"),
    };
    let uri: Uri = full
        .parse()
        .map_err(|error: http::uri::InvalidUri| invalid(&error.to_string()))?;
    match uri.scheme_str() {
        Some("https") => {}
        Some("http") if options.tls.is_some() => {
            return Err(ConnectError::InvalidTls {
                reason: format!(
                    "the server address {address:?} says http, which is without TLS; write https, or set no TLS options"
                ),
            });
        }
        Some("http") => {}
        _ => return Err(invalid("its scheme must be http or https")),
    }
    let host = uri
        .host()
        .filter(|host| !host.is_empty())
        .ok_or_else(|| invalid("it names no host"))?;
    if uri.port_u16().is_some() {
        return Ok(uri);
    }
    if uri.authority().is_some_and(|authority| authority.as_str() != host) {
        return Err(invalid("what follows the host is not a port"));
    }
    let with_port = format!("{}://{host}:7233", uri.scheme_str().unwrap_or("http"));
    with_port.parse().map_err(|_| invalid("it names no host"))
}

#[cfg(test)]
mod tests {
    use super::super::{ClientOptions, Tls};
    use super::parse;

    fn check(options: ClientOptions, expected: &str) {
        let found = match parse(&options) {
            Ok(uri) => uri.to_string(),
            Err(error) => error.to_string(),
        };
        assert!(found.contains(expected), "{found}");
    }

    #[test]
    fn s1_s3_addresses() {
        check(ClientOptions::new("http://localhost:7233"), "http://localhost:7233/");
        check(ClientOptions::new("localhost:7233"), "http://localhost:7233/");
        check(ClientOptions::new("https://example.com"), "https://example.com:7233/");
        check(ClientOptions::new("[::1]:7233"), "http://[::1]:7233/");
        check(
            ClientOptions::new("example.com:7233").tls(Tls::new()),
            "https://example.com:7233/",
        );
        check(
            ClientOptions::new("example.com:7233").api_key("key"),
            "https://example.com:7233/",
        );
    }

    #[test]
    fn wrong_addresses_are_named() {
        check(
            ClientOptions::new("ftp://example.com"),
            "\"ftp://example.com\" is not usable",
        );
        check(ClientOptions::new(""), "write it like http://localhost:7233");
        check(
            ClientOptions::new("http://example.com").tls(Tls::new()),
            "the TLS options are not usable: the server address \"http://example.com\" says http, which is without TLS; \
             write https, or set no TLS options",
        );
        check(ClientOptions::new("example.com:port"), "is not usable");
    }
}
