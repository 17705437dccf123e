//! The configuration, read again.
#![allow(
    unused_qualifications,
    reason = "in what utoipa makes of the endpoints"
)]

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use serde::Deserialize;
use utoipa::IntoParams;

use super::Asked;
use crate::model::Reload;
use crate::problem::{Acting, Problem, Query};
use crate::upf::Reloading;

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct ReloadQuery {
    /// Say what would come of it, and change nothing.
    #[serde(default)]
    dry_run: bool,
    /// Put in force what can change while the UPF runs, although other changes need a restart.
    #[serde(default)]
    partial: bool,
}

/// Reads the configuration again, as at the start, and puts it in force while packets flow.
///
/// All of it or nothing, unless `partial` says otherwise: a mistake, or a change that needs a restart,
/// leaves everything as it is (409). Files that the configuration names, tokens and certificates, are
/// read again too.
#[utoipa::path(post, path = "/v1/reload", tag = "operation", params(ReloadQuery), responses(
    (status = OK, body = Reload), Acting,
    (status = CONFLICT, body = Reload, description = "nothing has changed: there are mistakes, or a restart is needed")))]
pub(super) async fn reload(
    State(upf): Asked,
    Query(query): Query<ReloadQuery>,
) -> Result<Response, Problem> {
    let how = Reloading {
        dry_run: query.dry_run,
        partial: query.partial,
    };
    let reload = upf.reload(how).await?;
    let status = if reload.outcome.is_refused() {
        StatusCode::CONFLICT
    } else {
        StatusCode::OK
    };
    Ok((status, Json(reload)).into_response())
}
