//! The terminal: taken over for the live view, and given back whatever happens.

use crossterm::event::EventStream;
use headroom_proto::v1::Cluster;
use ratatui::DefaultTerminal;
use tokio::sync::mpsc;
use tokio_stream::StreamExt;

use super::board::Board;
use super::{keys, view};
use crate::failure::Failure;
use crate::signals::Signals;

/// A terminal in raw mode. ratatui's own panic hook gives it back on a panic.
struct Screen {
    terminal: DefaultTerminal,
}

impl Screen {
    fn take() -> Result<Self, Failure> {
        let taken = ratatui::try_init();
        let terminal = taken.map_err(|source| {
            // It may have come half the way.
            ratatui::restore();
            Failure::Io { action: "cannot take over the terminal", source }
        })?;
        Ok(Screen { terminal })
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        ratatui::restore();
    }
}

/// Shows the board until the end is asked for.
pub(crate) async fn show(
    mut board: Board,
    looks: &mut mpsc::Receiver<Result<Cluster, Failure>>,
    color: bool,
) -> Result<(), Failure> {
    let (mut signals, _) = Signals::listen()?;
    let mut screen = Screen::take()?;
    let mut events = EventStream::new();
    loop {
        let drawn = screen.terminal.draw(|frame| view::draw(frame, &board, color));
        drawn.map_err(|source| Failure::Io { action: "cannot draw", source })?;
        tokio::select! {
            event = events.next() => match event {
                Some(Ok(event)) => {
                    if keys::press(&mut board, &event) {
                        return Ok(());
                    }
                }
                Some(Err(source)) => {
                    return Err(Failure::Io { action: "cannot read the keyboard", source });
                }
                None => return Ok(()),
            },
            Some(look) = looks.recv() => board.take(look),
            _ = signals.next() => return Ok(()),
        }
    }
}
