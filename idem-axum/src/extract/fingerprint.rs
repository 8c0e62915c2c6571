//! Computes the fingerprint of a request where it keeps no other request waiting.
//!
//! A thread of the runtime that digests 2 MiB does nothing else for a millisecond or two, and fifty
//! times as long if it compares JSON. So long bodies go to the threads that tokio has for blocking
//! work. A short body takes less time than the way there and back, some 10 µs, and stays.

use std::panic::{AssertUnwindSafe, catch_unwind};

use axum::body::Bytes;
use idem_core::{Fingerprint, FingerprintBy};
use tokio::task::spawn_blocking;
use tokio::time::{Instant, timeout_at};
use tracing::Span;

use crate::Rejection;
use crate::body::budget::BodyReservation;
use crate::extract::head::Head;
use crate::spec::Spec;

/// Computes the fingerprint until `deadline`.
///
/// The reservation of the body's bytes goes along and comes back. Work that has begun cannot be
/// stopped: if the request is dropped meanwhile, the work keeps the body until it ends, and its
/// bytes count for as long.
///
/// # Errors
///
/// [`Rejection::Misconfigured`] if the application's function panics, [`Rejection::Timeout`] at the
/// deadline, and [`Rejection::ShuttingDown`] if the runtime ends.
///
/// # Cancellation
///
/// Safe to drop. Work that has not begun is left out; the body goes when its turn comes.
pub(crate) async fn fingerprint(
    head: Head,
    spec: Spec,
    body: Bytes,
    room: BodyReservation,
    deadline: Instant,
) -> Result<(Fingerprint, BodyReservation), Rejection> {
    let (is_long, span) = (is_long(spec.fingerprint, body.len()), Span::current());
    let work = move || {
        let compute = || span.in_scope(|| head.fingerprint(&spec, &body));
        let computed = catch_unwind(AssertUnwindSafe(compute));
        let computed = computed.map_err(|_| {
            let handler = spec.item;
            tracing::error!(handler, "the function of `fingerprint = …` panicked");
            Rejection::Misconfigured
        });
        Ok((computed?, room))
    };
    if !is_long {
        return work();
    }
    let working = spawn_blocking(work);
    let _abort_on_drop = scopeguard::guard(working.abort_handle(), |work| work.abort());
    match timeout_at(deadline, working).await {
        Ok(computed) => computed.unwrap_or(Err(Rejection::ShuttingDown)),
        Err(_) => Err(Rejection::Timeout),
    }
}

/// Whether the work takes clearly longer than the way to another thread and back.
fn is_long(by: FingerprintBy, bytes: usize) -> bool {
    match by {
        FingerprintBy::Body => bytes >= 64 << 10,
        // The form of JSON takes about fifty times as long as a digest; what a function does is not known.
        _ => bytes >= 2 << 10,
    }
}
