//! What one app serves, and what it makes of its keys. Pure: neither clock nor network.
//!
//! Keys are desired state; what is served is the app's own and changes only for something that was
//! proved. A value that can never apply as written is *refused*. A flip, or a new release in a slot
//! that serves, waits until every target is proved: it is *pending*, and refused if the proof does
//! not come in time. In all cases the last good stays.

use std::sync::Arc;
use std::time::Duration;

use shunt_config::key::AppKey;
use shunt_config::status::Pending;
use shunt_config::{Active, AppName, Mistake, Release, Slot, Token};

use super::desired::Wanted;
use super::served::{Flip, Goal, Moment, Put, Served};

pub use self::verdict::Verdict;

mod verdict;

/// One app's state between two looks at its keys.
#[derive(Clone, Debug, Default)]
pub struct State {
    served: Option<Served>,
    wait: Option<Wait>,
}

#[derive(Clone, Debug)]
struct Wait {
    goal: Goal,
    /// `None` for one that was over before this process began.
    since: Option<Moment>,
    /// Why it was refused in the end.
    over: Option<String>,
}

/// All that a step depends on.
#[derive(Clone, Copy)]
#[expect(missing_debug_implementations, reason = "it holds a closure")]
pub struct Look<'a> {
    /// The app.
    pub app: &'a AppName,
    /// Its keys.
    pub wanted: &'a Wanted,
    /// Why its settings, sound as they are, cannot be served beside other apps'.
    pub conflict: Option<&'a Mistake>,
    /// Whether all targets of an announcement are proved, or which is not.
    pub proof: &'a dyn Fn(&Token) -> Result<(), String>,
    /// When.
    pub now: Moment,
    /// How long a flip may wait.
    pub flip_timeout: Duration,
}

impl State {
    /// The state of an earlier life of this proxy.
    pub fn restored(served: Served, refused: Option<(Goal, String)>) -> Self {
        let wait = refused.map(|(goal, why)| Wait { goal, since: None, over: Some(why) });
        Self { served: Some(served), wait }
    }

    /// What is served; `None` without sound settings.
    pub fn served(&self) -> Option<&Served> {
        self.served.as_ref()
    }

    /// Where requests go.
    pub fn flip(&self) -> Option<&Flip> {
        self.served.as_ref()?.flip.as_ref()
    }

    /// The flip that was refused for want of proof, and why; it stays so until one of its keys is
    /// put again.
    pub fn given_up(&self) -> Option<(&Goal, &str)> {
        self.wait.as_ref().and_then(|wait| Some((&wait.goal, wait.over.as_deref()?)))
    }

    /// The releases to probe: those that are announced, and those that serve.
    pub fn announced(&self, wanted: &Wanted) -> Vec<(Slot, Put<Release>)> {
        if self.served.is_none() {
            return Vec::new();
        }
        let mut all: Vec<_> =
            Slot::BOTH.into_iter().filter_map(|s| Some((s, sound(wanted, s)?))).collect();
        for (slot, put) in self.flip().into_iter().flat_map(|flip| &flip.releases) {
            if !all.iter().any(|(_, known)| known.token == put.token) {
                all.push((*slot, put.clone()));
            }
        }
        all
    }

    /// Looks at the settings, which apply by themselves and at once. [`Self::step`] comes next: what
    /// they say of health checks may decide what is proved.
    pub fn step_settings(&mut self, look: &Look<'_>) -> Verdict {
        let mut verdict = Verdict::default();
        self.settings(look, &mut verdict);
        verdict
    }

    /// Looks at the rest of the keys and takes over what can be taken over. Adds to the verdict on
    /// the settings.
    pub fn step(&mut self, look: &Look<'_>, mut verdict: Verdict) -> Verdict {
        self.flip_or_wait(look, &mut verdict);
        verdict.refuse_values(look, self.flip());
        verdict.refused.sort_by(|a, b| a.key.cmp(&b.key));
        verdict
    }

    fn settings(&mut self, look: &Look<'_>, verdict: &mut Verdict) {
        match &look.wanted.app {
            None if look.wanted.doubted && self.served.is_some() => {
                let said =
                    "gone at once with all other keys, which looks like a fault of the store";
                verdict.refuse(look.app, AppKey::App, None, said);
            }
            None => *self = Self::default(),
            Some(value) => match (&value.read, look.conflict) {
                (Ok(app), None) => {
                    let settings = Put { token: value.token.clone(), value: Arc::clone(app) };
                    let flip = self.served.take().and_then(|served| served.flip);
                    self.served = Some(Served { settings, flip });
                }
                (Ok(_), Some(mistake)) | (Err(mistake), _) => {
                    verdict.refuse(look.app, AppKey::App, Some(&value.token), mistake.to_string());
                }
            },
        }
    }

    fn flip_or_wait(&mut self, look: &Look<'_>, verdict: &mut Verdict) {
        let Some(active) = self.active_wanted(look.wanted) else {
            self.wait = None;
            return;
        };
        let wanted: Vec<_> = active
            .value
            .shares()
            .map(|(slot, _)| (slot, self.release_wanted(look.wanted, slot)))
            .collect();
        let token = |put: &Result<Put<Release>, _>| put.as_ref().ok().map(|put| put.token.clone());
        let goal = Goal {
            active: active.token.clone(),
            slots: wanted.iter().map(|(slot, put)| (*slot, token(put))).collect(),
        };
        if self.wait.as_ref().is_some_and(|wait| wait.goal != goal) {
            self.wait = None;
        }
        let given_up = self.given_up().is_some();
        match self.missing(look, &wanted) {
            None if !given_up => {
                let sound = |(slot, put): (Slot, Result<_, _>)| Some((slot, put.ok()?));
                let mut releases: Vec<_> = wanted.into_iter().filter_map(sound).collect();
                releases.shrink_to_fit();
                if let Some(served) = &mut self.served {
                    served.flip = Some(Flip { active, releases });
                }
                self.wait = None;
            }
            missing => self.wait(look, goal, missing.unwrap_or_default(), verdict),
        }
    }

    /// Waits on for `goal`, or gives it up.
    fn wait(&mut self, look: &Look<'_>, goal: Goal, missing: Missing, verdict: &mut Verdict) {
        // An app that serves nothing has no last good to protect: it may wait for ever, so that a
        // machine which comes up before its backends serves as soon as they do.
        let bounded = self.flip().is_some();
        let fresh = || Wait { goal, since: Some(look.now), over: None };
        let wait = self.wait.get_or_insert_with(fresh);
        let deadline = wait.since.and_then(|since| since.at.checked_add(look.flip_timeout));
        if bounded && wait.over.is_none() && deadline.is_some_and(|at| look.now.at >= at) {
            let limit = shunt_config::duration::show(look.flip_timeout);
            wait.over = Some(format!("not proved within {limit}: {}", missing.reason));
        }
        let (goal, over, since) = (wait.goal.clone(), wait.over.clone(), wait.since);
        let served = self.flip();
        let new_active = served.is_none_or(|flip| flip.active.token != goal.active);
        let Some(why) = over else {
            verdict.pending = Some(Pending {
                active: new_active.then_some(goal.active),
                tokens: missing.tokens,
                reason: missing.reason,
                since: since.unwrap_or(look.now).shown,
            });
            verdict.deadline = deadline.filter(|_| bounded);
            return;
        };
        if new_active {
            let why = format!("{why}; put it again to try again");
            verdict.refuse(look.app, AppKey::Active, Some(&goal.active), why);
            return;
        }
        for (slot, token) in goal.slots.iter().filter(|(_, token)| !self.serves(token.as_ref())) {
            let why = format!("{why}; put it again to try again");
            verdict.refuse(look.app, AppKey::Slot(*slot), token.as_ref(), why);
        }
    }

    /// The shares asked for: the last good ones while the key is bad or gone.
    fn active_wanted(&self, wanted: &Wanted) -> Option<Put<Active>> {
        let served = self.served.as_ref()?;
        let put = wanted.active.as_ref().and_then(|value| {
            let value_read = Arc::clone(value.read.as_ref().ok()?);
            Some(Put { token: value.token.clone(), value: value_read })
        });
        put.or_else(|| Some(served.flip.as_ref()?.active.clone()))
    }

    /// The release asked for in `slot`: the last good one while the slot serves and its key is bad
    /// or gone. A standby slot has no last good one: what stood there may be stopped by now.
    fn release_wanted(&self, wanted: &Wanted, slot: Slot) -> Result<Put<Release>, String> {
        if let Some(put) = sound(wanted, slot).or_else(|| self.release_in(slot).cloned()) {
            return Ok(put);
        }
        Err(match wanted.slot(slot) {
            Some(_) => format!("the value of slot `{slot}` is refused"),
            None => format!("no release is in slot `{slot}`"),
        })
    }

    /// What keeps the releases from serving; `None` if nothing does.
    fn missing(
        &self,
        look: &Look<'_>,
        wanted: &[(Slot, Result<Put<Release>, String>)],
    ) -> Option<Missing> {
        let mut missing = Missing::default();
        let mut reasons = Vec::new();
        for (slot, put) in wanted {
            match put {
                // What serves was proved before it began to, and stays even while it fails.
                Ok(put) if self.serves(Some(&put.token)) => {}
                Ok(put) => {
                    if let Err(reason) = (look.proof)(&put.token) {
                        reasons.push(format!("{slot}: {reason}"));
                        missing.tokens.push(put.token.clone());
                    }
                }
                Err(reason) => reasons.push(reason.clone()),
            }
        }
        missing.reason = reasons.join("; ");
        (!reasons.is_empty()).then_some(missing)
    }

    fn release_in(&self, slot: Slot) -> Option<&Put<Release>> {
        let releases = &self.flip()?.releases;
        releases.iter().find(|(served, _)| *served == slot).map(|(_, put)| put)
    }

    fn serves(&self, token: Option<&Token>) -> bool {
        let mut releases = self.flip().into_iter().flat_map(|flip| &flip.releases);
        token.is_some_and(|token| releases.any(|(_, put)| put.token == *token))
    }
}

/// What is missing until a flip can apply.
#[derive(Default)]
struct Missing {
    tokens: Vec<Token>,
    reason: String,
}

fn sound(wanted: &Wanted, slot: Slot) -> Option<Put<Release>> {
    let value = wanted.slot(slot)?;
    Some(Put { token: value.token.clone(), value: Arc::clone(value.read.as_ref().ok()?) })
}

#[cfg(test)]
mod tests;
