//! The API's port: takes connections, and keeps those that do nothing from using up the room of those that do.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;

use super::token::Peer;
use crate::clock::Duration;

/// Connections that are served at once; others wait before the door.
const CONNECTIONS: usize = 512;
/// How long a request's head may take, and how long a connection may stand idle.
const HEAD: Duration = Duration::from_secs(20);
/// What was sent and not acknowledged for so long ends the connection.
const UNHEARD: Duration = Duration::from_secs(60);

/// The port, taken before anything else is touched.
#[derive(Debug)]
pub struct Door(std::net::TcpListener);

impl Door {
    /// Takes the port.
    ///
    /// # Errors
    /// It is taken, or not ours.
    pub fn open(listen: SocketAddr) -> std::io::Result<Door> {
        let said = |error: std::io::Error| std::io::Error::new(error.kind(), format!("web.listen {listen}: {error}"));
        let listener = std::net::TcpListener::bind(listen).map_err(said)?;
        listener.set_nonblocking(true).map_err(said)?;
        Ok(Door(listener))
    }

    /// Where it listens.
    ///
    /// # Errors
    /// The system does not say.
    pub fn address(&self) -> std::io::Result<SocketAddr> {
        self.0.local_addr()
    }

    /// Serves on a thread of its own.
    pub(super) fn serve_router(self, router: Router) -> std::io::Result<()> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let serving = move || {
            if let Err(error) = runtime.block_on(serve(self.0, router)) {
                tracing::error!(%error, "the API");
            }
        };
        std::thread::Builder::new().name("web".into()).spawn(serving).map(drop)
    }
}

async fn serve(listener: std::net::TcpListener, router: Router) -> std::io::Result<()> {
    let listener = TcpListener::from_std(listener)?;
    let places = Arc::new(Semaphore::new(CONNECTIONS));
    loop {
        // Never closed, so a place is all that can come.
        let Ok(place) = places.clone().acquire_owned().await else { return Ok(()) };
        let (stream, peer) = match listener.accept().await {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::warn!(%error, "the API cannot take a connection");
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            }
        };
        let router = router.clone().layer(axum::Extension(Peer(peer)));
        tokio::spawn(async move {
            if let Err(error) = converse(stream, router).await {
                tracing::debug!(%error, %peer, "a connection of the API ended");
            }
            drop(place);
        });
    }
}

async fn converse(stream: TcpStream, router: Router) -> Result<(), hyper::Error> {
    // What these cannot set only makes it slower.
    _ = stream.set_nodelay(true);
    _ = socket2::SockRef::from(&stream).set_tcp_user_timeout(Some(UNHEARD));
    let mut connection = http1::Builder::new();
    connection.timer(TokioTimer::new()).header_read_timeout(HEAD);
    connection.serve_connection(TokioIo::new(stream), TowerToHyperService::new(router)).await
}
