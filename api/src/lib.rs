//! What operators see of a UPF, and what they can change while it runs: an API over HTTP, on a Unix
//! socket and, where it is wanted, on a TCP port.
//!
//! ```text
//!  server.rs   doors, connections, bounds        client.rs   asks (for the command line)
//!  patient.rs  a connection whose client reads too slowly ends
//!  access.rs   who may do what; who changed what
//!  routes.rs   endpoints, and their description (OpenAPI)
//!  model.rs    what is said        problem.rs   what is said when something is wrong
//!  upf.rs      what is asked of a UPF: the binary answers it
//! ```
//!
//! To add an endpoint: write its handler with `#[utoipa::path]` in `routes.rs` or a module beside it,
//! name it in [`routes::router`], and give [`Upf`] a method for what it asks. A handler may answer
//! with a stream ([`axum::body::Body::from_stream`]): the time for an answer counts to its head, and a
//! client that does not read is dropped by the bounds of `server.rs`.
//!
//! It knows neither N4 nor the packet path: [`Upf`] is all it sees, and what is behind that answers
//! in bounded time, without a lock that the packet path takes.
#![forbid(unsafe_code)]

mod access;
pub mod client;
pub mod model;
mod patient;
mod problem;
mod routes;
mod server;
mod tls;
mod upf;

pub use access::{Gate, Role, Terms, Tokens, TokensError, Told};
pub use problem::Problem;
pub use server::{Doors, Server, StartError};
pub use tls::{Tls, TlsError, TlsFiles};
pub use upf::{Answer, Gone, Reloading, Slice, Upf, Wanted};

/// Where the API is, unless the configuration says otherwise.
pub const SOCKET: &str = "/run/upf/api.sock";
