//! The clock of a fixed rate. tokio's timers are exact to a millisecond, which would be most of what
//! is measured; the kernel's are exact to some microseconds.

use std::cell::Cell;
use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create,
    timerfd_settime,
};
use tokio::sync::Semaphore;

/// Gives out a fixed number of turns a second, each with the moment at which it was due.
#[derive(Debug)]
pub(crate) struct Pace {
    interval: Duration,
    turns: u64,
    began: Instant,
    taken: Cell<u64>,
    due: Arc<Semaphore>,
}

impl Pace {
    /// `rate` turns a second for `time`, from now on. A thread waits for each, since a runtime can
    /// wait for the kernel's timers only by unsafe code.
    pub(crate) fn begin(rate: f64, time: Duration) -> io::Result<Self> {
        let interval = Duration::from_secs_f64(1.0 / rate);
        let turns = time.as_nanos() / interval.as_nanos().max(1);
        let turns = u64::try_from(turns).map_err(io::Error::other)?;
        let due = Arc::new(Semaphore::new(0));
        let pace = Self { interval, turns, began: Instant::now(), taken: Cell::new(0), due };
        let (timer, due) = (timer(interval)?, Arc::clone(&pace.due));
        std::thread::spawn(move || Self::run(&due, &timer, turns));
        Ok(pace)
    }

    /// All turns there will be.
    pub(crate) fn turns(&self) -> u64 {
        self.turns
    }

    /// Waits for the next turn and says when it was due; `None` if there are no more. Turns that
    /// nobody took in time are not lost: they are due since.
    pub(crate) async fn turn(&self) -> Option<Instant> {
        let turn = self.taken.get();
        if turn == self.turns {
            return None;
        }
        self.taken.set(turn + 1);
        self.due.acquire().await.ok()?.forget();
        let since = self.interval.as_nanos() * (u128::from(turn) + 1);
        Some(self.began + Duration::from_nanos(u64::try_from(since).ok()?))
    }

    /// Makes turns due, until all are.
    fn run(due: &Semaphore, timer: &OwnedFd, mut left: u64) -> io::Result<()> {
        while left > 0 {
            let mut count = [0; 8];
            rustix::io::read(timer, &mut count)?;
            let passed = u64::from_ne_bytes(count).min(left);
            left -= passed;
            due.add_permits(usize::try_from(passed).unwrap_or_default());
        }
        Ok(())
    }
}

/// A timer whose reads wait for the next moment and tell how many have passed.
fn timer(interval: Duration) -> io::Result<OwnedFd> {
    let timer = timerfd_create(TimerfdClockId::Monotonic, TimerfdFlags::CLOEXEC)?;
    let every = Timespec {
        tv_sec: interval.as_secs().cast_signed(),
        tv_nsec: interval.subsec_nanos().into(),
    };
    let setting = Itimerspec { it_interval: every, it_value: every };
    timerfd_settime(&timer, TimerfdTimerFlags::empty(), &setting)?;
    Ok(timer)
}
