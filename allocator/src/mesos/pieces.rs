//! A large answer, sent in pieces.
//!
//! A socket takes megabytes at once, and who copies them holds up all others on the same thread. After
//! each piece the others have their turn. Measured with 20 pollers of `/state` (docs/performance.md): 5 %
//! more answers a second, and nothing of the offers' latency that is more than noise.

use axum::body::{Body, Bytes, HttpBody};
use http_body::{Frame, SizeHint};
use std::{
    convert::Infallible,
    pin::Pin,
    task::{Context, Poll},
};

/// Some 10 us of copying.
const PIECE_BYTES: usize = 32 << 10;

/// The body of `text`.
pub(crate) fn body(text: Bytes) -> Body {
    if text.len() <= PIECE_BYTES {
        return Body::from(text);
    }
    Body::new(Pieces { rest: text, others_had_their_turn: true })
}

struct Pieces {
    rest: Bytes,
    others_had_their_turn: bool,
}

impl HttpBody for Pieces {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        if self.rest.is_empty() {
            return Poll::Ready(None);
        }
        if !std::mem::replace(&mut self.others_had_their_turn, false) {
            self.others_had_their_turn = true;
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        let size = PIECE_BYTES.min(self.rest.len());
        Poll::Ready(Some(Ok(Frame::data(self.rest.split_to(size)))))
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.rest.len() as u64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn all_of_it_comes_and_its_length_is_known() {
        for length in [0, 1, PIECE_BYTES, PIECE_BYTES + 1, 5 * PIECE_BYTES + 7] {
            let text: Bytes = (0..length).map(|at| (at % 251) as u8).collect();
            let body = body(text.clone());
            assert_eq!(body.size_hint().exact(), Some(length as u64));
            assert_eq!(axum::body::to_bytes(body, usize::MAX).await.unwrap(), text);
        }
    }
}
