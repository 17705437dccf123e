//! Sessions: page by page, and one with all there is of it.
#![allow(
    unused_qualifications,
    reason = "in what utoipa makes of the endpoints"
)]

use std::net::IpAddr;

use axum::extract::State;
use axum::{Extension, Json};
use serde::Deserialize;
use utoipa::IntoParams;
use utoipa::openapi::schema::{
    KnownFormat, ObjectBuilder, OneOfBuilder, Schema, SchemaFormat, SchemaType, Type,
};

use super::{Asked, Said};
use crate::access::Reveal;
use crate::model::{SessionDetail, Sessions};
use crate::problem::{Path, Problem, Query, Seeking};
use crate::upf::Wanted;

/// Sessions of a page, unless it is said how many.
const PAGE: u32 = 100;
/// The most sessions of a page.
const PAGE_MAX: u32 = 1_000;
/// Looks at the UPF for one page.
const LOOKS_MAX: u32 = 64;

fn address_schema() -> Schema {
    let of = |format| {
        ObjectBuilder::new()
            .schema_type(SchemaType::Type(Type::String))
            .format(Some(SchemaFormat::KnownFormat(format)))
    };
    let one = OneOfBuilder::new();
    Schema::OneOf(
        one.item(of(KnownFormat::Ipv4))
            .item(of(KnownFormat::Ipv6))
            .build(),
    )
}

#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct SessionQuery {
    /// The place to begin at: `next` of the page before.
    #[param(value_type = u64, maximum = 4_294_967_295_u64)]
    from: Option<u32>,
    /// The most sessions of the page: 100, unless said.
    #[param(minimum = 1, maximum = 1000)]
    limit: Option<u32>,
    /// An address of the UE, or one behind it.
    #[param(schema_with = address_schema)]
    ue: Option<IpAddr>,
    /// The subscriber, in full, such as `imsi-001010000000001`, or just the digits.
    user: Option<String>,
    /// The DNN or APN.
    dnn: Option<String>,
    /// The SMF: its Node ID or address.
    peer: Option<String>,
    /// A TEID of either end of a tunnel, in hexadecimal.
    #[param(pattern = "^(0x)?[0-9a-fA-F]{1,8}$")]
    teid: Option<String>,
}

/// Sessions, page by page.
///
/// A request looks at a bounded number of sessions, so that it cannot hold N4 up. A page of a search
/// can therefore be short or empty and not be the last: go on while there is a `next`.
#[utoipa::path(get, path = "/v1/sessions", tag = "sessions", params(SessionQuery), responses(
    (status = OK, body = Sessions), Seeking))]
pub(super) async fn sessions(
    State(upf): Asked,
    Extension(Reveal(reveal)): Extension<Reveal>,
    Query(query): Query<SessionQuery>,
) -> Said<Sessions> {
    let limit = query.limit.unwrap_or(PAGE);
    if !(1..=PAGE_MAX).contains(&limit) {
        return Err(Problem::bad(format!(
            "limit: {limit} is not from 1 to {PAGE_MAX}"
        )));
    }
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    let teid = query.teid.as_deref().map(|text| hexadecimal(text, 8));
    let teid = teid.transpose()?.and_then(|teid| u32::try_from(teid).ok());
    let wanted = Wanted {
        ue: query.ue,
        user: query.user,
        dnn: query.dnn,
        peer: query.peer,
        teid,
        reveal,
    };
    let mut page = Sessions {
        total: upf.session_count().await?,
        next: Some(query.from.unwrap_or(0)),
        ..Sessions::default()
    };
    for _ in 0..LOOKS_MAX {
        let Some(from) = page.next.filter(|_| page.sessions.len() < limit) else {
            break;
        };
        let slice = upf
            .sessions(wanted.clone(), from, limit - page.sessions.len())
            .await?;
        page.sessions.extend(slice.sessions);
        page.next = slice.next;
    }
    Ok(Json(page))
}

/// A session with its rules and what they have counted.
#[utoipa::path(get, path = "/v1/sessions/{seid}", tag = "sessions",
    params(("seid" = String, Path, description = "SEID of this UPF, in hexadecimal", pattern = "^(0x)?[0-9a-fA-F]{1,16}$")),
    responses((status = OK, body = SessionDetail), Seeking,
        (status = NOT_FOUND, body = Problem, content_type = "application/problem+json")))]
pub(super) async fn session(
    State(upf): Asked,
    Extension(Reveal(reveal)): Extension<Reveal>,
    Path(text): Path<String>,
) -> Said<SessionDetail> {
    let seid = hexadecimal(&text, 16)?;
    let found = upf.session(seid, reveal).await?;
    let found =
        found.ok_or_else(|| Problem::not_found(format!("there is no session {seid:016x}")))?;
    Ok(Json(found))
}

/// A SEID or TEID, with or without `0x` in front.
fn hexadecimal(text: &str, digits_max: usize) -> Result<u64, Problem> {
    let digits = text.strip_prefix("0x").unwrap_or(text);
    let good = digits.len() <= digits_max && digits.bytes().all(|digit| digit.is_ascii_hexdigit());
    let number = u64::from_str_radix(digits, 16).ok().filter(|_| good);
    let refused = || format!("{text:?}: expected 1 to {digits_max} hexadecimal digits");
    number.ok_or_else(|| Problem::bad(refused()))
}
