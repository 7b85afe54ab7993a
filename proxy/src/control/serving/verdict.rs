//! What a step found: what it refuses of the keys, and what it waits for.

use std::time::Instant;

use shunt_config::key::AppKey;
use shunt_config::status::{Pending, Refusal};
use shunt_config::{AppName, Slot, Token};

use super::Look;
use crate::control::desired::Wanted;
use crate::control::served::Flip;

/// What a step found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Verdict {
    /// Keys whose present value does not apply, in the order of their names.
    pub refused: Vec<Refusal>,
    /// What waits for its proof.
    pub pending: Option<Pending>,
    /// When to look again even if nothing happens.
    pub deadline: Option<Instant>,
}

impl Verdict {
    /// Refuses the value that was put as `token` under `key`.
    pub(super) fn refuse(
        &mut self,
        app: &AppName,
        key: AppKey,
        token: Option<&Token>,
        why: impl Into<String>,
    ) {
        let key = key.of(app).to_string();
        self.refused.push(Refusal { key, token: token.cloned(), reason: why.into() });
    }

    /// Refuses values that cannot be read, and keys that must not go.
    pub(super) fn refuse_values(&mut self, look: &Look<'_>, flip: Option<&Flip>) {
        let Wanted { active, hold, mirror, unknown, .. } = look.wanted;
        let app = look.app;
        match active {
            Some(value) => {
                if let Err(mistake) = &value.read {
                    self.refuse(app, AppKey::Active, Some(&value.token), mistake.to_string());
                }
            }
            None => {
                if let Some(flip) = flip {
                    let said =
                        format!("deleted while the app serves; `{}` stays", flip.active.value);
                    self.refuse(app, AppKey::Active, None, said);
                }
            }
        }
        let serves = |slot: Slot| {
            let mut releases = flip.into_iter().flat_map(|flip| &flip.releases);
            releases.any(|(served, _)| *served == slot)
        };
        for slot in Slot::BOTH {
            match look.wanted.slot(slot) {
                Some(value) => {
                    if let Err(mistake) = &value.read {
                        self.refuse(
                            app,
                            AppKey::Slot(slot),
                            Some(&value.token),
                            mistake.to_string(),
                        );
                    }
                }
                None if serves(slot) => {
                    let said = "deleted while requests go to it; the last good release stays";
                    self.refuse(app, AppKey::Slot(slot), None, said);
                }
                None => {}
            }
        }
        if let Some(hold) = hold
            && let Err(mistake) = &hold.read
        {
            self.refuse(app, AppKey::Hold, Some(&hold.token), mistake.to_string());
        }
        if let Some(mirror) = mirror
            && let Err(mistake) = &mirror.read
        {
            self.refuse(app, AppKey::Mirror, Some(&mirror.token), mistake.to_string());
        }
        for (key, (token, mistake)) in unknown {
            let (key, token) = (key.clone(), Some(token.clone()));
            self.refused.push(Refusal { key, token, reason: mistake.to_string() });
        }
    }
}
