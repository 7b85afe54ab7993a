//! Passes and failures in a row, and what follows from them.

use shunt_config::status::TargetState;

/// What the checks of one target add up to.
#[derive(Clone, Debug)]
pub struct Counter {
    rise: u32,
    fall: u32,
    state: TargetState,
    /// Verdicts in a row that speak against `state`.
    against: u32,
}

impl Counter {
    /// A counter that begins with `state`; `rise` passes or `fall` failures in a row change it.
    pub fn new(state: TargetState, rise: u32, fall: u32) -> Self {
        Self { rise, fall, state, against: 0 }
    }

    /// What the checks say so far.
    pub fn state(&self) -> TargetState {
        self.state
    }

    /// Counts one verdict. A target that never passed stays unproved, however often it fails.
    pub fn count(&mut self, passed: bool) {
        if passed == (self.state == TargetState::Healthy) {
            self.against = 0;
            return;
        }
        self.against += 1;
        let (enough, next) = match passed {
            true => (self.rise, TargetState::Healthy),
            false => (self.fall, TargetState::Failing),
        };
        if self.against >= enough {
            self.state = next;
            self.against = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use TargetState::{Failing, Healthy, Unproved};

    /// States after each verdict: `+` a pass, `-` a failure.
    fn states(from: TargetState, rise: u32, fall: u32, verdicts: &str) -> Vec<TargetState> {
        let mut counter = Counter::new(from, rise, fall);
        let after = |verdict| {
            counter.count(verdict == '+');
            counter.state()
        };
        verdicts.chars().map(after).collect()
    }

    #[test]
    fn a_target_is_unproved_until_it_passed_rise_times_in_a_row() {
        let all = states(Unproved, 2, 1, "-+-++");
        assert_eq!(all, [Unproved, Unproved, Unproved, Unproved, Healthy]);
    }

    #[test]
    fn a_healthy_target_fails_after_fall_failures_in_a_row() {
        assert_eq!(states(Healthy, 1, 3, "--+--")[4], Healthy);
        assert_eq!(states(Healthy, 1, 3, "---")[2], Failing);
        assert_eq!(states(Failing, 2, 3, "+-++"), [Failing, Failing, Failing, Healthy]);
    }
}
