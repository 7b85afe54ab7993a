//! What an error of the client library means for the call that met it.

use std::error::Error as _;
use std::io::ErrorKind;

use etcd_client::Error;

/// gRPC status codes, which the client library does not export by name.
mod code {
    pub(super) const CANCELLED: i32 = 1;
    pub(super) const UNKNOWN: i32 = 2;
    pub(super) const DEADLINE_EXCEEDED: i32 = 4;
    pub(super) const ABORTED: i32 = 10;
    pub(super) const INTERNAL: i32 = 13;
    pub(super) const UNAVAILABLE: i32 = 14;
    pub(super) const UNAUTHENTICATED: i32 = 16;
}

/// What to do about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// The connection or the member is not fit; another may be. Whether a write applied is unknown.
    Unfit,
    /// As above, and the request never left or was turned away before anything was done.
    Unsent,
    /// The login is over; log in again. Nothing was done.
    Login,
    /// The lease is gone.
    LeaseGone,
    /// The answer is no, and will be no again.
    No,
}

/// Sorts `error`.
pub(super) fn kind(error: &Error) -> Kind {
    let status = match error {
        Error::GRpcStatus(status) => status,
        Error::LeaseKeepAliveError(said) if said.contains("not found") => return Kind::LeaseGone,
        Error::TransportError(_)
        | Error::IoError(_)
        | Error::WatchError(_)
        | Error::LeaseKeepAliveError(_)
        | Error::EndpointError(_)
        | Error::Internal(_) => return Kind::Unfit,
        _ => return Kind::No,
    };
    let said = |words: &str| status.message().contains(words);
    match i32::from(status.code()) {
        code::UNAUTHENTICATED => Kind::Login,
        _ if said("invalid auth token") || said("auth store is old") => Kind::Login,
        _ if said("lease not found") => Kind::LeaseGone,
        // The check that `require_leader` asks for comes before anything is done.
        code::UNAVAILABLE if said("no leader") || never_connected(error) => Kind::Unsent,
        code::CANCELLED
        | code::UNKNOWN
        | code::DEADLINE_EXCEEDED
        | code::ABORTED
        | code::INTERNAL
        | code::UNAVAILABLE => Kind::Unfit,
        _ => Kind::No,
    }
}

/// Whether the connection itself was refused: errors of these kinds come from connecting alone.
fn never_connected(error: &Error) -> bool {
    sources(error).any(|source| {
        let io = source.downcast_ref::<std::io::Error>();
        io.is_some_and(|io| {
            matches!(
                io.kind(),
                ErrorKind::ConnectionRefused
                    | ErrorKind::HostUnreachable
                    | ErrorKind::NetworkUnreachable
            )
        })
    })
}

/// The error as one sentence, down to its cause: the library says "transport error" and keeps the
/// reason for itself.
pub(super) fn text(error: &Error) -> String {
    let mut text = match error {
        Error::GRpcStatus(status) => status.message().to_owned(),
        error => error.to_string(),
    };
    for source in sources(error) {
        let said = source.to_string();
        if !text.contains(&said) {
            text = format!("{text}: {said}");
        }
    }
    text
}

/// The causes of `error`. The library does not link them to it, so this begins at the status.
fn sources(error: &Error) -> impl Iterator<Item = &(dyn std::error::Error + 'static)> {
    let first = match error {
        Error::GRpcStatus(status) => status.source(),
        Error::TransportError(error) => error.source(),
        _ => None,
    };
    std::iter::successors(first, |&error| error.source())
}
