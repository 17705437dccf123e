//! The endpoints.

mod packets;
mod reload;
mod sessions;

use std::sync::Arc;

use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{Html, IntoResponse, Response};
use axum::{Extension, Json, Router};
use utoipa::OpenApi;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::model::{
    BufferPool, Drop, GtpuPeer, Health, Limit, LogLevels, Neighbour, Peer, Port, Route, Setting,
    TARGET_LENGTH_MAX, TARGETS_MAX, UePool, Version, Worker,
};
use crate::problem::{Body, Changing, Looking, Problem};
use crate::upf::{Gone, Upf};

/// The UPF that is asked.
pub(crate) type Asked = State<Arc<dyn Upf>>;

impl From<Gone> for Problem {
    fn from(gone: Gone) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, gone.to_string())
    }
}

type Said<T> = Result<Json<T>, Problem>;

/// The description of the API.
#[derive(Debug, OpenApi)]
#[openapi(
    info(
        title = "upf",
        description = "What operators see of a UPF, and what they can change while it runs."
    ),
    components(schemas(Problem)),
    modifiers(&BearerToken),
    security(("token" = []))
)]
struct Description;

#[derive(Debug)]
struct BearerToken;

impl utoipa::Modify for BearerToken {
    fn modify(&self, openapi: &mut utoipa::openapi::OpenApi) {
        use utoipa::openapi::security::{Http, HttpAuthScheme, SecurityScheme};
        let components = openapi.components.get_or_insert_default();
        let scheme = SecurityScheme::Http(Http::new(HttpAuthScheme::Bearer));
        components.add_security_scheme("token", scheme);
    }
}

/// All endpoints, and their description.
pub(crate) fn router(upf: Arc<dyn Upf>) -> Router {
    let (router, description) = OpenApiRouter::with_openapi(Description::openapi())
        .routes(routes!(live))
        .routes(routes!(ready))
        .routes(routes!(version))
        .routes(routes!(metrics))
        .routes(routes!(sessions::sessions))
        .routes(routes!(sessions::session))
        .routes(routes!(peers))
        .routes(routes!(ports))
        .routes(routes!(workers))
        .routes(routes!(routes))
        .routes(routes!(neighbours))
        .routes(routes!(gtpu_peers))
        .routes(routes!(ue_pools))
        .routes(routes!(drops))
        .routes(routes!(limits))
        .routes(routes!(buffer_pools))
        .routes(routes!(config))
        .routes(routes!(reload::reload))
        .routes(routes!(log, set_log))
        .routes(routes!(packets::explain))
        .routes(routes!(packets::trace))
        .routes(routes!(packets::capture))
        .split_for_parts();
    router
        .with_state(upf)
        .route("/openapi.json", axum::routing::get(openapi))
        .route("/", axum::routing::get(page))
        .layer(Extension(Arc::new(description)))
        .fallback(async || {
            Problem::not_found("there is no such path; / describes those that there are")
        })
        .method_not_allowed_fallback(async || {
            Problem::new(
                StatusCode::METHOD_NOT_ALLOWED,
                "the header Allow names the methods of this path",
            )
        })
}

async fn openapi(
    Extension(description): Extension<Arc<utoipa::openapi::OpenApi>>,
) -> Json<utoipa::openapi::OpenApi> {
    Json((*description).clone())
}

async fn page() -> Response {
    // The page asks for nothing but the description, and runs no script but its own.
    let policy = "default-src 'none'; connect-src 'self'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; frame-ancestors 'none'";
    let headers = [(header::CONTENT_SECURITY_POLICY, policy)];
    (headers, Html(include_str!("page.html"))).into_response()
}

/// Whether the process is there: it answers.
#[utoipa::path(get, path = "/health/live", tag = "health", security(()),
    responses((status = OK, body = Health)))]
async fn live() -> Json<Health> {
    Json(Health {
        healthy: true,
        reasons: Vec::new(),
    })
}

/// Whether the UPF can serve, and if not, why.
#[utoipa::path(get, path = "/health/ready", tag = "health", security(()),
    responses((status = OK, body = Health), (status = SERVICE_UNAVAILABLE, body = Health)))]
async fn ready(State(upf): Asked) -> Response {
    let health = upf.health().await.unwrap_or_else(|gone| Health {
        healthy: false,
        reasons: vec![gone.to_string()],
    });
    let status = if health.healthy {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    (status, Json(health)).into_response()
}

/// Which program this is.
#[utoipa::path(get, path = "/version", tag = "health",
    responses((status = OK, body = Version), Looking))]
async fn version(State(upf): Asked) -> Json<Version> {
    Json(upf.version())
}

/// All that is counted, for Prometheus.
#[utoipa::path(get, path = "/metrics", tag = "health", responses(
    (status = OK, body = String, content_type = "application/openmetrics-text"), Looking))]
async fn metrics(State(upf): Asked) -> Result<Response, Problem> {
    let text = upf.metrics().await?;
    let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    Ok(([(header::CONTENT_TYPE, kind)], text).into_response())
}

/// Endpoints that tell all there is of a kind.
macro_rules! lists {
    ($($(#[doc = $about:literal])+ $path:literal $name:ident: $Item:ty;)+) => {$(
        $(#[doc = $about])+
        #[utoipa::path(get, path = $path, tag = "state", responses(
            (status = OK, body = Vec<$Item>), Looking))]
        async fn $name(State(upf): Asked) -> Said<Vec<$Item>> {
            Ok(Json(upf.$name().await?))
        }
    )+};
}

lists! {
    /// The associated SMFs.
    "/v1/peers" peers: Peer;
    /// The ports.
    "/v1/ports" ports: Port;
    /// The workers.
    "/v1/workers" workers: Worker;
    /// The routes of all interfaces, what is on the link included.
    "/v1/routes" routes: Route;
    /// The next hops that were ever needed.
    "/v1/neighbours" neighbours: Neighbour;
    /// The GTP-U peers that are supervised.
    "/v1/gtpu-peers" gtpu_peers: GtpuPeer;
    /// The pools of addresses that UEs are given here.
    "/v1/ue-pools" ue_pools: UePool;
    /// Why packets were dropped, what that means and what to do: every reason there is.
    "/v1/drops" drops: Drop;
    /// Bounds on what peers can let grow.
    "/v1/limits" limits: Limit;
    /// The pools of packet buffers.
    "/v1/buffers" buffer_pools: BufferPool;
}

/// The configuration in effect, and where each value came from. Secrets are not in it.
#[utoipa::path(get, path = "/v1/config", tag = "operation", responses((status = OK, body = Vec<Setting>), Looking))]
async fn config(State(upf): Asked) -> Json<Vec<Setting>> {
    Json(upf.settings())
}

/// What is written to the log.
#[utoipa::path(get, path = "/v1/log", tag = "operation", responses((status = OK, body = LogLevels), Looking))]
async fn log(State(upf): Asked) -> Json<LogLevels> {
    Json(upf.log_levels())
}

/// Changes what is written to the log, until the UPF ends.
#[utoipa::path(put, path = "/v1/log", tag = "operation", request_body = LogLevels, responses(
    (status = OK, body = LogLevels), Changing))]
async fn set_log(State(upf): Asked, Body(levels): Body<LogLevels>) -> Said<LogLevels> {
    let is_strange = |name: &String| {
        let letters = |letter: char| letter.is_ascii_alphanumeric() || "_:".contains(letter);
        name.is_empty() || name.len() > TARGET_LENGTH_MAX || !name.chars().all(letters)
    };
    if levels.targets.len() > TARGETS_MAX || levels.targets.keys().any(is_strange) {
        return Err(Problem::bad(format!(
            "targets: at most {TARGETS_MAX}, with names such as upf_cp::node, of at most {TARGET_LENGTH_MAX} characters"
        )));
    }
    upf.set_log_levels(levels);
    Ok(Json(upf.log_levels()))
}
