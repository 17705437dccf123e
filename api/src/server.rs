//! The doors of the API: a Unix socket and, where it is wanted, HTTP or HTTPS. Every connection,
//! request and wait has a bound.

use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::http::{Request, StatusCode};
use axum::response::{IntoResponse as _, Response};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{Service as _, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, UnixListener};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;

use crate::access::{Door, Gate, guard};
use crate::patient::Patient;
use crate::problem::Problem;
use crate::tls::Tls;
use crate::upf::Upf;

/// Connections of each door at a time.
const CONNECTIONS_MAX: usize = 64;
/// Octets of a request's head.
const HEAD_OCTETS_MAX: usize = 16_384;
/// Lines of a request's head.
const HEADERS_MAX: usize = 64;
/// Octets of a request's body.
const BODY_OCTETS_MAX: usize = 65_536;
/// How long a request's head, a TLS handshake or the next request may take to come.
const HEAD_PATIENCE: Duration = Duration::from_secs(10);
/// How long an answer may take.
const ANSWER_PATIENCE: Duration = Duration::from_secs(20);
/// How long answers under way have, at the end.
const END_PATIENCE: Duration = Duration::from_secs(2);

/// Where the API is served.
#[derive(Clone, Debug, Default)]
pub struct Doors {
    /// A Unix socket: who may open it may do everything.
    pub socket: Option<PathBuf>,
    /// Its permissions.
    pub socket_mode: u32,
    /// An address for HTTP.
    pub listen: Option<SocketAddr>,
    /// On what terms they are open.
    pub gate: Gate,
}

/// Why the API is not served.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// No socket there.
    #[error("no socket at {path}: {error}", path = .path.display())]
    Socket {
        /// Where.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// Another UPF has the socket.
    #[error("another UPF listens at {path}", path = .path.display())]
    Taken {
        /// Where.
        path: PathBuf,
    },
    /// The address cannot be listened on.
    #[error("cannot listen on {address}: {error}")]
    Listen {
        /// Which one.
        address: SocketAddr,
        /// Why.
        error: io::Error,
    },
}

/// The API, served.
#[derive(Debug)]
pub struct Server {
    stop: watch::Sender<bool>,
    doors: JoinSet<()>,
    socket: Option<PathBuf>,
    address: Option<SocketAddr>,
}

impl Server {
    /// Opens the doors. To be called in a runtime, which the server runs in.
    ///
    /// # Errors
    /// When a door cannot be had; then none is open.
    pub fn start(doors: &Doors, upf: Arc<dyn Upf>) -> Result<Self, StartError> {
        let router = router(upf);
        let tcp = doors.listen.map(listen).transpose()?;
        let unix = doors.socket.as_deref();
        let unix = unix.map(|path| bind(path, doors.socket_mode)).transpose()?;
        let (stop, stopped) = watch::channel(false);
        let mut server = Self {
            stop,
            doors: JoinSet::new(),
            socket: doors.socket.clone(),
            address: None,
        };
        if let Some(unix) = unix {
            let (router, stopped) = (router.clone(), stopped.clone());
            let gate = doors.gate.clone();
            server.doors.spawn(serve_unix(unix, gate, router, stopped));
        }
        if let Some(tcp) = tcp {
            server.address = tcp.local_addr().ok();
            let gate = doors.gate.clone();
            server.doors.spawn(serve_tcp(tcp, gate, router, stopped));
        }
        Ok(server)
    }

    /// Where HTTP is served.
    pub const fn address(&self) -> Option<SocketAddr> {
        self.address
    }

    /// Closes the doors; answers under way have a moment.
    pub async fn stop(mut self) {
        // The doors may have closed by themselves.
        let _ = self.stop.send(true);
        while self.doors.join_next().await.is_some() {}
        if let Some(path) = &self.socket {
            // Whoever has taken its place keeps it.
            if std::os::unix::net::UnixStream::connect(path).is_err() {
                let _ = std::fs::remove_file(path);
            }
        }
    }
}

/// All endpoints, with what holds for every request.
pub(crate) fn router(upf: Arc<dyn Upf>) -> Router {
    crate::routes::router(upf)
        .layer(axum::middleware::from_fn(guard))
        .layer(axum::middleware::from_fn(in_time))
        .layer(DefaultBodyLimit::max(BODY_OCTETS_MAX))
        .layer(tower_http::catch_panic::CatchPanicLayer::custom(|_| {
            tracing::error!("a request of the API has panicked");
            Problem::new(
                StatusCode::INTERNAL_SERVER_ERROR,
                "a mistake of the UPF's; please report it",
            )
            .into_response()
        }))
}

async fn in_time(request: axum::extract::Request, next: axum::middleware::Next) -> Response {
    match tokio::time::timeout(ANSWER_PATIENCE, next.run(request)).await {
        Ok(response) => response,
        Err(_) => Problem::new(
            StatusCode::GATEWAY_TIMEOUT,
            "the UPF did not answer in time",
        )
        .into_response(),
    }
}

fn listen(address: SocketAddr) -> Result<TcpListener, StartError> {
    let listener = std::net::TcpListener::bind(address).and_then(|listener| {
        listener.set_nonblocking(true)?;
        TcpListener::from_std(listener)
    });
    listener.map_err(|error| StartError::Listen { address, error })
}

/// A socket that nobody can open before it has its permissions: made beside, then moved to its place.
fn bind(path: &Path, mode: u32) -> Result<UnixListener, StartError> {
    use std::os::unix::fs::PermissionsExt as _;
    if std::os::unix::net::UnixStream::connect(path).is_ok() {
        return Err(StartError::Taken {
            path: path.to_owned(),
        });
    }
    let beside = path.with_extension(format!("{}.new", std::process::id()));
    let bound = (|| {
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder)?;
        }
        let _ = std::fs::remove_file(&beside);
        let listener = std::os::unix::net::UnixListener::bind(&beside)?;
        std::fs::set_permissions(&beside, std::fs::Permissions::from_mode(mode))?;
        std::fs::rename(&beside, path)?;
        listener.set_nonblocking(true)?;
        UnixListener::from_std(listener)
    })();
    bound.map_err(|error| {
        let _ = std::fs::remove_file(&beside);
        StartError::Socket {
            path: path.to_owned(),
            error,
        }
    })
}

async fn serve_unix(
    listener: UnixListener,
    gate: Gate,
    router: Router,
    stopped: watch::Receiver<bool>,
) {
    let mut room = Connections::new(stopped);
    while let Some(accepted) = room.next(|| listener.accept()).await {
        let (stream, permit) = match accepted {
            (Ok((stream, _)), permit) => (stream, permit),
            (Err(error), _) => {
                pause(&error).await;
                continue;
            }
        };
        let user = stream.peer_cred().ok().map(|peer| peer.uid());
        let connection = connection(
            stream,
            Door::Unix {
                user,
                gate: gate.clone(),
            },
            router.clone(),
            room.stopped.clone(),
        );
        room.tasks.spawn(async move {
            connection.await;
            drop(permit);
        });
    }
    room.end().await;
}

async fn serve_tcp(
    listener: TcpListener,
    gate: Gate,
    router: Router,
    stopped: watch::Receiver<bool>,
) {
    let mut room = Connections::new(stopped);
    while let Some(accepted) = room.next(|| listener.accept()).await {
        let (stream, from, permit) = match accepted {
            (Ok((stream, from)), permit) => (stream, from, permit),
            (Err(error), _) => {
                pause(&error).await;
                continue;
            }
        };
        let door = Door::Tcp {
            from: from.ip(),
            gate: gate.clone(),
        };
        let (router, stopped, tls) = (router.clone(), room.stopped.clone(), gate.terms().tls);
        room.tasks.spawn(async move {
            match tls {
                None => connection(stream, door, router, stopped).await,
                Some(Tls(tls)) => {
                    let handshake = tokio::time::timeout(HEAD_PATIENCE, tls.accept(stream)).await;
                    // Who speaks no TLS here is not worth a line of the log.
                    if let Ok(Ok(stream)) = handshake {
                        connection(stream, door, router, stopped).await;
                    }
                }
            }
            drop(permit);
        });
    }
    room.end().await;
}

/// After an error of a listening socket: too many open files pass.
async fn pause(error: &io::Error) {
    tracing::warn!(%error, "the API cannot take a connection");
    tokio::time::sleep(Duration::from_millis(100)).await;
}

/// The connections of a door.
struct Connections {
    tasks: JoinSet<()>,
    room: Arc<Semaphore>,
    stopped: watch::Receiver<bool>,
}

impl Connections {
    fn new(stopped: watch::Receiver<bool>) -> Self {
        Self {
            tasks: JoinSet::new(),
            room: Arc::new(Semaphore::new(CONNECTIONS_MAX)),
            stopped,
        }
    }

    /// The next connection, once there is room for it; `None` at the end.
    async fn next<T, F: Future<Output = io::Result<T>>>(
        &mut self,
        accept: impl FnOnce() -> F,
    ) -> Option<(io::Result<T>, tokio::sync::OwnedSemaphorePermit)> {
        while self.tasks.try_join_next().is_some() {}
        let mut stopped = self.stopped.clone();
        let room = Arc::clone(&self.room);
        tokio::select! {
            () = async { drop(stopped.wait_for(|stop| *stop).await) } => None,
            accepted = async { (room.acquire_owned().await, accept().await) } => {
                Some((accepted.1, accepted.0.ok()?))
            }
        }
    }

    async fn end(mut self) {
        let all = async { while self.tasks.join_next().await.is_some() {} };
        if tokio::time::timeout(END_PATIENCE, all).await.is_err() {
            self.tasks.shutdown().await;
        }
    }
}

/// Answers the requests of one connection.
async fn connection(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    door: Door,
    router: Router,
    mut stopped: watch::Receiver<bool>,
) {
    let service = TowerToHyperService::new(router);
    let service = service_fn(move |mut request: Request<Incoming>| {
        request.extensions_mut().insert(door.clone());
        service.call(request.map(axum::body::Body::new))
    });
    let served = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_PATIENCE)
        .max_buf_size(HEAD_OCTETS_MAX)
        .max_headers(HEADERS_MAX)
        .serve_connection(TokioIo::new(Patient::new(stream)), service);
    tokio::pin!(served);
    let end = async { drop(stopped.wait_for(|stop| *stop).await) };
    tokio::select! {
        // Broken connections are their clients' concern.
        _ = served.as_mut() => {}
        () = end => {
            served.as_mut().graceful_shutdown();
            let _ = served.await;
        }
    }
}
