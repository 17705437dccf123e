//! Packets: what would happen to them, what does, and captures of them.
//!
//! Who follows packets sees what users send: that is for those who may change things, so the
//! requests are no GET.
#![allow(
    unused_qualifications,
    reason = "in what utoipa makes of the endpoints"
)]

use std::convert::Infallible;

use axum::Json;
use axum::body::{Body as Stream, Bytes};
use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse as _, Response};
use futures_util::stream::unfold;
use tokio::sync::mpsc::Receiver;

use super::{Asked, Said};
use crate::model::{
    AFTER_NS_MAX, Explanation, PACKETS_MAX, Packets, Traced, WATCHED_PACKETS_MAX,
    WATCHED_SECONDS_MAX, Watch,
};
use crate::problem::{Asking, Body, Problem, Watching};

/// What would happen to packets, and why. None of them is sent, counted or charged.
///
/// They go through the very stages of the packet path, over tables of their own that hold the
/// sessions they need as these are now. Rates are taken as unused so far, and nothing as held.
#[utoipa::path(post, path = "/v1/explain", tag = "packets", request_body = Packets, responses(
    (status = OK, body = Vec<Explanation>, description = "each packet in turn; one from UE to UE twice"), Asking))]
pub(super) async fn explain(
    State(upf): Asked,
    Body(asked): Body<Packets>,
) -> Said<Vec<Explanation>> {
    let count = asked.packets.len();
    if count == 0 || count > PACKETS_MAX {
        return Err(Problem::bad(format!(
            "packets: {count} is not from 1 to {PACKETS_MAX}"
        )));
    }
    let late = asked.packets.iter().map(|packet| packet.after_ns).max();
    if let Some(late) = late.filter(|late| *late > AFTER_NS_MAX) {
        return Err(Problem::bad(format!(
            "after_ns: {late} is not from 0 to {AFTER_NS_MAX}"
        )));
    }
    Ok(Json(upf.explain(asked.packets).await??))
}

/// Follows the next packets, and says of each stage by stage what was looked up and decided.
///
/// The answer is a line of JSON for each packet, as it comes, and one at the end. It ends when the
/// connection does, too.
#[utoipa::path(post, path = "/v1/trace", tag = "packets", request_body = Watch, responses(
    (status = OK, body = Traced, content_type = "application/x-ndjson"), Watching))]
pub(super) async fn trace(
    State(upf): Asked,
    Body(which): Body<Watch>,
) -> Result<Response, Problem> {
    check(&which)?;
    let told = upf.trace(which).await??;
    let line = |line: Traced| {
        // What is told can be written.
        let mut text = serde_json::to_vec(&line).unwrap_or_default();
        text.push(b'\n');
        text
    };
    Ok(stream(told, line, "application/x-ndjson"))
}

/// The next packets as a capture file, as they were received and as they were sent, with what became
/// of each as its comment.
///
/// The answer is a pcapng file with an interface for each port. It grows as packets come, and ends
/// when the connection does, too.
#[utoipa::path(post, path = "/v1/capture", tag = "packets", request_body = Watch, responses(
    (status = OK, body = String, content_type = "application/x-pcapng"), Watching))]
pub(super) async fn capture(
    State(upf): Asked,
    Body(which): Body<Watch>,
) -> Result<Response, Problem> {
    check(&which)?;
    let pieces = upf.capture(which).await??;
    Ok(stream(pieces, |piece| piece, "application/x-pcapng"))
}

/// Whether it ends.
fn check(which: &Watch) -> Result<(), Problem> {
    let within = |key: &str, given: Option<u32>, most: u32| match given {
        Some(given) if !(1..=most).contains(&given) => Err(Problem::bad(format!(
            "{key}: {given} is not from 1 to {most}"
        ))),
        _ => Ok(()),
    };
    within("packets", which.packets, WATCHED_PACKETS_MAX)?;
    within("seconds", which.seconds, WATCHED_SECONDS_MAX)?;
    if which.octets == Some(0) {
        return Err(Problem::bad("octets: 0 is not from 1 on"));
    }
    Ok(())
}

/// An answer that comes piece by piece.
fn stream<T: Send + 'static>(
    pieces: Receiver<T>,
    write: impl Fn(T) -> Vec<u8> + Copy + Send + 'static,
    kind: &'static str,
) -> Response {
    let next = move |mut pieces: Receiver<T>| async move {
        let piece = pieces.recv().await?;
        Some((Ok::<_, Infallible>(Bytes::from(write(piece))), pieces))
    };
    let body = Stream::from_stream(unfold(pieces, next));
    ([(header::CONTENT_TYPE, kind)], body).into_response()
}
