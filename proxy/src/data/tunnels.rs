//! The tunnels of a thread, and when each of them is to end.
//!
//! A tunnel whose release gets no new requests any more is asked to end at a moment of its own,
//! spread over the release's drain time: a thousand clients that are told to come back do not all
//! come back at once. What is left at the end of that time is cut.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::task::Context;
use std::time::Duration;

use slab::Slab;

use super::clock::{Clock, Moment};
use super::deadline::Deadline;
use super::exchange::Exchange;
use super::local::Local;
use super::tunnel::{Guard, Order};

/// How long a client that was told of the end may take to answer.
const FAREWELL: Duration = Duration::from_secs(5);

/// One tunnel's orders.
#[derive(Debug)]
pub(super) struct Tunnel {
    exchange: Rc<Exchange>,
    /// Until when it may be idle.
    deadline: Rc<Deadline>,
    /// When to ask it to end, and when to cut it; set once it is to end.
    leaves: Cell<Option<(Moment, Moment)>>,
    clock: Rc<Clock>,
}

/// The tunnels of a thread.
#[derive(Debug, Default)]
pub(super) struct Tunnels(RefCell<Slab<Rc<Tunnel>>>);

/// A tunnel's place among its thread's; given up when dropped.
#[derive(Debug)]
pub(super) struct Open<'a> {
    tunnel: Rc<Tunnel>,
    key: usize,
    all: &'a Tunnels,
}

impl Tunnels {
    /// A tunnel that begins now.
    pub(super) fn open(
        &self,
        exchange: &Rc<Exchange>,
        deadline: &Rc<Deadline>,
        clock: &Rc<Clock>,
    ) -> Open<'_> {
        let tunnel = Rc::new(Tunnel {
            exchange: Rc::clone(exchange),
            deadline: Rc::clone(deadline),
            leaves: Cell::new(None),
            clock: Rc::clone(clock),
        });
        let key = self.0.borrow_mut().insert(Rc::clone(&tunnel));
        Open { tunnel, key, all: self }
    }

    /// Gives every tunnel its orders. `leaving` is how long there is until the thread ends, once it
    /// is to.
    pub(super) fn tick(&self, local: &Local, leaving: Option<Duration>) {
        let now = local.clock.now();
        for (_, tunnel) in self.0.borrow().iter() {
            let within = match leaving {
                Some(grace) => Some(grace.mul_f32(0.5)),
                None => tunnel.exchange.is_left().then(|| tunnel.drain()),
            };
            tunnel.leave_within(within);
            if tunnel.leaves.get().is_some_and(|(ask, _)| now >= ask) {
                // Its task is the one that its deadline wakes.
                tunnel.deadline.wake();
            }
        }
    }
}

impl Tunnel {
    /// How long its release is given to let go of it.
    fn drain(&self) -> Duration {
        self.exchange.release().release.limits.drain
    }

    /// Is to end within `within`, or is not any more: an undo has brought its release back.
    fn leave_within(&self, within: Option<Duration>) {
        match (within, self.leaves.get()) {
            (Some(within), None) => {
                let moment = self.clock.after(within.mul_f32(fastrand::f32()));
                self.leaves.set(Some((moment, self.clock.after(within + FAREWELL))));
            }
            (None, Some((ask, _))) if self.clock.now() < ask => self.leaves.set(None),
            _ => {}
        }
    }
}

impl Drop for Open<'_> {
    fn drop(&mut self) {
        self.all.0.borrow_mut().remove(self.key);
    }
}

impl Guard for Open<'_> {
    fn order(&self, cx: &mut Context<'_>) -> Order {
        self.tunnel.deadline.remember(cx.waker());
        let now = self.tunnel.clock.now();
        match self.tunnel.leaves.get() {
            Some((_, cut)) if now >= cut => Order::Cut,
            Some((ask, _)) if now >= ask => Order::Drain,
            _ => Order::GoOn,
        }
    }

    fn is_overdue(&self) -> bool {
        self.tunnel.deadline.is_over()
    }

    fn moved(&self) {
        let limits = &self.tunnel.exchange.release().release.limits;
        self.tunnel.deadline.allow(limits.tunnel);
    }

    fn closing(&self) {
        self.tunnel.deadline.allow(FAREWELL);
    }
}
