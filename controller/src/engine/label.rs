//! The labels that tie a container to its release.

use shunt_config::deploy_file::Worker;
use shunt_config::{AppName, Slot, duration};

use super::{Container, Labels};

/// The app.
pub const APP: &str = "shunt.app";
/// The slot its release was started for; for people.
pub const SLOT: &str = "shunt.slot";
/// The deploy that started it: the release in the store names the same one.
pub const DEPLOY: &str = "shunt.deploy";
/// Which of the release's containers it is, from 0.
pub const REPLICA: &str = "shunt.replica";
/// The port its own is published as.
pub const PORT: &str = "shunt.port";
/// The store the app lives in: two installations may share an engine and app names.
pub const STORE: &str = "shunt.store";

/// Which of the release's workers it is; only containers that get no requests have it.
pub const WORKER: &str = "shunt.worker";
/// How long it has to run before it is taken to be sound.
pub const SETTLE: &str = "shunt.settle";

/// The labels all containers of one deploy have.
pub fn of_deploy(app: &AppName, deploy: &str) -> Labels {
    [(APP.to_owned(), app.to_string()), (DEPLOY.to_owned(), deploy.to_owned())].into()
}

/// The labels all containers of an app of one store have.
pub fn of_app(app: &AppName, store: &str) -> Labels {
    [(APP.to_owned(), app.to_string()), (STORE.to_owned(), store.to_owned())].into()
}

/// All labels of one container.
pub fn of_replica(
    app: &AppName,
    store: &str,
    slot: Slot,
    deploy: &str,
    replica: u16,
    port: u16,
) -> Labels {
    let mut labels = of_app(app, store);
    labels.extend(of_deploy(app, deploy));
    labels.insert(SLOT.to_owned(), slot.to_string());
    labels.insert(REPLICA.to_owned(), replica.to_string());
    labels.insert(PORT.to_owned(), port.to_string());
    labels
}

/// All labels of one worker.
pub fn of_worker(
    app: &AppName,
    store: &str,
    slot: Slot,
    deploy: &str,
    worker: &Worker,
    replica: u16,
) -> Labels {
    let mut labels = of_app(app, store);
    labels.extend(of_deploy(app, deploy));
    labels.insert(SLOT.to_owned(), slot.to_string());
    labels.insert(WORKER.to_owned(), worker.name.clone());
    labels.insert(REPLICA.to_owned(), replica.to_string());
    labels.insert(SETTLE.to_owned(), duration::show(worker.settle));
    labels
}

/// Whether a container is a worker.
pub fn is_worker(container: &Container) -> bool {
    container.labels.contains_key(WORKER)
}

/// The number under a container's label.
pub fn number(container: &Container, label: &str) -> Option<u16> {
    container.labels.get(label)?.parse().ok()
}
