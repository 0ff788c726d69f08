//! One framework's events as records of a response that does not end.

use super::{
    event::{self, Teller},
    sessions::{Sessions, Stream},
};
use crate::{
    driver::{Driver, Ended, Feed},
    mesos::http::Format,
};
use axum::body::Bytes;
use headroom_core::command::Command;
use headroom_proto::mesos::{recordio, v1::scheduler::Event};
use std::{
    collections::VecDeque,
    convert::Infallible,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};
use tokio::time::{Instant, Interval, MissedTickBehavior, interval_at};

/// How often something comes, if nothing else does (Mesos: 15 s).
pub(super) const HEARTBEAT: Duration = Duration::from_secs(15);

/// The body of a SUBSCRIBE's answer, one record a piece: some clients take a piece for a record.
/// Dropping it, whoever does, tells the core that the stream broke.
pub(super) struct Records {
    feed: Feed,
    waiting: VecDeque<Event>,
    heartbeat: Interval,
    over: bool,
    format: Format,
    teller: Teller,
    stream: Stream,
    sessions: Sessions,
    driver: Driver,
}

impl Records {
    pub(super) fn new(
        feed: Feed,
        format: Format,
        teller: Teller,
        stream: Stream,
        sessions: Sessions,
        driver: Driver,
    ) -> Self {
        let mut heartbeat = interval_at(Instant::now() + HEARTBEAT, HEARTBEAT);
        heartbeat.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let waiting = VecDeque::new();
        let over = false;
        Self { feed, waiting, heartbeat, over, format, teller, stream, sessions, driver }
    }
}

/// One event as a record.
pub(super) fn record(format: Format, event: &Event) -> Bytes {
    recordio::encode(&format.write(event)).into()
}

impl tokio_stream::Stream for Records {
    type Item = Result<Bytes, Infallible>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        loop {
            if let Some(event) = self.waiting.pop_front() {
                return Poll::Ready(Some(Ok(record(self.format, &event))));
            }
            if self.over {
                return Poll::Ready(None);
            }
            match self.feed.poll_next(context) {
                Poll::Ready(Some(effect)) => {
                    let events = self.teller.events(effect);
                    self.waiting.extend(events);
                }
                Poll::Ready(None) => {
                    self.over = true;
                    // Said before, or the allocator is going: its clients look for the next one.
                    if let Some(why @ (Ended::TooSlow(_) | Ended::Replaced)) = self.feed.ended() {
                        self.waiting.push_back(event::error(&why.to_string()));
                    }
                }
                Poll::Pending => {
                    std::task::ready!(self.heartbeat.poll_tick(context));
                    self.waiting.push_back(event::heartbeat());
                }
            }
        }
    }
}

impl Drop for Records {
    fn drop(&mut self) {
        self.sessions.leave(self.stream);
        let (driver, caller) = (self.driver.clone(), self.stream.caller);
        // Without a runtime the whole allocator is going, and nobody asks any more.
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(async move { driver.tell(Command::FrameworkGone(caller)).await });
        }
    }
}
