//! Which target of a release a request goes to.
//!
//! Each data thread chooses by itself, without a lock. What threads must know of each other, how
//! many requests a target has, is one counter per target, and is kept only for who asks for it:
//! plain round robin neither counts nor hashes nor allocates.
//!
//! # Layout
//!
//! - `turn`: in turn, by weight
//! - `least_requests`: to the target with the fewest
//! - `two_choices`: to the one with fewer of two drawn by chance
//! - `consistent_hash`: the same key to the same target
//! - `wish`: what a request says of where it wants to go
//! - `place`: a request on a target, from its choice to its end
//! - `admission`: claiming a release and a place on it, and waiting for one

mod admission;
mod consistent_hash;
mod least_requests;
mod place;
mod turn;
mod two_choices;
mod wish;

use std::cell::RefCell;

use shunt_config::balance::Balance;

pub(super) use admission::{Asked, Asker, Seen};
pub(crate) use consistent_hash::hash;
pub(super) use place::Place;
use turn::Turn;
pub(super) use wish::Wish;

use crate::route::Release;

/// One thread's way of choosing among the targets of one release.
#[derive(Debug)]
pub(super) struct Balancer {
    turn: RefCell<Turn>,
    /// What stands for each target in a hash; empty where nothing is hashed.
    seeds: Box<[u64]>,
}

impl Balancer {
    /// The choice of data thread `thread`.
    pub(super) fn new(release: &Release, thread: usize) -> Self {
        let targets = &release.targets;
        let mut turn = Turn::new(targets.len());
        // Threads begin at different targets, or all would send their first request to the same.
        for _ in 0..thread % targets.len() {
            turn.next(|i| Some(i64::from(targets[i].weight)));
        }
        let hashes = matches!(release.spread.balance, Balance::ConsistentHash(_));
        let seed = |address: String| consistent_hash::hash(address.as_bytes());
        let seeds = targets.iter().filter(|_| hashes).map(|t| seed(t.address.to_string()));
        Self { turn: RefCell::new(turn), seeds: seeds.collect() }
    }

    /// The index of the target to go to: a usable one with room, another than `not` if there is one.
    /// When none is usable, all are tried: taking the last one out would help nobody. `None` if
    /// there is no room.
    fn pick(&self, release: &Release, hash: Option<u64>, not: Option<usize>) -> Option<usize> {
        let targets = &release.targets;
        let most = release.spread.max_requests;
        let room = |i: usize| most == 0 || targets[i].load() < most;
        let usable = |i: usize| targets[i].is_usable();
        let other = |i: usize| Some(i) != not;
        self.choose(release, hash, |i| other(i) && usable(i) && room(i))
            .or_else(|| not.and_then(|_| self.choose(release, hash, |i| usable(i) && room(i))))
            .or_else(|| {
                let none = !(0..targets.len()).any(usable);
                let others = || self.choose(release, hash, |i| other(i) && room(i));
                let all = || self.choose(release, hash, room);
                none.then(|| others().or_else(all)).flatten()
            })
    }

    /// The next of those that `may` be chosen.
    fn choose(
        &self,
        release: &Release,
        hash: Option<u64>,
        may: impl Fn(usize) -> bool,
    ) -> Option<usize> {
        let weights = release.weights();
        let weight = |i: usize| may(i).then(|| weights(i));
        let load = |i: usize| release.targets[i].load();
        let count = release.targets.len();
        match (&release.spread.balance, hash) {
            (Balance::LeastRequests, _) => {
                least_requests::choose(&mut self.turn.borrow_mut(), count, weight, load)
            }
            (Balance::TwoChoices, _) => two_choices::choose(count, weight, load),
            (Balance::ConsistentHash(_), Some(hash)) => {
                consistent_hash::choose(hash, &self.seeds, weight)
            }
            (Balance::RoundRobin | Balance::ConsistentHash(_), _) => {
                self.turn.borrow_mut().next(weight)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::route::Spread;
    use crate::route::release::tests::spread_over;

    fn of(balance: Balance, max_requests: u32) -> Spread {
        Spread { balance, max_requests, ..Spread::default() }
    }

    #[test]
    fn a_target_that_is_full_is_passed_over_and_when_all_are_nobody_is_chosen() {
        for balance in [Balance::RoundRobin, Balance::LeastRequests, Balance::TwoChoices] {
            let release = spread_over("a:1 b:1 c:1", of(balance.clone(), 2));
            let balancer = Balancer::new(&release, 0);
            let mut taken = [0; 3];
            for _ in 0..6 {
                let target = balancer.pick(&release, None, None).unwrap();
                assert!(release.enter(target));
                taken[target] += 1;
            }
            assert_eq!(taken, [2, 2, 2], "{balance:?}");
            assert_eq!(balancer.pick(&release, None, None), None, "{balance:?}");
            release.leave(1);
            assert_eq!(balancer.pick(&release, None, None), Some(1), "{balance:?}");
        }
    }

    #[test]
    fn requests_wait_for_a_usable_target_rather_than_go_to_one_that_is_not() {
        let release = spread_over("a:1 b:1", of(Balance::RoundRobin, 1));
        release.targets[1].set_usable(false);
        let balancer = Balancer::new(&release, 0);
        assert_eq!(balancer.pick(&release, None, None), Some(0));
        assert!(release.enter(0));
        assert_eq!(balancer.pick(&release, None, None), None);
        release.targets[0].set_usable(false);
        assert_eq!(balancer.pick(&release, None, None), Some(1), "none is usable: all are tried");
    }

    #[test]
    fn a_second_try_goes_to_another_target_if_there_is_one() {
        for balance in [Balance::RoundRobin, Balance::LeastRequests, Balance::TwoChoices] {
            let release = spread_over("a:1 b:1", of(balance, 0));
            let balancer = Balancer::new(&release, 0);
            assert!((0..9).all(|_| balancer.pick(&release, None, Some(0)) == Some(1)));
            release.targets[1].set_usable(false);
            assert_eq!(balancer.pick(&release, None, Some(0)), Some(0));
        }
    }

    #[test]
    fn a_target_that_starts_slowly_gets_less_than_its_share() {
        let slow_start = Some(std::time::Duration::from_hours(1));
        let release = spread_over("a:1 b:1", Spread { slow_start, ..Spread::default() });
        let balancer = Balancer::new(&release, 0);
        let to_second =
            |n: usize| (0..n).filter(|_| balancer.pick(&release, None, None) == Some(1)).count();
        assert_eq!(to_second(100), 50, "both begin together");
        release.targets[0].forget_slow_start();
        assert_eq!(to_second(110), 10, "a tenth of the other's weight");
    }
}
