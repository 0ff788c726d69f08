//! What each key does.

use crossterm::event::{Event, KeyCode, KeyEvent, KeyEventKind, KeyModifiers};

use super::board::{Board, Focus};
use super::rows::Sort;

/// A page for PageUp and PageDown.
const PAGE: isize = 10;

/// Shown by `?`.
pub(crate) const HELP: &[(&str, &str)] = &[
    ("q, Esc, Ctrl-C", "quit"),
    ("Up Down, k j", "select"),
    ("PageUp PageDown", "select further on"),
    ("Tab", "change between nodes and tasks"),
    ("Enter", "only the selected node's tasks, or all again"),
    ("c", "sort by CPU used"),
    ("m", "sort by memory used"),
    ("w", "sort by waiting"),
    ("t", "sort by time throttled"),
    ("n", "sort by name"),
    ("r", "turn the order round"),
    ("?", "this help"),
    ("", ""),
    ("REQ LENT", "requested by guaranteed tasks, held on lent resources"),
    ("USED FCST", "measured, and the forecast peak"),
    ("WAIT P99", "ms waited for a CPU in the last step; worst of a hundred"),
    ("THR", "ms stopped by a CPU quota in the last step"),
    ("-", "could not be measured"),
];

/// Changes the board; true: the end is wanted.
pub(crate) fn press(board: &mut Board, event: &Event) -> bool {
    let Event::Key(KeyEvent { code, modifiers, kind, .. }) = event else { return false };
    if *kind == KeyEventKind::Release {
        return false;
    }
    if modifiers.contains(KeyModifiers::CONTROL) {
        return matches!(code, KeyCode::Char('c' | 'd'));
    }
    if board.help {
        board.help = false;
        return matches!(code, KeyCode::Char('q'));
    }
    match code {
        KeyCode::Char('q') | KeyCode::Esc => return true,
        KeyCode::Char('?' | 'h') => board.help = true,
        KeyCode::Up | KeyCode::Char('k') => board.step(-1),
        KeyCode::Down | KeyCode::Char('j') => board.step(1),
        KeyCode::PageUp => board.step(-PAGE),
        KeyCode::PageDown => board.step(PAGE),
        KeyCode::Home => board.step(isize::MIN),
        KeyCode::End => board.step(isize::MAX),
        KeyCode::Tab | KeyCode::BackTab => board.focus = other(board.focus),
        KeyCode::Enter => board.toggle_node(),
        KeyCode::Char('c') => sort(board, Sort::Cpu),
        KeyCode::Char('m') => sort(board, Sort::Memory),
        KeyCode::Char('w') => sort(board, Sort::Wait),
        KeyCode::Char('t') => sort(board, Sort::Throttled),
        KeyCode::Char('n') => sort(board, Sort::Name),
        KeyCode::Char('r') => {
            board.reverse = !board.reverse;
            board.arrange();
        }
        _ => {}
    }
    false
}

fn sort(board: &mut Board, by: Sort) {
    board.sort = by;
    board.reverse = false;
    board.arrange();
}

fn other(focus: Focus) -> Focus {
    match focus {
        Focus::Nodes => Focus::Tasks,
        Focus::Tasks => Focus::Nodes,
    }
}

#[cfg(test)]
mod tests {
    use super::super::rows::tests::cluster;
    use super::*;

    fn press_char(board: &mut Board, key: char) -> bool {
        press(board, &Event::Key(KeyEvent::new(KeyCode::Char(key), KeyModifiers::NONE)))
    }

    #[test]
    fn keys_quit_sort_and_help() {
        let mut board = Board::new("http://a:1".into(), cluster());
        assert!(!press_char(&mut board, 'w'));
        assert_eq!(board.sort, Sort::Wait);
        assert!(!press_char(&mut board, 'r') && board.reverse);
        assert!(!press_char(&mut board, '?') && board.help);
        assert!(!press_char(&mut board, 'x') && !board.help);
        assert!(press_char(&mut board, 'q'));
        let control_c = KeyEvent::new(KeyCode::Char('c'), KeyModifiers::CONTROL);
        assert!(press(&mut board, &Event::Key(control_c)));
    }

    #[test]
    fn home_and_end_stay_in_the_list() {
        let mut board = Board::new("http://a:1".into(), cluster());
        for code in [KeyCode::End, KeyCode::End, KeyCode::Home, KeyCode::Home, KeyCode::PageDown] {
            assert!(!press(&mut board, &Event::Key(KeyEvent::new(code, KeyModifiers::NONE))));
            assert!(board.selected_node().is_some());
        }
    }
}
