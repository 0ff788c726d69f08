//! Everything together: registry, driver, doors, one port.

use crate::{
    agents::{self, Directory},
    config::{Config, ConfigError, weight_milli},
    driver::{CallError, Driver, Owner},
    frameworks,
    history::History,
    metrics::DriverMetrics,
    operator,
    registry::{Registry, RegistryError},
    web,
};
use headroom_core::{command::Command, machine::Machine, time::Time};
use headroom_proto::v1::{
    agent_link_server::AgentLinkServer, operator_server::OperatorServer,
    scheduler_server::SchedulerServer,
};
use std::{io, net::SocketAddr, sync::Arc, time::Duration};
use thiserror::Error;
use tokio::{net::TcpListener, sync::oneshot, task::JoinHandle, time::timeout};
use tonic::{
    service::Routes,
    transport::{Server, server::TcpIncoming},
};
use tracing::{info, warn};

/// A message from outside may have so many bytes.
pub const MAX_MESSAGE_BYTES: usize = 4 << 20;
/// Calls and streams on one connection at a time.
pub const MAX_STREAMS: u32 = 1_024;
/// A connection that is silent is asked so often whether it lives, ...
const KEEPALIVE: Duration = Duration::from_secs(10);
/// ... and given up when it does not answer for so long.
const KEEPALIVE_TIMEOUT: Duration = Duration::from_secs(10);
/// What has not ended so long after the allocator was asked to stop is cut off.
pub const SHUTDOWN_GRACE: Duration = Duration::from_secs(5);

/// Why the allocator does not run.
#[derive(Debug, Error)]
pub enum ServeError {
    /// A value cannot be.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The state directory.
    #[error(transparent)]
    Registry(#[from] RegistryError),
    /// Somebody has the port.
    #[error("{0} is in use; stop what listens there (`ss -ltnp`), or set another `listen` address")]
    AddressInUse(SocketAddr),
    /// The address cannot be listened on.
    #[error("cannot listen on {address}: {source}")]
    Listen {
        /// Which.
        address: SocketAddr,
        /// Why.
        source: io::Error,
    },
    /// A role of the configuration was refused.
    #[error("roles.{name}: {source}")]
    Role {
        /// Which.
        name: String,
        /// Why.
        source: CallError,
    },
    /// A thread could not be made.
    #[error("cannot start the core's thread: {0}")]
    Thread(io::Error),
    /// The reflection service refused our descriptors.
    #[error("gRPC reflection: {0}")]
    Reflection(#[from] tonic_reflection::server::Error),
    /// Serving failed.
    #[error("serving {address}: {source}")]
    Transport {
        /// Where.
        address: SocketAddr,
        /// Why.
        source: tonic::transport::Error,
    },
    /// The core's thread ended by itself; the log says why. A restart goes on from the registry.
    #[error("the core ended by itself; start the allocator again, it goes on from the registry")]
    CoreEnded,
}

/// An allocator that serves.
#[derive(Debug)]
pub struct Running {
    /// Where; the real port if any was asked for.
    pub address: SocketAddr,
    /// The epoch of this start.
    pub epoch: u32,
    driver: Driver,
    owner: Owner,
    stop: oneshot::Sender<()>,
    serving: JoinHandle<Result<(), tonic::transport::Error>>,
}

impl Running {
    /// The way to the core, for doors in the same process.
    #[must_use]
    pub fn driver(&self) -> Driver {
        self.driver.clone()
    }

    /// Serves until `shutdown` comes or something fails; then ends all streams and the registry.
    ///
    /// # Errors
    /// Serving failed, or the core ended by itself.
    pub async fn until(mut self, shutdown: impl Future<Output = ()>) -> Result<(), ServeError> {
        let address = self.address;
        let result = tokio::select! {
            () = shutdown => Ok(()),
            () = self.owner.over() => Err(ServeError::CoreEnded),
            served = &mut self.serving => return finished(served, address),
        };
        info!("shutting down");
        let _ = self.stop.send(());
        self.driver.stop().await;
        if timeout(SHUTDOWN_GRACE, &mut self.serving).await.is_err() {
            warn!("cut off connections that did not end in time");
            self.serving.abort();
        }
        if result.is_ok() && timeout(SHUTDOWN_GRACE, self.owner.over()).await.is_err() {
            warn!("the core did not end in time");
        }
        result
    }

    /// Stops at once, in order.
    ///
    /// # Errors
    /// As [`Running::until`].
    pub async fn stop(self) -> Result<(), ServeError> {
        self.until(std::future::ready(())).await
    }
}

fn finished(
    served: Result<Result<(), tonic::transport::Error>, tokio::task::JoinError>,
    address: SocketAddr,
) -> Result<(), ServeError> {
    match served {
        Ok(Ok(())) => Ok(()),
        Ok(Err(source)) => Err(ServeError::Transport { address, source }),
        Err(_) => Err(ServeError::CoreEnded),
    }
}

/// Runs an allocator until `shutdown` comes.
///
/// # Errors
/// It cannot start, or fails.
pub async fn serve(config: Config, shutdown: impl Future<Output = ()>) -> Result<(), ServeError> {
    start(&config).await?.until(shutdown).await
}

/// Starts an allocator; it listens when this comes back.
///
/// # Errors
/// The configuration is wrong, the state directory is in use or damaged, the address is in use.
pub async fn start(config: &Config) -> Result<Running, ServeError> {
    config.check()?;
    // The port first: a second allocator by mistake does not cost the first one an epoch.
    let (listener, address) = listen(config.listen).await?;
    let mut registry = Registry::open(&config.state_dir)?;
    let epoch = registry.epoch();
    let mut machine = Machine::new(config.settings(), epoch);
    let records = registry.load()?;
    info!(epoch, records = records.len(), state_dir = %config.state_dir.display(), "restored");
    let mut history = History::new(config.completed.bounds());
    history.restore(&records);
    machine.restore(Time::ZERO, records);
    let metrics = Arc::new(DriverMetrics::default());
    let (driver, owner) = Driver::start(machine, history, registry, Arc::clone(&metrics))
        .map_err(ServeError::Thread)?;
    set_roles(&driver, config).await?;
    let routes = routes(config, &driver, metrics, epoch).await?;
    let (stop, stopped) = oneshot::channel();
    let server = Server::builder()
        .accept_http1(true)
        .max_concurrent_streams(MAX_STREAMS)
        .http2_keepalive_interval(Some(KEEPALIVE))
        .http2_keepalive_timeout(Some(KEEPALIVE_TIMEOUT))
        .add_routes(routes);
    // Without it an order waits for the acknowledgement of the one before: 40 ms (RFC 896, 1122).
    let incoming = TcpIncoming::from(listener).with_nodelay(Some(true));
    let serving = tokio::spawn(server.serve_with_incoming_shutdown(incoming, async {
        // The sender dropped also means: stop.
        let _ = stopped.await;
    }));
    info!(%address, epoch, "listening");
    Ok(Running { address, epoch, driver, owner, stop, serving })
}

async fn listen(address: SocketAddr) -> Result<(TcpListener, SocketAddr), ServeError> {
    let fail = |source: io::Error| match source.kind() {
        io::ErrorKind::AddrInUse => ServeError::AddressInUse(address),
        _ => ServeError::Listen { address, source },
    };
    let listener = TcpListener::bind(address).await.map_err(fail)?;
    let bound = listener.local_addr().map_err(fail)?;
    Ok((listener, bound))
}

async fn set_roles(driver: &Driver, config: &Config) -> Result<(), ServeError> {
    for (name, role) in &config.roles {
        let weight = weight_milli(role.weight).map_err(|problem| ConfigError::Value {
            key: format!("roles.{name}.weight"),
            problem,
        })?;
        let command = Command::SetRole(name.clone(), Some(weight), Some(role.opportunistic));
        let set = driver.call(command).await;
        set.map_err(|source| ServeError::Role { name: name.clone(), source })?;
        let quota = role
            .quota()
            .map_err(|problem| ConfigError::Value { key: format!("roles.{name}"), problem })?;
        if let Some(quota) = quota {
            let set = driver.call(Command::SetQuota(name.clone(), Some(quota))).await;
            set.map_err(|source| ServeError::Role { name: name.clone(), source })?;
        }
    }
    Ok(())
}

/// This machine's name, for people.
fn hostname() -> String {
    let name = nix::unistd::gethostname().ok().and_then(|name| name.into_string().ok());
    name.unwrap_or_else(|| "localhost".to_owned())
}

async fn routes(
    config: &Config,
    driver: &Driver,
    metrics: Arc<DriverMetrics>,
    epoch: u32,
) -> Result<Routes, ServeError> {
    let directory = Directory::default();
    let agents = agents::Door::new(driver.clone(), directory.clone(), epoch, config.step);
    let frameworks = frameworks::grpc::Door::new(driver.clone());
    let mesos = frameworks::mesos::Door::new(driver.clone(), directory.clone(), epoch, hostname());
    let mesos_operator =
        operator::mesos::Door::new(driver.clone(), directory.clone(), epoch, hostname(), config);
    let operator = operator::Door::new(driver.clone(), directory);
    let reflection = tonic_reflection::server::Builder::configure()
        .register_encoded_file_descriptor_set(headroom_proto::FILE_DESCRIPTOR_SET)
        .build_v1()?;
    let (reporter, health) = tonic_health::server::health_reporter();
    let agents = AgentLinkServer::new(agents).max_decoding_message_size(MAX_MESSAGE_BYTES);
    let frameworks = SchedulerServer::new(frameworks).max_decoding_message_size(MAX_MESSAGE_BYTES);
    let operator = OperatorServer::new(operator).max_decoding_message_size(MAX_MESSAGE_BYTES);
    reporter.set_serving::<AgentLinkServer<agents::Door>>().await;
    reporter.set_serving::<SchedulerServer<frameworks::grpc::Door>>().await;
    reporter.set_serving::<OperatorServer<operator::Door>>().await;
    let services = Routes::new(agents)
        .add_service(frameworks)
        .add_service(operator)
        .add_service(reflection)
        .add_service(health);
    let router = services.into_axum_router().merge(mesos.routes()).merge(mesos_operator.routes());
    Ok(web::add(router, driver.clone(), metrics).into())
}
