//! How the control task says what is new: to the saver, through it to the store, and to everyone who
//! reads the overview.

use std::sync::Arc;
use std::time::Instant;

use shunt_config::AppName;
use shunt_config::status::{AppStatus, TargetState};

use super::overview::AppView;
use super::task::Control;
use crate::saved::{AppUpdate, SavedApp, Update};

/// What was told last of an app.
#[derive(Debug, Default)]
pub(super) struct Told {
    pub(super) saved: Option<SavedApp>,
    pub(super) status: Option<Arc<AppStatus>>,
    pub(super) deadline: Option<Instant>,
}

impl Control {
    /// Tells what is new of `names`, after it went live.
    pub(super) fn tell(&mut self, names: &[AppName]) {
        for name in names {
            let Some(app) = self.apps.get_mut(name) else { continue };
            app.settle();
            if app.drain.is_empty() {
                self.draining.remove(name);
            }
            let stale = self.view.is_stale();
            let status = app.status(stale).map(Arc::new);
            let (saved, deadline) = (app.saved(), app.deadline());
            let told = self.told.entry(name.clone()).or_default();
            if let Some(old) = std::mem::replace(&mut told.deadline, deadline) {
                self.deadlines.remove(&(old, name.clone()));
            }
            self.deadlines.extend(deadline.map(|at| (at, name.clone())));
            match app.is_unseen() {
                true => self.unseen.insert(name.clone()),
                false => self.unseen.remove(name),
            };
            match app.is_held() {
                true => self.held.insert(name.clone()),
                false => self.held.remove(name),
            };
            match app.is_counted() {
                true => self.counted.insert(name.clone()),
                false => self.counted.remove(name),
            };
            match app.keeps_visitors() {
                true => self.staying.insert(name.clone()),
                false => self.staying.remove(name),
            };
            let save = (told.saved != saved).then(|| saved.clone());
            told.saved = saved;
            if save.is_some() || !alike(told.status.as_deref(), status.as_deref()) {
                told.status.clone_from(&status);
                self.send(Update::App(Box::new(AppUpdate {
                    app: name.clone(),
                    saved: save,
                    status: status.clone(),
                })));
            }
            self.show_as(name, status);
        }
        if self.intake.is_read() && self.unseen.is_empty() {
            self.view.first_round = true;
        }
    }

    /// Puts what is known of the app into the overview; forgets it if that is nothing.
    pub(super) fn show_app(&mut self, name: &AppName) {
        let status = self.apps.get(name).and_then(|app| app.status(self.view.is_stale()));
        self.show_as(name, status.map(Arc::new));
    }

    fn show_as(&mut self, name: &AppName, status: Option<Arc<AppStatus>>) {
        let Some(app) = self.apps.get(name) else { return };
        let Some(status) = status else {
            if app.drain.is_empty() {
                self.apps.remove(name);
                self.told.remove(name);
                self.held.remove(name);
                self.counted.remove(name);
                self.staying.remove(name);
            }
            self.view.apps.remove(name);
            return;
        };
        // The same announcement under other limits counts in the same meters.
        let mut meters: Vec<(_, Arc<_>)> = Vec::new();
        for release in app.releases().chain(app.drain.leaving()) {
            if !meters.iter().any(|(_, known)| Arc::ptr_eq(known, &release.meters)) {
                meters.push((release.slot, Arc::clone(&release.meters)));
            }
        }
        meters.shrink_to_fit();
        let view = AppView {
            status,
            settings: app.settings().cloned(),
            meters,
            gone: app.drain.gone().clone(),
            epochs: app.epoch().into_iter().chain(app.drain.replaced()).cloned().collect(),
            flips: app.flips,
            hall: Arc::clone(app.hall()),
            previews: app.preview_meters(),
            mirrored: app.mirrored_pairs(),
        };
        self.view.apps.insert(name.clone(), Arc::new(view));
    }

    pub(super) fn show(&self) {
        self.shown.store(Arc::new(self.view.clone()));
        if self.view.first_round {
            self.caught_up.send_if_modified(|caught_up| !std::mem::replace(caught_up, true));
        }
    }
}

/// Whether two statuses say the same to others. The last answers of targets may lag behind, but for
/// those that are not proved: they are what a deploy waits for.
fn alike(a: Option<&AppStatus>, b: Option<&AppStatus>) -> bool {
    let (Some(a), Some(b)) = (a, b) else { return a.is_none() && b.is_none() };
    let targets = a.targets.len() == b.targets.len()
        && a.targets.iter().zip(&b.targets).all(|(a, b)| {
            (&a.token, a.slot, &a.address, a.state) == (&b.token, b.slot, &b.address, b.state)
                && (a.state != TargetState::Unproved || a.last == b.last)
        });
    let rest = |status: &AppStatus| AppStatus { targets: Vec::new(), ..status.clone() };
    targets && rest(a) == rest(b)
}
