//! The families of `/metrics`, with what they mean.

pub(super) use super::families::Family;

const APP: &[&str] = &["app"];
const SLOT: &[&str] = &["app", "slot"];
const CERTIFICATE: &[&str] = &["certificate"];
const NONE: &[&str] = &[];

pub(super) static APPS: Family = Family::gauge(
    "shunt_apps",
    &["state"],
    "All apps: `serving`, or `not_serving` because nothing was proved yet.",
);
pub(super) static TARGETS: Family = Family::gauge(
    "shunt_targets",
    &["state"],
    "The targets of all apps by what their health checks say: `healthy`, `failing`, `unproved`.",
);
pub(super) static REQUESTS: Family = Family::counter(
    "shunt_requests_total",
    &["app", "slot", "code"],
    "Requests answered, by class of the status; `gone`: the client left before the answer began.",
);
pub(super) static DURATION: Family = Family::histogram(
    "shunt_request_duration_seconds",
    SLOT,
    "From the request head to the end of the answer.",
);
pub(super) static IN_FLIGHT: Family =
    Family::gauge("shunt_in_flight_requests", SLOT, "Requests and tunnels that are not over.");
pub(super) static ERRORS: Family = Family::counter(
    "shunt_upstream_errors_total",
    &["app", "slot", "reason"],
    "Failures of targets, also those that a second try made good.",
);
pub(super) static RETRIES: Family = Family::counter(
    "shunt_retries_total",
    &["app", "slot", "reason"],
    "Requests sent a second time.",
);
pub(super) static TUNNELS: Family = Family::counter(
    "shunt_tunnels_total",
    &["app", "slot", "end"],
    "Tunnels that are over, and why: the client or the target ended it, nothing moved for too long, \
     its release was drained and the client told so, or it was cut.",
);
pub(super) static TARGET_UP: Family = Family::gauge(
    "shunt_target_up",
    &["app", "slot", "target"],
    "1 if the target passes its health checks, 0 if it fails or was not proved yet.",
);
pub(super) static TARGET_EJECTED: Family = Family::gauge(
    "shunt_target_ejected",
    &["app", "slot", "target"],
    "1 while the target is left out for failing requests, 0 when it was and is back.",
);
pub(super) static TARGET_EJECTIONS: Family = Family::counter(
    "shunt_target_ejections_total",
    &["app", "slot", "target"],
    "How often the target was left out for failing requests since it was announced.",
);
pub(super) static QUEUED: Family = Family::gauge(
    "shunt_queued_requests",
    APP,
    "Requests that wait while every target has `max_requests`.",
);
pub(super) static QUEUE_REFUSALS: Family = Family::counter(
    "shunt_queue_refusals_total",
    &["app", "reason"],
    "Requests answered with 503 because the queue was full, or the wait too long (`timeout`).",
);
pub(super) static HOLD: Family = Family::gauge(
    "shunt_hold",
    &["app", "mode"],
    "1 while the app is held or in maintenance, 0 once its time is over and requests go through.",
);
pub(super) static HELD: Family =
    Family::gauge("shunt_held_requests", APP, "Requests that wait because the app is held.");
pub(super) static HELD_RELEASED: Family = Family::counter(
    "shunt_held_requests_released_total",
    APP,
    "Requests that waited because the app was held, and were sent on.",
);
pub(super) static HELD_REFUSALS: Family = Family::counter(
    "shunt_hold_refusals_total",
    &["app", "reason"],
    "Requests answered with 503: too many waited (`full`), the time of the hold was over (`expired`), \
     or the app is in maintenance.",
);
pub(super) static SESSIONS: Family = Family::gauge(
    "shunt_sessions",
    SLOT,
    "Visitors who stay on releases of the slot that new ones no longer go to.",
);
pub(super) static PREVIEWS: Family = Family::counter(
    "shunt_preview_requests_total",
    &["app", "slot", "code"],
    "Requests that asked to see the release of a slot, by class of the status; counted nowhere else.",
);
pub(super) static MIRRORED: Family = Family::counter(
    "shunt_mirrored_requests_total",
    &["app", "slot", "code"],
    "Copies of requests that the standby release of a slot was sent, by class of the status that they \
     came to; counted nowhere else.",
);
pub(super) static MIRRORED_DURATION: Family = Family::histogram(
    "shunt_mirrored_request_duration_seconds",
    SLOT,
    "From the sending of a copy to the head of its answer.",
);
pub(super) static MIRROR_DIFFERENCES: Family = Family::counter(
    "shunt_mirror_differences_total",
    SLOT,
    "Copies that came to a status of another class than the request itself.",
);
pub(super) static MIRROR_LEFT_OUT: Family = Family::counter(
    "shunt_mirror_left_out_total",
    SLOT,
    "Requests that were to be copied and were not, for want of room.",
);
pub(super) static SERVING: Family =
    Family::gauge("shunt_serving", SLOT, "Share of new requests that go to the slot, 0 to 1.");
pub(super) static RELEASE: Family = Family::gauge(
    "shunt_release_info",
    &["app", "slot", "version", "token"],
    "The release that new requests go to.",
);
pub(super) static FLIPS: Family =
    Family::counter("shunt_flips_total", &["app", "result"], "Flips applied and refused.");
pub(super) static PENDING: Family =
    Family::gauge("shunt_pending", APP, "1 while a change waits for its health proof.");
pub(super) static REFUSED: Family = Family::gauge(
    "shunt_refused",
    &["app", "key"],
    "1 for a key whose present value is refused; the last good one stays.",
);
pub(super) static CONNECTED: Family =
    Family::gauge("shunt_store_connected", NONE, "1 while the store is in touch.");
pub(super) static CONFIRMED: Family = Family::gauge(
    "shunt_store_last_confirmed_timestamp_seconds",
    NONE,
    "When the store was last proved to be in touch.",
);
pub(super) static FAULT: Family = Family::gauge(
    "shunt_store_fault",
    NONE,
    "1 while what the store tells is not believed in full; the last good state stays.",
);
pub(super) static STALE: Family = Family::gauge(
    "shunt_snapshot_stale",
    NONE,
    "1 while the snapshot on disk is served and the store has not confirmed it.",
);
pub(super) static SAVE_FAILURES: Family = Family::counter(
    "shunt_snapshot_write_failures_total",
    NONE,
    "Writes of the snapshot that failed.",
);
pub(super) static CONNECTIONS: Family =
    Family::gauge("shunt_client_connections", NONE, "Client connections now open.");
pub(super) static UNROUTED: Family = Family::counter(
    "shunt_unrouted_requests_total",
    &["reason"],
    "Requests that no release was found for: no app has the host, the app serves nothing, or the \
     store has not been read yet.",
);
pub(super) static ACCEPT_FAILURES: Family = Family::counter(
    "shunt_accept_failures_total",
    NONE,
    "Accepts that failed for want of descriptors or memory.",
);
pub(super) static CONNECTIONS_MAX: Family = Family::gauge(
    "shunt_client_connections_max",
    NONE,
    "Client connections that there is room for: what is allowed, or what file descriptors last for.",
);
pub(super) static ACCEPT_PAUSES: Family = Family::counter(
    "shunt_accept_pauses_total",
    NONE,
    "How often a data thread stopped accepting because there was no room for more clients.",
);
pub(super) static TARGET_CONNECTIONS: Family = Family::gauge(
    "shunt_target_connections",
    NONE,
    "Connections to targets for requests, open or kept.",
);
pub(super) static TARGET_CONNECTIONS_MAX: Family = Family::gauge(
    "shunt_target_connections_max",
    NONE,
    "Connections to targets that there is room for: what file descriptors last for.",
);
pub(super) static TARGET_ROOM_REFUSALS: Family = Family::counter(
    "shunt_target_room_refusals_total",
    NONE,
    "Requests answered with 503 because there was no room for one more connection to a target.",
);
pub(super) static CUT: Family = Family::counter(
    "shunt_client_connections_cut_total",
    &["reason"],
    "Client connections ended before their time: idle ones that made room for others, those of an \
     address that has too many, and those whose HTTP/2 frames cost too much.",
);
pub(super) static UNPROXIED: Family = Family::counter(
    "shunt_proxy_protocol_refused_total",
    &["reason"],
    "Connections closed for want of a PROXY header: from a peer that may send none (`untrusted`), \
     with none or a bad one, ended within it, or none in time.",
);
pub(super) static LOG_LINES: Family = Family::counter(
    "shunt_access_log_lines_total",
    &["result"],
    "Lines of the access log written, and dropped because the output was too slow or failed.",
);
pub(super) static BUILD: Family =
    Family::gauge("shunt_build_info", &["version"], "The version of this program.");
pub(super) static START: Family =
    Family::gauge("shunt_start_time_seconds", NONE, "When this process started.");

pub(super) static CERTIFICATE_NOT_AFTER: Family = Family::gauge(
    "shunt_certificate_not_after_timestamp_seconds",
    CERTIFICATE,
    "When the certificate in service ends, by the name of its files.",
);
pub(super) static CERTIFICATE_REFUSED: Family = Family::gauge(
    "shunt_certificate_refused",
    CERTIFICATE,
    "1 for a certificate whose files cannot be used as they are; the last good one stays.",
);
pub(super) static CERTIFICATE_FAILURES: Family = Family::counter(
    "shunt_certificate_reload_failures_total",
    NONE,
    "Files of certificates and of client authorities that were read and refused.",
);

pub(super) static CERTIFICATES: [&Family; 3] =
    [&CERTIFICATE_NOT_AFTER, &CERTIFICATE_REFUSED, &CERTIFICATE_FAILURES];
pub(super) static COLLECTED: [&Family; 39] = [
    &APPS,
    &TARGETS,
    &CUT,
    &TARGET_CONNECTIONS,
    &TARGET_CONNECTIONS_MAX,
    &TARGET_ROOM_REFUSALS,
    &ERRORS,
    &RETRIES,
    &TUNNELS,
    &TARGET_EJECTED,
    &TARGET_EJECTIONS,
    &QUEUED,
    &QUEUE_REFUSALS,
    &HOLD,
    &HELD,
    &HELD_RELEASED,
    &HELD_REFUSALS,
    &SESSIONS,
    &PREVIEWS,
    &MIRRORED,
    &MIRRORED_DURATION,
    &MIRROR_DIFFERENCES,
    &MIRROR_LEFT_OUT,
    &PENDING,
    &REFUSED,
    &CONNECTED,
    &CONFIRMED,
    &FAULT,
    &STALE,
    &SAVE_FAILURES,
    &CONNECTIONS,
    &UNROUTED,
    &ACCEPT_FAILURES,
    &CONNECTIONS_MAX,
    &ACCEPT_PAUSES,
    &UNPROXIED,
    &LOG_LINES,
    &BUILD,
    &START,
];
