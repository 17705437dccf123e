//! Errors as the API tells them: problem details (RFC 9457).

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::rejection::{JsonRejection, PathRejection, QueryRejection};
use axum::extract::{FromRequest, FromRequestParts};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa::openapi::{ContentBuilder, Ref, RefOr, ResponseBuilder};

/// Its content type.
const KIND: &str = "application/problem+json";

/// Why a request was not carried out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Problem {
    /// The HTTP status.
    pub status: u16,
    /// What kind of problem it is.
    pub title: String,
    /// What is wrong with this request, and what to do.
    pub detail: String,
}

impl Problem {
    pub(crate) fn new(status: StatusCode, detail: impl Into<String>) -> Self {
        Self {
            status: status.as_u16(),
            title: status.canonical_reason().unwrap_or("Error").to_owned(),
            detail: detail.into(),
        }
    }

    /// The request is not what was expected.
    pub fn bad(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, detail)
    }

    /// Too many ask for it at a time.
    pub fn busy(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::TOO_MANY_REQUESTS, detail)
    }

    /// What was asked for is not there.
    pub fn not_found(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, detail)
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut response = (status, Json(self)).into_response();
        let headers = response.headers_mut();
        let kind = HeaderValue::from_static(KIND);
        headers.insert(header::CONTENT_TYPE, kind);
        if status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}

/// Declares with what problems requests of a kind are answered, for the description of the API.
macro_rules! problems {
    ($($(#[doc = $about:literal])+ $Name:ident: $($status:ident)+;)+) => {$(
        $(#[doc = $about])+
        #[derive(Debug)]
        pub(crate) struct $Name;

        impl utoipa::IntoResponses for $Name {
            fn responses() -> BTreeMap<String, RefOr<utoipa::openapi::Response>> {
                [$(StatusCode::$status),+].into_iter().map(described).collect()
            }
        }
    )+};
}

problems! {
    /// To a look.
    Looking: UNAUTHORIZED SERVICE_UNAVAILABLE;
    /// To a look for what has to be named.
    Seeking: BAD_REQUEST UNAUTHORIZED SERVICE_UNAVAILABLE;
    /// To a change that has no body.
    Acting: BAD_REQUEST UNAUTHORIZED FORBIDDEN SERVICE_UNAVAILABLE;
    /// To a change that a body describes.
    Changing: BAD_REQUEST UNAUTHORIZED FORBIDDEN PAYLOAD_TOO_LARGE UNSUPPORTED_MEDIA_TYPE
        UNPROCESSABLE_ENTITY SERVICE_UNAVAILABLE;
    /// To a question about packets.
    Asking: BAD_REQUEST UNAUTHORIZED FORBIDDEN NOT_FOUND PAYLOAD_TOO_LARGE
        UNSUPPORTED_MEDIA_TYPE UNPROCESSABLE_ENTITY SERVICE_UNAVAILABLE;
    /// To a wish to watch packets.
    Watching: BAD_REQUEST UNAUTHORIZED FORBIDDEN NOT_FOUND PAYLOAD_TOO_LARGE
        UNSUPPORTED_MEDIA_TYPE UNPROCESSABLE_ENTITY TOO_MANY_REQUESTS SERVICE_UNAVAILABLE;
}

/// The answer of that status, as the description of the API has it.
fn described(status: StatusCode) -> (String, RefOr<utoipa::openapi::Response>) {
    let problem = Ref::from_schema_name("Problem");
    let content = ContentBuilder::new().schema(Some(problem)).build();
    let reason = status.canonical_reason().unwrap_or("Error");
    let response = ResponseBuilder::new()
        .description(reason)
        .content(KIND, content)
        .build();
    (status.as_u16().to_string(), response.into())
}

macro_rules! from_rejection {
    ($($rejection:ty),+) => {$(
        impl From<$rejection> for Problem {
            fn from(rejection: $rejection) -> Self {
                Self::new(rejection.status(), rejection.body_text())
            }
        }
    )+};
}
from_rejection!(JsonRejection, PathRejection, QueryRejection);

/// The query of a request; what is wrong with it is a [`Problem`].
#[derive(Debug, FromRequestParts)]
#[from_request(via(axum::extract::Query), rejection(Problem))]
pub(crate) struct Query<T>(pub(crate) T);

/// The variable part of a request's path, likewise.
#[derive(Debug, FromRequestParts)]
#[from_request(via(axum::extract::Path), rejection(Problem))]
pub(crate) struct Path<T>(pub(crate) T);

/// The body of a request, likewise.
#[derive(Debug, FromRequest)]
#[from_request(via(Json), rejection(Problem))]
pub(crate) struct Body<T>(pub(crate) T);
