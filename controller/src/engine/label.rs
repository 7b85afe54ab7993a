//! The labels that tie a container to its release.

use shunt_config::{AppName, Slot};

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

/// The number under a container's label.
pub fn number(container: &Container, label: &str) -> Option<u16> {
    container.labels.get(label)?.parse().ok()
}
