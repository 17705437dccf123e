//! Who may do what: by the file system on the Unix socket, by bearer tokens on HTTP.

use std::fmt;
use std::net::IpAddr;
use std::path::Path;
use std::sync::{Arc, LazyLock, Mutex, PoisonError, RwLock};
use std::time::Duration;

use axum::extract::Request;
use axum::http::{HeaderMap, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use tokio::time::Instant;

use crate::problem::Problem;
use crate::tls::Tls;

/// On what terms the API is served: but for the last, over HTTP.
#[derive(Clone, Debug, Default)]
pub struct Terms {
    /// HTTPS instead.
    pub tls: Option<Tls>,
    /// Who may do what; without any, everybody may look.
    pub tokens: Option<Tokens>,
    /// Metrics are told without a token.
    pub open_metrics: bool,
    /// Who is told in full who subscribers are; by the Unix socket, too.
    pub identities: Told,
}

/// Whom something is told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Told {
    /// Those who may change things.
    #[default]
    Admin,
    /// All.
    All,
    /// Nobody.
    Nobody,
}

/// Whether whoever asks is told in full who subscribers are: an extension of a request.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reveal(pub(crate) bool);

/// The terms in force. Copies are the same gate: those of a server that runs change with it.
#[derive(Clone, Debug, Default)]
pub struct Gate(Arc<RwLock<Terms>>);

impl Gate {
    /// A gate of those terms.
    pub fn new(terms: Terms) -> Self {
        Self(Arc::new(RwLock::new(terms)))
    }

    /// Puts others in force: tokens for the next request of every connection, TLS for the next
    /// connection.
    pub fn change(&self, terms: Terms) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = terms;
    }

    /// The terms in force.
    pub(crate) fn terms(&self) -> Terms {
        self.0
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

/// What somebody may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// Look.
    Read,
    /// Change.
    Admin,
}

/// The shortest token that is taken.
const TOKEN_MIN: usize = 16;

/// The tokens of a file. They are never shown.
#[derive(Clone)]
pub struct Tokens(Arc<[Token]>);

struct Token {
    role: Role,
    name: String,
    secret: String,
}

impl fmt::Debug for Tokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} tokens", self.0.len())
    }
}

/// What is wrong with a file of tokens.
#[derive(Debug, thiserror::Error)]
pub enum TokensError {
    /// It cannot be read.
    #[error("{file}: {error}")]
    File {
        /// The file.
        file: String,
        /// Why.
        error: std::io::Error,
    },
    /// A line of it is not what was expected.
    #[error(
        "{file}, line {line}: expected `read NAME TOKEN` or `admin NAME TOKEN`, with a token of at least {TOKEN_MIN} characters"
    )]
    Line {
        /// The file.
        file: String,
        /// The line, from 1.
        line: usize,
    },
    /// Without a token nobody gets in.
    #[error("{file}: no token in it")]
    Empty {
        /// The file.
        file: String,
    },
    /// Others can read it.
    #[error("{file}: everybody can read it; `chmod o-r {file}`")]
    Open {
        /// The file.
        file: String,
    },
}

impl Tokens {
    /// Reads a file with a line `ROLE NAME TOKEN` for each token, where ROLE is `read` or `admin`.
    /// Empty lines, and those that begin with `#`, are left out.
    ///
    /// # Errors
    /// When the file is not there, says something else, or can be read by everybody.
    pub fn load(path: &Path) -> Result<Self, TokensError> {
        use std::os::unix::fs::PermissionsExt as _;
        let file = || path.display().to_string();
        let failed = |error| TokensError::File {
            file: file(),
            error,
        };
        let mode = std::fs::metadata(path)
            .map_err(failed)?
            .permissions()
            .mode();
        if mode & 0o004 != 0 {
            return Err(TokensError::Open { file: file() });
        }
        let text = std::fs::read_to_string(path).map_err(failed)?;
        let lines = (1..).zip(text.lines().map(str::trim));
        let lines = lines.filter(|(_, line)| !line.is_empty() && !line.starts_with('#'));
        let tokens = lines
            .map(|(line, text)| Token::parse(text).ok_or(TokensError::Line { file: file(), line }));
        let tokens = tokens.collect::<Result<Arc<[Token]>, _>>()?;
        if tokens.is_empty() {
            return Err(TokensError::Empty { file: file() });
        }
        Ok(Self(tokens))
    }

    /// Whose token that is. All tokens are compared, each in the same time.
    fn find(&self, secret: &str) -> Option<&Token> {
        let mut found = None;
        for token in &*self.0 {
            if is_same(token.secret.as_bytes(), secret.as_bytes()) {
                found = Some(token);
            }
        }
        found
    }
}

impl Token {
    fn parse(line: &str) -> Option<Self> {
        let mut words = line.split_whitespace();
        let role = match words.next()? {
            "read" => Role::Read,
            "admin" => Role::Admin,
            _ => return None,
        };
        let (name, secret) = (words.next()?.to_owned(), words.next()?.to_owned());
        (words.next().is_none() && secret.len() >= TOKEN_MIN).then_some(Self { role, name, secret })
    }
}

/// Compares in a time that says nothing of where the two differ.
fn is_same(a: &[u8], b: &[u8]) -> bool {
    let differ = a.iter().zip(b).fold(0, |differ, (a, b)| differ | (a ^ b));
    a.len() == b.len() && std::hint::black_box(differ) == 0
}

/// By which door a request came.
#[derive(Clone, Debug)]
pub(crate) enum Door {
    /// The Unix socket: whoever may open it may do everything.
    Unix {
        /// The user of the other process.
        user: Option<u32>,
        /// On what terms.
        gate: Gate,
    },
    /// HTTP.
    Tcp {
        /// From where.
        from: IpAddr,
        /// On what terms.
        gate: Gate,
    },
}

/// Who sent a request.
#[derive(Clone, Debug)]
struct Who {
    role: Role,
    name: String,
}

impl Door {
    fn who(&self, headers: &HeaderMap) -> Result<Who, Problem> {
        match self {
            Self::Unix { user, .. } => Ok(Who {
                role: Role::Admin,
                name: user.map_or_else(|| "local".to_owned(), |user| format!("uid {user}")),
            }),
            Self::Tcp { from, gate } => {
                let Some(tokens) = gate.terms().tokens else {
                    check_host(headers)?;
                    return Ok(Who {
                        role: Role::Read,
                        name: from.to_string(),
                    });
                };
                let given = headers.get(header::AUTHORIZATION);
                let given = given.and_then(|value| value.to_str().ok());
                let given = given.and_then(|value| value.split_once(' '));
                let secret = given.filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"));
                let token = secret.and_then(|(_, secret)| tokens.find(secret.trim()));
                let token = token.ok_or_else(|| {
                    Problem::new(
                        StatusCode::UNAUTHORIZED,
                        "a bearer token of the file api.tokens is needed",
                    )
                })?;
                Ok(Who {
                    role: token.role,
                    name: format!("{} at {from}", token.name),
                })
            }
        }
    }
}

/// Without tokens, a page of another site that a browser of this host shows could read what is told
/// here, by a name that it lets point to this address. So only addresses and `localhost` are names
/// of this server.
fn check_host(headers: &HeaderMap) -> Result<(), Problem> {
    let host = headers
        .get(header::HOST)
        .and_then(|host| host.to_str().ok());
    let host = host.unwrap_or_default();
    let name = host.rsplit_once(':').map_or(host, |(name, port)| {
        if port.bytes().all(|digit| digit.is_ascii_digit()) {
            name
        } else {
            host
        }
    });
    let address = name.trim_start_matches('[').trim_end_matches(']');
    if address.parse::<IpAddr>().is_ok() || name.eq_ignore_ascii_case("localhost") {
        return Ok(());
    }
    let detail =
        "the header Host has to be an address or localhost, as long as there are no api.tokens";
    Err(Problem::new(StatusCode::FORBIDDEN, detail))
}

impl Door {
    const fn gate(&self) -> &Gate {
        match self {
            Self::Unix { gate, .. } | Self::Tcp { gate, .. } => gate,
        }
    }

    /// Whether somebody of that role is told in full who subscribers are.
    fn reveals(&self, role: Role) -> Reveal {
        Reveal(match self.gate().terms().identities {
            Told::Admin => role == Role::Admin,
            Told::All => true,
            Told::Nobody => false,
        })
    }

    /// Whether everybody may look there: the path tells nothing of anybody.
    fn is_open(&self, path: &str) -> bool {
        match path {
            "/" | "/openapi.json" | "/health/live" | "/health/ready" => true,
            "/metrics" => match self {
                Self::Tcp { gate, .. } => gate.terms().open_metrics,
                Self::Unix { .. } => false,
            },
            _ => false,
        }
    }
}

/// Lines a second about requests that were not let in, of all doors together.
const REFUSED_LINES: u32 = 5;
/// Characters of a path in a line of the log.
const PATH_LENGTH_MAX: usize = 200;

/// Requests that were not let in. Whoever tries tokens can do so as often as connections allow; the
/// log has some of the tries, and how many there were.
#[derive(Debug)]
struct Refusals {
    since: Instant,
    count: u32,
    unlogged: u64,
}

impl Refusals {
    /// One more: how many were not told of since the last that was, if this one is to be told.
    fn add(&mut self, now: Instant) -> Option<u64> {
        if now.duration_since(self.since) >= Duration::from_secs(1) {
            (self.since, self.count) = (now, 0);
        }
        self.count = self.count.saturating_add(1);
        if self.count <= REFUSED_LINES {
            return Some(std::mem::take(&mut self.unlogged));
        }
        self.unlogged += 1;
        None
    }
}

static REFUSALS: LazyLock<Mutex<Refusals>> = LazyLock::new(|| {
    Mutex::new(Refusals {
        since: Instant::now(),
        count: 0,
        unlogged: 0,
    })
});

/// Writes down that somebody was not let in.
fn log_refusal(door: &Door, request: &Request, problem: &Problem) {
    let mut refusals = REFUSALS.lock().unwrap_or_else(PoisonError::into_inner);
    let Some(unlogged) = refusals.add(Instant::now()) else {
        return;
    };
    drop(refusals);
    let from = match door {
        Door::Tcp { from, .. } => from.to_string(),
        Door::Unix { .. } => "the socket".to_owned(),
    };
    let (method, path, status) = (request.method(), path(request), problem.status);
    tracing::warn!(target: "upf::audit", from, %method, path, status, unlogged, "not let in");
}

/// What a request is about, as the log has it.
fn path(request: &Request) -> String {
    let path = request.uri().path_and_query();
    let path = path.map_or("", |path| path.as_str());
    path.chars().take(PATH_LENGTH_MAX).collect()
}

/// Lets a request in, or not; writes down who changed what, and who was not let in.
pub(crate) async fn guard(mut request: Request, next: Next) -> Response {
    let Some(door) = request.extensions().get::<Door>() else {
        return Problem::new(StatusCode::FORBIDDEN, "the request came by no door").into_response();
    };
    let looks = matches!(*request.method(), Method::GET | Method::HEAD);
    if looks && door.is_open(request.uri().path()) {
        return next.run(request).await;
    }
    let who = match door.who(request.headers()) {
        Ok(who) => who,
        Err(problem) => {
            log_refusal(door, &request, &problem);
            return problem.into_response();
        }
    };
    let reveal = door.reveals(who.role);
    request.extensions_mut().insert(reveal);
    let changes = [Method::POST, Method::PUT, Method::PATCH, Method::DELETE];
    if !changes.contains(request.method()) {
        return next.run(request).await;
    }
    let (method, path) = (request.method().clone(), path(&request));
    let response = if who.role == Role::Admin {
        next.run(request).await
    } else {
        Problem::new(
            StatusCode::FORBIDDEN,
            "this token, or this way in, may only look",
        )
        .into_response()
    };
    let status = response.status().as_u16();
    tracing::info!(target: "upf::audit", who = who.name, %method, path, status, "asked for a change");
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_lines_and_never_shown() {
        let token = Token::parse("admin ops 0123456789abcdef").unwrap();
        assert_eq!((token.role, token.name.as_str()), (Role::Admin, "ops"));
        for wrong in [
            "admin ops short",
            "root ops 0123456789abcdef",
            "read 0123456789abcdef",
            "read a 0123456789abcdef b",
        ] {
            assert!(Token::parse(wrong).is_none(), "{wrong}");
        }
        let tokens = Tokens(Arc::new([token]));
        assert_eq!(format!("{tokens:?}"), "1 tokens");
        assert!(tokens.find("0123456789abcdef").is_some());
        for wrong in ["", "0123456789abcdeF", "0123456789abcdef0"] {
            assert!(tokens.find(wrong).is_none(), "{wrong}");
        }
    }

    #[test]
    fn refusals_are_told_of_now_and_then_and_counted() {
        let start = Instant::now();
        let mut refusals = Refusals {
            since: start,
            count: 0,
            unlogged: 0,
        };
        let told = (0..100).filter(|_| refusals.add(start).is_some()).count();
        assert_eq!(told, 5);
        let later = start + Duration::from_secs(2);
        assert_eq!(refusals.add(later), Some(95));
        assert_eq!(refusals.add(later), Some(0));
    }

    #[test]
    fn hosts_are_addresses_or_localhost() {
        let check = |host: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::HOST, host.parse().unwrap());
            check_host(&headers).is_ok()
        };
        for good in [
            "127.0.0.1:9090",
            "[::1]:9090",
            "localhost",
            "LOCALHOST:1",
            "10.0.0.1",
        ] {
            assert!(check(good), "{good}");
        }
        for bad in [
            "",
            "evil.example",
            "evil.example:9090",
            "127.0.0.1.evil.example",
            "localhost.evil:80",
        ] {
            assert!(!check(bad), "{bad}");
        }
    }
}
