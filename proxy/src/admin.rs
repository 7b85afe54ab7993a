//! The admin listener: `/healthz`, `/readyz`, `/metrics` and `/status`. Off the data threads.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::stream::{self, BoxStream};
use http::{Method, Request, Response, StatusCode, header};
use http_body_util::{Either, Full, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use jiff::Timestamp;
use prometheus::Registry;
use serde::Serialize;
use shunt_config::status::AppStatus;
use shunt_config::{App, AppName, Slot};
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, watch};
use tokio::time::sleep;
use tracing::{debug, warn};

use crate::control::ControlConfig;
use crate::control::identity::Identity;
use crate::control::overview::{AppView, Overview, Shown};
use crate::metrics::Scrape;
use crate::route::Line;
use crate::tls::resolver::Table;
use crate::tls::{CertificateState, Certificates, CertificatesState};

/// Connections served at once; more wait their turn in the kernel.
const CONNECTIONS: usize = 64;
/// Time for a request head.
const HEAD: Duration = Duration::from_secs(10);

/// What the admin listener answers from.
#[derive(Debug)]
pub struct Admin {
    /// Who this process is.
    pub identity: Identity,
    /// The store, as a person would call it.
    pub store: String,
    /// What the control task shows.
    pub shown: Shown,
    /// Settings that may change.
    pub config: watch::Receiver<ControlConfig>,
    /// Whether this process was told to stop.
    pub stopping: watch::Receiver<bool>,
    /// The certificates, if one listener speaks TLS.
    pub certificates: Option<Arc<Certificates>>,
    /// What is shown under `/metrics`.
    pub registry: Registry,
}

type Pieces = StreamBody<BoxStream<'static, prometheus::Result<Frame<Bytes>>>>;
type Answer = Response<Either<Full<Bytes>, Pieces>>;

impl Admin {
    /// Serves on `listener` until it is dropped.
    pub async fn run(self: Arc<Self>, listener: TcpListener) {
        let slots = Arc::new(Semaphore::new(CONNECTIONS));
        loop {
            let Ok(slot) = Arc::clone(&slots).acquire_owned().await else { return };
            let stream = match listener.accept().await {
                Ok((stream, _)) => stream,
                Err(error) => {
                    warn!("admin listener: {error}");
                    // For want of descriptors: the next accept would fail at once, too.
                    sleep(Duration::from_millis(100)).await;
                    continue;
                }
            };
            let admin = Arc::clone(&self);
            tokio::spawn(async move {
                let service = service_fn(|request| {
                    let admin = Arc::clone(&admin);
                    async move { Ok::<_, Infallible>(admin.answer(request).await) }
                });
                let mut server = http1::Builder::new();
                server.timer(TokioTimer::new()).header_read_timeout(HEAD);
                if let Err(error) = server.serve_connection(TokioIo::new(stream), service).await {
                    debug!("admin connection: {error}");
                }
                drop(slot);
            });
        }
    }

    async fn answer(self: Arc<Self>, request: Request<Incoming>) -> Answer {
        let path = request.uri().path();
        if !matches!(path, "/healthz" | "/readyz" | "/metrics" | "/status") {
            return text(StatusCode::NOT_FOUND, "not found\n");
        }
        if !matches!(*request.method(), Method::GET | Method::HEAD) {
            let mut answer = text(StatusCode::METHOD_NOT_ALLOWED, "GET or HEAD\n");
            answer
                .headers_mut()
                .insert(header::ALLOW, header::HeaderValue::from_static("GET, HEAD"));
            return answer;
        }
        match path {
            "/healthz" => text(StatusCode::OK, "ok\n"),
            "/readyz" => match self.is_ready() {
                Ok(()) => text(StatusCode::OK, "ready\n"),
                Err(why) => text(StatusCode::SERVICE_UNAVAILABLE, format!("{why}\n")),
            },
            path => {
                let metrics = path == "/metrics";
                // With ten thousand apps this takes a while, and flips must not wait for it.
                let written = tokio::task::spawn_blocking(move || match metrics {
                    true => self.metrics(),
                    false => self.status(),
                });
                written.await.unwrap_or_else(|error| internal(&error))
            }
        }
    }

    fn is_ready(&self) -> Result<(), String> {
        if *self.stopping.borrow() {
            return Err("stopping".to_owned());
        }
        self.shown.load().is_ready(self.config.borrow().lost_after)
    }

    fn metrics(&self) -> Answer {
        let scrape = match Scrape::new(&self.registry, &self.shown.load()) {
            Ok(scrape) => scrape,
            Err(error) => return internal(&error),
        };
        let pieces = stream::iter(scrape).then(|piece| async {
            // Flips and checks come in between.
            tokio::task::yield_now().await;
            piece.map(|text| Frame::data(text.into()))
        });
        let kind = "text/plain; version=0.0.4; charset=utf-8";
        typed(StatusCode::OK, kind, Either::Right(StreamBody::new(pieces.boxed())))
    }

    fn status(&self) -> Answer {
        let view = self.shown.load();
        let certificates = self.certificates.as_ref().map(|all| all.state());
        let status = Status::of(self, &view, certificates.as_deref());
        match serde_json::to_vec_pretty(&status) {
            Ok(mut body) => {
                body.push(b'\n');
                whole(StatusCode::OK, "application/json", body)
            }
            Err(error) => internal(&error),
        }
    }
}

/// The body of `/status`.
#[derive(Debug, Serialize)]
struct Status<'a> {
    proxy: &'a str,
    instance: &'a str,
    version: &'a str,
    pid: u32,
    started: Timestamp,
    /// `None` if this proxy is ready, otherwise why not.
    not_ready: Option<String>,
    store: StoreStatus<'a>,
    /// Whether the snapshot on disk is served and the store has not confirmed it.
    stale: bool,
    /// Files of the snapshot that were refused at the start.
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    snapshot_refused: &'a [String],
    /// Keys that belong to no app, and what is wrong with them.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    refused: BTreeMap<&'a str, &'a str>,
    /// The certificates that clients are shown, and what is wrong with others.
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    tls: Option<TlsStatus<'a>>,
    apps: BTreeMap<&'a AppName, OneApp<'a>>,
}

#[derive(Debug, Serialize)]
struct TlsStatus<'a> {
    certificates: &'a [CertificateState],
    #[serde(skip_serializing_if = "Option::is_none")]
    certificates_fault: Option<&'a str>,
}

#[derive(Debug, Serialize)]
struct StoreStatus<'a> {
    name: &'a str,
    id: Option<&'a str>,
    connected: bool,
    last_confirmed: Option<Timestamp>,
    /// Why contact is lost.
    #[serde(skip_serializing_if = "Option::is_none")]
    lost: Option<&'a str>,
    /// Why what it tells is not believed in full.
    #[serde(skip_serializing_if = "Option::is_none")]
    fault: Option<&'a str>,
}

#[derive(Debug, Serialize)]
struct OneApp<'a> {
    #[serde(flatten)]
    status: &'a AppStatus,
    settings: Option<&'a App>,
    /// Requests and tunnels that are not over.
    in_flight: BTreeMap<Slot, u64>,
    /// Requests answered since this process began.
    requests: BTreeMap<Slot, u64>,
    /// Requests that wait while every target has as many as it may.
    #[serde(skip_serializing_if = "Option::is_none")]
    queued: Option<u32>,
    /// Targets left out for failing requests.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    ejected: Vec<String>,
    /// Hosts of previews that no certificate is for, where there are certificates.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    previews_without_certificate: Vec<String>,
}

impl<'a> Status<'a> {
    fn of(
        admin: &'a Admin,
        view: &'a Overview,
        certificates: Option<&'a CertificatesState>,
    ) -> Self {
        let about = &admin.identity.about;
        let table = admin.certificates.as_ref().map(|all| all.table());
        let table = table.as_deref().map(|table| &**table);
        Self {
            proxy: admin.identity.proxy.as_str(),
            instance: &admin.identity.instance,
            version: &about.version,
            pid: about.pid,
            started: about.started,
            not_ready: admin.is_ready().err(),
            store: StoreStatus {
                name: &admin.store,
                id: view.store.id.as_deref(),
                connected: view.store.connected,
                last_confirmed: view.store.confirmed.map(|(_, at)| at),
                lost: view.store.lost.as_deref(),
                fault: view.store.fault.as_deref(),
            },
            stale: view.is_stale(),
            snapshot_refused: &view.snapshot_refused,
            refused: view.strays.iter().map(|(key, why)| (key.as_str(), why.as_str())).collect(),
            tls: certificates.map(|state| TlsStatus {
                certificates: &state.certificates,
                certificates_fault: state.fault.as_deref(),
            }),
            apps: view.apps.iter().map(|(name, app)| (name, OneApp::of(app, table))).collect(),
        }
    }
}

impl<'a> OneApp<'a> {
    fn of(app: &'a AppView, certificates: Option<&Table>) -> Self {
        let previews = app.settings.iter().filter_map(|app| Some(app.preview.as_ref()?.hosts(app)));
        let uncertified = certificates.into_iter().flat_map(|table| {
            let hosts = previews.clone().flatten().map(|preview| preview.host.to_string());
            hosts.filter(|host| !table.is_for(host)).collect::<Vec<_>>()
        });
        let per_slot = |count: &dyn Fn(Slot) -> u64| {
            Slot::BOTH.into_iter().map(|slot| (slot, count(slot))).collect()
        };
        Self {
            status: &app.status,
            settings: app.settings.as_deref(),
            in_flight: per_slot(&|slot| app.in_flight(slot)),
            requests: per_slot(&|slot| app.totals(slot).requests()),
            queued: app.line().map(Line::waiting),
            ejected: app
                .serving()
                .flat_map(|release| &release.targets)
                .filter(|target| target.is_ejected())
                .map(|target| target.address.to_string())
                .collect(),
            previews_without_certificate: uncertified.collect(),
        }
    }
}

fn text(status: StatusCode, body: impl Into<Bytes>) -> Answer {
    whole(status, "text/plain; charset=utf-8", body)
}

fn whole(status: StatusCode, kind: &'static str, body: impl Into<Bytes>) -> Answer {
    typed(status, kind, Either::Left(Full::new(body.into())))
}

fn typed(status: StatusCode, kind: &'static str, body: Either<Full<Bytes>, Pieces>) -> Answer {
    let mut answer = Response::new(body);
    *answer.status_mut() = status;
    answer.headers_mut().insert(header::CONTENT_TYPE, header::HeaderValue::from_static(kind));
    answer
}

fn internal(error: &dyn std::error::Error) -> Answer {
    warn!("admin: {error}");
    text(StatusCode::INTERNAL_SERVER_ERROR, format!("{error}\n"))
}
