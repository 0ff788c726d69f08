//! One stream's way out of the driver: a bounded queue of effects, and why it ended.

use headroom_core::effect::Effect;
use std::task::{Context, Poll};
use thiserror::Error;
use tokio::sync::{
    mpsc::{self, error::TrySendError},
    watch,
};

/// Why a stream ended.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum Ended {
    /// A newer one of the same agent or framework stands.
    #[error("a newer stream took its place")]
    Replaced,
    /// Its reader did not keep up.
    #[error("more than {0} messages waited for it to be read; read faster and subscribe again")]
    TooSlow(usize),
    /// The core ended it; the last message said why.
    #[error("ended")]
    Told,
    /// The allocator is shutting down.
    #[error("the allocator is shutting down; connect again in a few seconds")]
    Stopping,
}

/// The driver's end.
#[derive(Debug)]
pub(crate) struct Outlet {
    effects: mpsc::Sender<Effect>,
    ended: watch::Sender<Option<Ended>>,
}

/// The reader's end.
#[derive(Debug)]
pub struct Feed {
    effects: mpsc::Receiver<Effect>,
    ended: watch::Receiver<Option<Ended>>,
}

pub(crate) fn channel(bound: usize) -> (Outlet, Feed) {
    let (effects, queue) = mpsc::channel(bound);
    let (ended, why) = watch::channel(None);
    (Outlet { effects, ended }, Feed { effects: queue, ended: why })
}

impl Outlet {
    /// False: nobody reads, or the queue is full; the outlet has to go.
    pub(crate) fn push(&self, effect: Effect) -> bool {
        match self.effects.try_send(effect) {
            Ok(()) => true,
            Err(TrySendError::Closed(_)) => false,
            Err(TrySendError::Full(_)) => {
                self.ended.send_replace(Some(Ended::TooSlow(self.effects.max_capacity())));
                false
            }
        }
    }

    pub(crate) fn is_unread(&self) -> bool {
        self.effects.is_closed()
    }

    pub(crate) fn end(self, why: Ended) {
        self.ended.send_replace(Some(why));
    }
}

impl Feed {
    /// The next effect; `None` after the last.
    pub fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<Option<Effect>> {
        self.effects.poll_recv(context)
    }

    /// Why it ended, once it has.
    #[must_use]
    pub fn ended(&self) -> Option<Ended> {
        self.ended.borrow().clone()
    }

    /// Tells others when the stream ends.
    #[must_use]
    pub fn watch(&self) -> watch::Receiver<Option<Ended>> {
        self.ended.clone()
    }
}
