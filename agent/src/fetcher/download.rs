//! From the source to a file: over HTTP, or from another file of this node.

use super::{FetchError, Uri, budget::Budget};
use std::{fs::File, io, path::Path, time::Duration};
use ureq::{
    Agent, Body,
    http::{Response, header},
    tls::{RootCerts, TlsConfig},
};

/// A source may send a request on so often.
const MAX_REDIRECTS: u32 = 10;
const NOT_MODIFIED: u16 = 304;

/// What a server says of one version of a file.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(super) struct Version {
    pub(super) etag: Option<String>,
    pub(super) last_modified: Option<String>,
    pub(super) length: Option<u64>,
}

/// What comes of asking for a newer version.
pub(super) enum Answer {
    /// There is none.
    Unchanged,
    /// The file itself, still to be read.
    New(Version, Box<Response<Body>>),
}

/// Asks servers.
pub(super) struct Client(Agent);

impl Client {
    /// `stall`: how long a server may send nothing.
    pub(super) fn new(stall: Duration) -> Self {
        // The node's own certificates: a cluster's servers are often its owner's.
        let tls = TlsConfig::builder().root_certs(RootCerts::PlatformVerifier).build();
        let config = Agent::config_builder()
            .tls_config(tls)
            .http_status_as_error(false)
            .max_redirects(MAX_REDIRECTS)
            .timeout_connect(Some(stall))
            .timeout_recv_response(Some(stall))
            .timeout_per_read(Some(stall))
            .user_agent(concat!("headroom-fetcher/", env!("CARGO_PKG_VERSION")))
            .build();
        Self(config.new_agent())
    }

    /// Fetches a file to `to`.
    pub(super) fn fetch(
        &self,
        uri: &Uri,
        to: &Path,
        budget: &mut Budget,
    ) -> Result<(), FetchError> {
        if let Some(path) = uri.local()? {
            return uri.copy(path, &uri.open(path)?, to, budget);
        }
        match self.ask(uri, None)? {
            Answer::New(version, response) => receive(uri, &version, *response, to, budget),
            Answer::Unchanged => {
                Err(FetchError::Status { uri: uri.value.clone(), status: NOT_MODIFIED })
            }
        }
    }

    /// Asks for a file, if it is another than the one that is known.
    pub(super) fn ask(&self, uri: &Uri, known: Option<&Version>) -> Result<Answer, FetchError> {
        let mut request = self.0.get(&uri.value);
        if let Some(etag) = known.and_then(|known| known.etag.as_deref()) {
            request = request.header(header::IF_NONE_MATCH, etag);
        } else if let Some(date) = known.and_then(|known| known.last_modified.as_deref()) {
            request = request.header(header::IF_MODIFIED_SINCE, date);
        }
        let response = request.call().map_err(|fault| broken(uri, &fault))?;
        let status = response.status().as_u16();
        if status == NOT_MODIFIED && known.is_some() {
            return Ok(Answer::Unchanged);
        }
        if status != 200 {
            return Err(FetchError::Status { uri: uri.value.clone(), status });
        }
        let text = |name| response.headers().get(name)?.to_str().ok().map(str::to_owned);
        let version = Version {
            etag: text(header::ETAG),
            last_modified: text(header::LAST_MODIFIED),
            length: response.body().content_length(),
        };
        // A server that names no versions: the length must do, as in Mesos.
        let is_same = version.length.is_some() && known == Some(&version);
        if is_same { Ok(Answer::Unchanged) } else { Ok(Answer::New(version, Box::new(response))) }
    }
}

/// Writes an answer's body to `to`, and sees that it is whole.
pub(super) fn receive(
    uri: &Uri,
    version: &Version,
    response: Response<Body>,
    to: &Path,
    budget: &mut Budget,
) -> Result<(), FetchError> {
    let target = File::create(to).map_err(|fault| uri.write(to, fault))?;
    let body = response.into_body().into_reader();
    let read = |fault: io::Error| broken(uri, &fault);
    let received = budget.copy(uri, body, target, read, |fault| uri.write(to, fault))?;
    match version.length {
        Some(length) if length != received => {
            let problem = format!("it broke off after {received} of {length} bytes");
            Err(FetchError::Network { uri: uri.value.clone(), problem })
        }
        _ => Ok(()),
    }
}

fn broken(uri: &Uri, fault: &dyn std::error::Error) -> FetchError {
    FetchError::Network { uri: uri.value.clone(), problem: fault.to_string() }
}
