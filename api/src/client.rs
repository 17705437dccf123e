//! A client of the API, for the command line.

use std::ops::ControlFlow;
use std::path::PathBuf;
use std::time::Duration;

use axum::body::Bytes;
use axum::http::{Method, Request, Response, StatusCode, header};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};

use crate::problem::Problem;
use crate::tls::{TlsError, connector, server_name};

/// How long an answer may take, all told.
const PATIENCE: Duration = Duration::from_secs(30);
/// Octets of an answer.
const ANSWER_OCTETS_MAX: usize = 64 << 20;

/// Where a UPF is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum At {
    /// At a Unix socket.
    Socket(PathBuf),
    /// At an address `HOST:PORT`.
    Http(String),
    /// The same by TLS.
    Https(String),
}

/// A client of a UPF.
#[derive(Clone)]
pub struct Client {
    /// Where.
    pub at: At,
    /// The bearer token.
    pub token: Option<String>,
    /// The root certificates that are trusted, for HTTPS.
    pub roots: Option<PathBuf>,
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Client")
            .field("at", &self.at)
            .finish_non_exhaustive()
    }
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// Nobody is there.
    #[error("no UPF answers at {at}: {error}")]
    Nobody {
        /// Where.
        at: String,
        /// Why.
        error: std::io::Error,
    },
    /// The UPF refuses.
    #[error("{}", .0.detail)]
    Refused(Problem),
    /// It is no UPF, or one of another version.
    #[error("{at} does not answer as a UPF does: {detail}")]
    Strange {
        /// Where.
        at: String,
        /// What is strange.
        detail: String,
    },
    /// Not in time.
    #[error("{at} did not answer within {PATIENCE:?}")]
    Late {
        /// Where.
        at: String,
    },
    /// The roots are of no use.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// HTTPS without roots.
    #[error("HTTPS needs the root certificates to trust")]
    NoRoots,
}

impl At {
    /// Reads `http://HOST:PORT`, `https://HOST:PORT`, or the path of a Unix socket.
    pub fn parse(text: &str) -> Self {
        let host = |text: &str| text.trim_end_matches('/').to_owned();
        match (text.strip_prefix("http://"), text.strip_prefix("https://")) {
            (Some(rest), _) => Self::Http(host(rest)),
            (_, Some(rest)) => Self::Https(host(rest)),
            _ => Self::Socket(text.strip_prefix("unix:").unwrap_or(text).into()),
        }
    }

    fn name(&self) -> String {
        match self {
            Self::Socket(path) => path.display().to_string(),
            Self::Http(host) => format!("http://{host}"),
            Self::Https(host) => format!("https://{host}"),
        }
    }
}

impl Client {
    /// Asks for what is at `path`.
    ///
    /// # Errors
    /// When nobody answers, or something else.
    pub async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, ClientError> {
        self.read(&self.send(Method::GET, path, None).await?)
    }

    /// Asks for the text at `path`.
    ///
    /// # Errors
    /// When nobody answers, or something else.
    pub async fn text(&self, path: &str) -> Result<String, ClientError> {
        let octets = self.send(Method::GET, path, None).await?;
        String::from_utf8(octets.into()).map_err(|error| self.strange(error.to_string()))
    }

    /// Sends something to `path`, by a method such as `PUT`.
    ///
    /// # Errors
    /// When nobody answers, or the UPF refuses.
    pub async fn put<T: DeserializeOwned>(
        &self,
        method: &str,
        path: &str,
        body: &(impl Serialize + Sync),
    ) -> Result<T, ClientError> {
        let method = method.parse();
        let method = method.map_err(|_| self.strange("no such method"))?;
        let body = serde_json::to_vec(body).map_err(|error| self.strange(error.to_string()))?;
        self.read(&self.send(method, path, Some(body)).await?)
    }

    /// Has `path` do something. What it says when it refuses to (409) is an answer, too.
    ///
    /// # Errors
    /// When nobody answers, or the UPF refuses for another reason.
    pub async fn act<T: DeserializeOwned>(&self, path: &str) -> Result<T, ClientError> {
        let (status, octets) = self.in_time(Method::POST, path, None).await?;
        if status.is_success() || status == StatusCode::CONFLICT {
            return self.read(&octets);
        }
        Err(self.refused(status, &octets))
    }

    /// Sends something to `path`, and hands the answer on piece by piece as it comes, until it ends
    /// or `take` wants no more.
    ///
    /// # Errors
    /// When nobody answers, or the UPF refuses.
    pub async fn stream(
        &self,
        path: &str,
        body: &(impl Serialize + Sync),
        mut take: impl FnMut(&[u8]) -> ControlFlow<()>,
    ) -> Result<(), ClientError> {
        let body = serde_json::to_vec(body).map_err(|error| self.strange(error.to_string()))?;
        let asked = self.exchange(Method::POST, path, Some(body));
        let answer = tokio::time::timeout(PATIENCE, asked).await;
        let late = |_| ClientError::Late { at: self.at.name() };
        let mut response = answer.map_err(late)??;
        let status = response.status();
        if !status.is_success() {
            let octets = self.collect(response).await?;
            return Err(self.refused(status, &octets));
        }
        while let Some(frame) = response.frame().await {
            let frame = frame.map_err(|error| self.strange(error.to_string()))?;
            if let Some(piece) = frame.data_ref()
                && take(piece).is_break()
            {
                break;
            }
        }
        Ok(())
    }

    fn strange(&self, detail: impl Into<String>) -> ClientError {
        ClientError::Strange {
            at: self.at.name(),
            detail: detail.into(),
        }
    }

    fn read<T: DeserializeOwned>(&self, octets: &[u8]) -> Result<T, ClientError> {
        serde_json::from_slice(octets).map_err(|error| self.strange(error.to_string()))
    }

    async fn send(
        &self,
        method: Method,
        path: &str,
        body: Option<Vec<u8>>,
    ) -> Result<Bytes, ClientError> {
        let (status, octets) = self.in_time(method, path, body).await?;
        if status.is_success() {
            return Ok(octets);
        }
        Err(self.refused(status, &octets))
    }

    fn refused(&self, status: StatusCode, octets: &[u8]) -> ClientError {
        match serde_json::from_slice::<Problem>(octets) {
            Ok(problem) => ClientError::Refused(problem),
            Err(_) => self.strange(format!("status {status}")),
        }
    }

    async fn in_time(
        &self,
        method: Method,
        path: &str,
        body: Option<Vec<u8>>,
    ) -> Result<(StatusCode, Bytes), ClientError> {
        let answer = async {
            let response = self.exchange(method, path, body).await?;
            let status = response.status();
            Ok((status, self.collect(response).await?))
        };
        let answer = tokio::time::timeout(PATIENCE, answer).await;
        answer.unwrap_or_else(|_| Err(ClientError::Late { at: self.at.name() }))
    }

    async fn exchange(
        &self,
        method: Method,
        path: &str,
        body: Option<Vec<u8>>,
    ) -> Result<Response<Incoming>, ClientError> {
        let nobody = |error| ClientError::Nobody {
            at: self.at.name(),
            error,
        };
        match &self.at {
            At::Socket(socket) => {
                let stream = UnixStream::connect(socket).await.map_err(nobody)?;
                self.over(stream, "localhost", (method, path, body)).await
            }
            At::Http(host) => {
                let stream = TcpStream::connect(host).await.map_err(nobody)?;
                self.over(stream, host, (method, path, body)).await
            }
            At::Https(host) => {
                let roots = self.roots.as_deref().ok_or(ClientError::NoRoots)?;
                let connector = connector(roots)?;
                let bare = host
                    .rsplit_once(':')
                    .map_or(host.as_str(), |(name, _)| name);
                let bare = bare.trim_start_matches('[').trim_end_matches(']');
                let name =
                    server_name(bare).ok_or_else(|| self.strange("no name for a certificate"))?;
                let stream = TcpStream::connect(host).await.map_err(nobody)?;
                let stream = connector.connect(name, stream).await.map_err(nobody)?;
                self.over(stream, host, (method, path, body)).await
            }
        }
    }

    async fn over(
        &self,
        stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
        host: &str,
        (method, path, body): (Method, &str, Option<Vec<u8>>),
    ) -> Result<Response<Incoming>, ClientError> {
        let strange = |error: &dyn std::error::Error| self.strange(error.to_string());
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream))
            .await
            .map_err(|error| strange(&error))?;
        // It ends with the sender.
        tokio::spawn(connection);
        let mut request = Request::builder()
            .method(method)
            .uri(path)
            .header(header::HOST, host);
        if let Some(token) = &self.token {
            request = request.header(header::AUTHORIZATION, format!("Bearer {token}"));
        }
        if body.is_some() {
            request = request.header(header::CONTENT_TYPE, "application/json");
        }
        let request = request.body(Full::new(Bytes::from(body.unwrap_or_default())));
        let request = request.map_err(|error| strange(&error))?;
        let response = sender
            .send_request(request)
            .await
            .map_err(|error| strange(&error))?;
        Ok(response)
    }

    async fn collect(&self, response: Response<Incoming>) -> Result<Bytes, ClientError> {
        let body = Limited::new(response.into_body(), ANSWER_OCTETS_MAX);
        let body = body.collect().await;
        Ok(body
            .map_err(|error| self.strange(error.to_string()))?
            .to_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_sockets_or_urls() {
        assert_eq!(
            At::parse("/run/upf/api.sock"),
            At::Socket("/run/upf/api.sock".into())
        );
        assert_eq!(At::parse("unix:/x"), At::Socket("/x".into()));
        assert_eq!(
            At::parse("http://127.0.0.1:9090/"),
            At::Http("127.0.0.1:9090".into())
        );
        assert_eq!(At::parse("https://upf:9090"), At::Https("upf:9090".into()));
    }
}
