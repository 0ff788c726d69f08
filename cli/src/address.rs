//! The allocator's address as a person types it.

use std::fmt;
use std::str::FromStr;

use tonic::transport::Uri;

/// The allocator's port where none is given.
const PORT: u16 = 5050;
/// Where a single machine's allocator listens.
pub(crate) const DEFAULT: &str = "http://127.0.0.1:5050";

/// An `http://host:port` that can be connected to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Address {
    uri: Uri,
}

impl Address {
    pub(crate) fn uri(&self) -> Uri {
        self.uri.clone()
    }
}

impl FromStr for Address {
    type Err = String;

    /// Scheme and port may be left out: `node7` is `http://node7:5050`.
    fn from_str(text: &str) -> Result<Self, String> {
        let text = text.trim();
        let whole = if text.contains("://") { text.to_string() } else { format!("http://{text}") };
        let uri: Uri = whole
            .parse()
            .map_err(|e| format!("not an address ({e}); write it as http://host:{PORT}"))?;
        if uri.scheme_str() != Some("http") {
            return Err(format!("only http is spoken; write it as http://host:{PORT}"));
        }
        if !matches!(uri.path(), "" | "/") || uri.query().is_some() {
            return Err(format!("only a host and a port; write it as http://host:{PORT}"));
        }
        let host = uri.host().unwrap_or_default();
        if host.is_empty() {
            return Err(format!("no host in it; write it as http://host:{PORT}"));
        }
        let authority = uri.authority().map_or("", |a| a.as_str());
        let port = match authority.strip_prefix(host) {
            Some("") => Some(PORT),
            _ => uri.port_u16().filter(|port| *port > 0),
        };
        let port = port.ok_or("the port must be a number from 1 to 65535")?;
        let whole = format!("http://{host}:{port}");
        Ok(Address { uri: whole.parse().map_err(|e| format!("not an address ({e})"))? })
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "http://{}", self.uri.authority().map_or("", |a| a.as_str()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_out_is_filled_in() {
        for (text, want) in [
            ("http://127.0.0.1:5050", DEFAULT),
            ("127.0.0.1", DEFAULT),
            ("127.0.0.1:5050/", DEFAULT),
            ("node7", "http://node7:5050"),
            ("node7:81", "http://node7:81"),
            ("[::1]:9", "http://[::1]:9"),
        ] {
            assert_eq!(text.parse::<Address>().expect(text).to_string(), want);
        }
        for text in
            ["", "https://a", "ftp://a", "http://", "a b", "http://a/x", "http://a:99999", ":5050"]
        {
            assert!(text.parse::<Address>().is_err(), "{text} was taken");
        }
    }
}
