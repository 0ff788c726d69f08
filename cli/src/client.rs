//! The connection to the allocator, and what its errors mean to a person.

use std::error::Error;
use std::time::Duration;

use headroom_proto::v1::operator_client::OperatorClient;
use headroom_proto::v1::scheduler_client::SchedulerClient;
use headroom_proto::v1::{Cluster, GetClusterRequest};
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Status};

use crate::address::Address;
use crate::failure::Failure;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
/// For the answer to begin; a stream may then last as long as it likes.
pub(crate) const CALL_TIMEOUT: Duration = Duration::from_secs(30);
const KEEP_ALIVE: Duration = Duration::from_secs(10);
/// A cluster of 10,000 nodes and 100,000 tasks fits.
const MAX_ANSWER_BYTES: usize = 256 << 20;

/// What a call was about, for the answer "not found".
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Subject<'a> {
    Task(&'a str),
    Framework(&'a str),
    Role(&'a str),
    Node(&'a str),
    /// `why` takes a task, a framework or a node.
    Any(&'a str),
    Nothing,
}

/// One connection, shared by all of a command's calls.
#[derive(Debug, Clone)]
pub(crate) struct Client {
    address: Address,
    channel: Channel,
}

impl Client {
    /// Connects now, so that a missing allocator is said before anything else.
    pub(crate) async fn connect(address: &Address) -> Result<Self, Failure> {
        let channel = endpoint(address).connect().await.map_err(|e| Failure::Unreachable {
            address: address.to_string(),
            cause: root_cause(&e),
        })?;
        Ok(Client { address: address.clone(), channel })
    }

    pub(crate) fn address(&self) -> &Address {
        &self.address
    }

    pub(crate) fn operator(&self) -> OperatorClient<Channel> {
        OperatorClient::new(self.channel.clone()).max_decoding_message_size(MAX_ANSWER_BYTES)
    }

    pub(crate) fn scheduler(&self) -> SchedulerClient<Channel> {
        SchedulerClient::new(self.channel.clone()).max_decoding_message_size(MAX_ANSWER_BYTES)
    }

    /// All there is to see.
    pub(crate) async fn cluster(&self, ended: bool) -> Result<Cluster, Failure> {
        let answer = self.operator().get_cluster(GetClusterRequest { ended }).await;
        answer
            .map(tonic::Response::into_inner)
            .map_err(|e| self.failure("cannot read the cluster's state", &e, Subject::Nothing))
    }

    /// An error of a call, in words.
    pub(crate) fn failure(
        &self,
        action: &'static str,
        status: &Status,
        subject: Subject<'_>,
    ) -> Failure {
        if is_transport(status) {
            let cause = status.source().map_or_else(|| status.message().into(), root_cause);
            return Failure::Unreachable { address: self.address.to_string(), cause };
        }
        match (status.code(), not_found(subject)) {
            (Code::NotFound, Some(failure)) => failure,
            (Code::InvalidArgument | Code::FailedPrecondition, _) => {
                Failure::Refused { message: status.message().into() }
            }
            (Code::Unimplemented, _) => Failure::Call {
                action,
                message: "this allocator does not know the call; it may be older than this command"
                    .into(),
            },
            (code, _) if status.message().is_empty() => {
                Failure::Call { action, message: code.description().to_lowercase() }
            }
            _ => Failure::Call { action, message: status.message().into() },
        }
    }
}

fn endpoint(address: &Address) -> Endpoint {
    Endpoint::from(address.uri())
        .connect_timeout(CONNECT_TIMEOUT)
        .timeout(CALL_TIMEOUT)
        .tcp_nodelay(true)
        .http2_keep_alive_interval(KEEP_ALIVE)
        .keep_alive_while_idle(true)
}

fn not_found(subject: Subject<'_>) -> Option<Failure> {
    let (kind, name, next) = match subject {
        Subject::Task(name) => ("task", name, "`headroom ps -a` lists them, ended ones too"),
        Subject::Framework(name) => ("framework", name, "`headroom frameworks` lists them"),
        Subject::Role(name) => ("role", name, "`headroom roles` lists them"),
        Subject::Node(name) => ("node", name, "`headroom agents` lists them"),
        Subject::Any(name) => (
            "task, framework or node",
            name,
            "`headroom ps -a` lists tasks, `headroom frameworks` lists frameworks",
        ),
        Subject::Nothing => return None,
    };
    Some(Failure::NotFound { kind, name: name.into(), next })
}

/// The connection broke, rather than the allocator having answered with an error: tonic puts a
/// source on the first kind only.
pub(crate) fn is_transport(status: &Status) -> bool {
    matches!(status.code(), Code::Unavailable | Code::Unknown | Code::Cancelled | Code::Internal)
        && status.source().is_some()
}

/// The innermost error says most: "Connection refused (os error 111)".
fn root_cause(error: &(dyn Error + 'static)) -> String {
    let mut innermost = error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    match innermost.downcast_ref::<std::io::Error>() {
        Some(error) => error.kind().to_string(),
        None => innermost.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_refused_connection_names_the_address_and_the_next_step() {
        // Bound and closed again: nothing listens there now.
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("bind");
        let port = listener.local_addr().expect("address").port();
        drop(listener);
        let address: Address = format!("127.0.0.1:{port}").parse().expect("address");
        let failure = Client::connect(&address).await.expect_err("nobody listens");
        assert_eq!(failure.code(), crate::exit::UNREACHABLE);
        assert_eq!(
            failure.to_string(),
            format!("no allocator answers at http://127.0.0.1:{port} (connection refused)")
        );
        assert!(failure.next().expect("a next step").contains("headroom up"));
    }

    #[test]
    fn not_found_says_how_to_find() {
        for (subject, kind) in
            [(Subject::Task("x"), "task"), (Subject::Framework("x"), "framework")]
        {
            let failure = not_found(subject).expect("a failure");
            assert_eq!(failure.code(), crate::exit::NOT_FOUND);
            assert_eq!(failure.to_string(), format!("no {kind} named \"x\""));
        }
        assert!(not_found(Subject::Nothing).is_none());
    }
}
