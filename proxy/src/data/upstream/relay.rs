//! Who is woken when a connection to a target can go on.

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Wake, Waker};

/// Wakes the task that waits for a connection, while it waits.
///
/// The two halves of hyper's connection wake each other for everything that one hands to the other. Both
/// are polled by one task here, which would be woken by itself, once or twice a request and to no end;
/// and one that takes a kept connection would wake the task that used it before. Nothing of this
/// leaves its thread: what is atomic is so because a `Waker` must be.
#[derive(Debug, Default)]
pub(super) struct Relay {
    waits: AtomicBool,
    task: Mutex<Option<Waker>>,
}

impl Relay {
    /// From now on `task` is woken.
    pub(super) fn listen(&self, task: &Waker) {
        let mut known = self.task.lock().unwrap_or_else(PoisonError::into_inner);
        if !known.as_ref().is_some_and(|known| known.will_wake(task)) {
            *known = Some(task.clone());
        }
        self.waits.store(true, Relaxed);
    }

    /// From now on nobody is woken.
    pub(super) fn hush(&self) {
        self.waits.store(false, Relaxed);
    }
}

impl Wake for Relay {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if self.waits.load(Relaxed)
            && let Some(task) = &*self.task.lock().unwrap_or_else(PoisonError::into_inner)
        {
            task.wake_by_ref();
        }
    }
}
