//! What a message says of its own connection, which is not passed on (RFC 9110 7.6.1).

use http::header::{
    CONNECTION, CONTENT_LENGTH, EXPECT, HOST, HeaderMap, HeaderName, HeaderValue, TE,
    TRANSFER_ENCODING, UPGRADE,
};

const KEEP_ALIVE: HeaderName = HeaderName::from_static("keep-alive");
const PROXY_CONNECTION: HeaderName = HeaderName::from_static("proxy-connection");

/// Whether a field speaks of one connection only, beside those that `Connection` names (RFC 9110
/// 7.6.1). How the body is framed is decided anew on each side. `Expect` is among them because
/// hyper answers it as soon as the body is asked for; `forward` decides when that is.
fn is_hop_by_hop(name: &HeaderName) -> bool {
    // Two known names compare as one byte; looking one up costs more than all of these together.
    *name == CONNECTION
        || *name == TE
        || *name == TRANSFER_ENCODING
        || *name == UPGRADE
        || *name == EXPECT
        || *name == KEEP_ALIVE
        || *name == PROXY_CONNECTION
}

/// What a message says of its own connection that must be acted on here.
#[derive(Debug, Default)]
pub(super) struct Hop {
    /// The protocols it asks to change to.
    pub(super) upgrade: Option<HeaderValue>,
    /// Whether it sends its body only after `100 Continue`.
    pub(super) expects_continue: bool,
    /// Whether it takes trailers.
    pub(super) trailers: bool,
    /// Whether the connection ends with this message.
    pub(super) close: bool,
    /// How the body is coded for the transfer.
    pub(super) coding: Coding,
}

/// How a body is coded for the transfer (RFC 9112 6.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Coding {
    /// Not at all.
    #[default]
    None,
    /// In chunks, and nothing else.
    Chunked,
    /// In a way that this proxy would have to undo, or that others may read differently.
    Other,
}

/// Removes what speaks of one connection only, and returns what it said.
pub(super) fn remove_hop_by_hop(headers: &mut HeaderMap) -> Hop {
    let mut hop = Hop::default();
    let mut options = Options::default();
    // Most heads have none, or only `Connection: keep-alive`.
    while let Some(name) = headers.keys().find(|name| is_hop_by_hop(name)).cloned() {
        let lines = headers.get_all(&name).iter();
        if name == CONNECTION {
            options = Options::of(lines);
        } else if name == TE {
            hop.trailers = members(lines).any(|one| one.eq_ignore_ascii_case(b"trailers"));
        } else if name == TRANSFER_ENCODING {
            hop.coding = coding(lines);
        } else if name == EXPECT {
            hop.expects_continue =
                members(lines).any(|one| one.eq_ignore_ascii_case(b"100-continue"));
        }
        let first = headers.remove(&name);
        if name == UPGRADE {
            hop.upgrade = first;
        }
    }
    for name in options.fields {
        headers.remove(name);
    }
    hop.upgrade = hop.upgrade.filter(|_| options.upgrade);
    hop.close = options.close;
    hop
}

/// What `Connection` says.
#[derive(Debug, Default)]
struct Options {
    close: bool,
    upgrade: bool,
    /// The fields that it makes a matter of the connection.
    fields: Vec<HeaderName>,
}

impl Options {
    fn of<'a>(lines: impl Iterator<Item = &'a HeaderValue>) -> Self {
        let mut options = Self::default();
        for member in members(lines) {
            match member {
                _ if member.eq_ignore_ascii_case(b"keep-alive") => {}
                _ if member.eq_ignore_ascii_case(b"close") => options.close = true,
                _ if member.eq_ignore_ascii_case(b"upgrade") => options.upgrade = true,
                // What tells where a message belongs or ends is not a sender's to take away.
                _ => options.fields.extend(
                    HeaderName::from_bytes(member)
                        .ok()
                        .filter(|name| *name != HOST && *name != CONTENT_LENGTH),
                ),
            }
        }
        options
    }
}

/// The members of the list in `lines`.
fn members<'a>(lines: impl Iterator<Item = &'a HeaderValue>) -> impl Iterator<Item = &'a [u8]> {
    let members = lines.flat_map(|line| line.as_bytes().split(|b| *b == b','));
    members.map(<[u8]>::trim_ascii)
}

fn coding<'a>(mut lines: impl Iterator<Item = &'a HeaderValue>) -> Coding {
    match (lines.next(), lines.next()) {
        (Some(one), None) if one.as_bytes().trim_ascii().eq_ignore_ascii_case(b"chunked") => {
            Coding::Chunked
        }
        _ => Coding::Other,
    }
}
