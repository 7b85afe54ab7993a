//! How the control task takes what the store says.

use std::sync::Arc;

use shunt_config::Mistake;
use shunt_config::store::WatchEvent;
use tracing::warn;

use super::intake::{Concerned, Running};
use super::served::Moment;
use super::task::Control;
use crate::saved::Update;

impl Control {
    /// Takes what the store says over, and makes what follows from it live.
    pub(super) fn hear(&mut self, event: WatchEvent) {
        let moment = Moment::now();
        let running = || -> Running {
            self.apps.iter().map(|(name, app)| (name.clone(), app.serves())).collect()
        };
        let mut concerned = Concerned::default();
        let full = matches!(event, WatchEvent::Full(_));
        match event {
            WatchEvent::Full(view) => concerned = self.intake.full(view, running),
            WatchEvent::Changed(changes) => concerned = self.intake.changed(changes, running),
            WatchEvent::Confirmed => {}
            WatchEvent::Lost(why) => {
                self.view.store.connected = false;
                self.view.store.lost = Some(why);
                self.show();
                return;
            }
        }
        self.view.store.connected = true;
        self.view.store.lost = None;
        self.view.store.confirmed = Some((moment.at, moment.shown));
        self.note_intake(concerned.strays);
        let first = full && self.intake.is_read() && !self.view.store.read;
        if first {
            self.view.store.read = true;
            // Nothing is stale any more, whether its keys changed or not.
            concerned.apps.extend(self.apps.keys().cloned());
        }
        self.recompute(concerned.apps, moment);
        if first {
            self.router.set_unread(false);
        }
        self.show();
    }

    /// Shows what the intake makes of the store.
    fn note_intake(&mut self, strays: bool) {
        let store = &mut self.view.store;
        if store.fault.as_deref() != self.intake.fault() {
            store.fault = self.intake.fault().map(str::to_owned);
            let said = store.fault.as_deref().unwrap_or("over, all keys are believed");
            warn!("store fault: {said}");
        }
        if store.id.as_deref() != self.intake.store() {
            store.id = self.intake.store().map(str::to_owned);
            if let Some(id) = store.id.clone() {
                self.send(Update::Store(id));
            }
        }
        if strays {
            let said =
                |(key, (_, mistake)): (&String, &(_, Mistake))| (key.clone(), mistake.to_string());
            let strays: Vec<_> = self.intake.desired().strays().iter().map(said).collect();
            for (key, why) in &strays {
                if !self.view.strays.iter().any(|(known, _)| known == key) {
                    warn!(key, "refused: {why}");
                }
            }
            self.view.strays = Arc::new(strays);
        }
    }
}
