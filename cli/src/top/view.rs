//! How the board looks.

use ratatui::Frame;
use ratatui::layout::{Alignment, Constraint, Layout, Rect};
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, Cell, Clear, Paragraph, Row, Sparkline, Table, TableState};

use super::board::{Board, Focus};
use super::keys::HELP;
use super::rows::{NODE_HEADINGS, NodeRow, Sort, TASK_HEADINGS, node_cells, task_cells};
use crate::amount;

/// Rows of the curves, their titles included.
const CURVE_ROWS: u16 = 5;
/// Borders and headings.
const NODE_FRAME_ROWS: u16 = 3;
/// Nodes take at most this many rows.
const MOST_NODE_ROWS: u16 = 12;

/// Draws everything.
pub(crate) fn draw(frame: &mut Frame<'_>, board: &Board, color: bool) {
    let node_rows = u16::try_from(board.look.nodes.len()).unwrap_or(u16::MAX);
    let [head, nodes, curves, tasks, foot] = Layout::vertical([
        Constraint::Length(2),
        Constraint::Length(node_rows.clamp(1, MOST_NODE_ROWS) + NODE_FRAME_ROWS),
        Constraint::Length(CURVE_ROWS),
        Constraint::Min(3),
        Constraint::Length(1),
    ])
    .areas(frame.area());
    let paint = Paint { color };
    frame.render_widget(heading(board, paint), head);
    draw_nodes(frame, nodes, board, paint);
    draw_curves(frame, curves, board, paint);
    draw_tasks(frame, tasks, board, paint);
    frame.render_widget(footer(board, paint), foot);
    if board.help {
        draw_help(frame);
    }
}

/// Colours, or none.
#[derive(Clone, Copy)]
struct Paint {
    color: bool,
}

impl Paint {
    fn fg(self, color: Color) -> Style {
        if self.color { Style::new().fg(color) } else { Style::new() }
    }

    fn border(self, focused: bool) -> Style {
        if focused { self.fg(Color::Cyan) } else { self.fg(Color::DarkGray) }
    }
}

fn heading(board: &Board, paint: Paint) -> Paragraph<'static> {
    let bold = Style::new().add_modifier(Modifier::BOLD);
    let held = match board.ledger.held_to_used_cpu {
        Some(ratio) => format!("held/used CPU {ratio:.2}"),
        None => "held/used CPU -".into(),
    };
    let summary = format!(
        "  {} nodes  {} tasks  {} wait for a place  {held}  step {}",
        board.look.nodes.len(),
        board.look.tasks.len(),
        board.waiting,
        board.look.step,
    );
    let first = Line::from(vec![Span::styled(board.address.clone(), bold), Span::raw(summary)]);
    let second = match (&board.trouble, board.warnings.as_slice()) {
        (Some(trouble), _) => Line::styled(format!("old figures: {trouble}"), paint.fg(Color::Red)),
        (None, []) => Line::raw(""),
        (None, [one]) => Line::styled(format!("warning: {one}"), paint.fg(Color::Yellow)),
        (None, [one, more @ ..]) => {
            let text = format!("warning: {one} (and {} more: headroom status)", more.len());
            Line::styled(text, paint.fg(Color::Yellow))
        }
    };
    Paragraph::new(vec![first, second])
}

fn draw_nodes(frame: &mut Frame<'_>, area: Rect, board: &Board, paint: Paint) {
    let cells: Vec<_> = board.look.nodes.iter().map(node_cells).collect();
    let widths = widths(&NODE_HEADINGS, &cells, 1);
    let rows = board
        .look
        .nodes
        .iter()
        .zip(cells)
        .map(|(row, cells)| Row::new(right_aligned(cells, 1)).style(node_style(row, paint)));
    let block =
        Block::bordered().title(" nodes ").border_style(paint.border(board.focus == Focus::Nodes));
    let table = Table::new(rows, widths).block(block);
    let table = table.header(header(&NODE_HEADINGS, 1)).row_highlight_style(selected());
    let mut state = TableState::new().with_selected(board.selected_node());
    frame.render_stateful_widget(table, area, &mut state);
}

fn node_style(row: &NodeRow, paint: Paint) -> Style {
    if !row.node.connected {
        paint.fg(Color::Red)
    } else if row.node.refusing_work.is_some()
        || row.node.revocable_quota_cpus.is_some()
        || row.node.standing != "active"
    {
        paint.fg(Color::Yellow)
    } else {
        Style::new()
    }
}

fn draw_tasks(frame: &mut Frame<'_>, area: Rect, board: &Board, paint: Paint) {
    let tasks = board.tasks();
    let cells: Vec<_> = tasks.iter().map(|task| task_cells(task)).collect();
    let widths = widths(&TASK_HEADINGS, &cells, 2);
    let rows = tasks.iter().zip(cells).map(|(task, cells)| {
        let throttled = task.throttled_ms.is_some_and(|ms| ms > 0.0);
        let style = match (throttled, task.revocable) {
            (true, _) => paint.fg(Color::Yellow),
            (false, true) => paint.fg(Color::Cyan),
            (false, false) => Style::new(),
        };
        Row::new(right_aligned(cells, 2)).style(style)
    });
    let shown = |row: &&NodeRow| Some(&row.node.agent_id) == board.only_node.as_ref();
    let node = board.look.nodes.iter().find(shown);
    let of = node.map_or_else(String::new, |row| format!(" of {}", row.node.hostname));
    let block = Block::bordered()
        .title(format!(" tasks{of} (~ on lent resources) "))
        .border_style(paint.border(board.focus == Focus::Tasks));
    let table = Table::new(rows, widths).block(block);
    let table = table.header(header(&TASK_HEADINGS, 2)).row_highlight_style(selected());
    let mut state = TableState::new().with_selected(board.selected_task());
    frame.render_stateful_widget(table, area, &mut state);
}

/// Names first, then figures that end below each other.
fn right_aligned<const N: usize>(cells: [String; N], names: usize) -> Vec<Cell<'static>> {
    let cells = cells.into_iter().enumerate();
    cells.map(|(column, text)| aligned(text, column < names)).collect()
}

fn aligned(text: String, left: bool) -> Cell<'static> {
    let side = if left { Alignment::Left } else { Alignment::Right };
    Cell::new(Line::raw(text).alignment(side))
}

fn header(headings: &[&str], names: usize) -> Row<'static> {
    let cells = headings.iter().enumerate();
    Row::new(cells.map(|(column, text)| aligned((*text).into(), column < names)))
        .style(Style::new().add_modifier(Modifier::BOLD))
}

/// Figures are as wide as their widest, names take the rest.
fn widths<const N: usize>(
    headings: &[&str; N],
    rows: &[[String; N]],
    names: usize,
) -> Vec<Constraint> {
    let width = |column: usize| {
        let cells = rows.iter().map(|row| row[column].chars().count());
        let widest = cells.max().unwrap_or(0).max(headings[column].len());
        match column < names {
            true => Constraint::Fill(1),
            false => Constraint::Length(u16::try_from(widest).unwrap_or(u16::MAX)),
        }
    };
    (0..N).map(width).collect()
}

fn selected() -> Style {
    Style::new().add_modifier(Modifier::REVERSED)
}

fn draw_curves(frame: &mut Frame<'_>, area: Rect, board: &Board, paint: Paint) {
    let (Some(row), Some(curves)) = (board.node(), board.curves()) else { return };
    let halves: [Rect; 2] =
        Layout::horizontal([Constraint::Percentage(50), Constraint::Percentage(50)]).areas(area);
    let node = &row.node;
    let used = amount::measured(node.used.cpus, amount::cpus);
    let requested = amount::cpus(node.requested.cpus + node.lent.cpus);
    let sides = [
        (format!(" {}: CPUs used {used} ", node.hostname), &curves.used, Color::Green),
        (format!(" requested and lent {requested} "), &curves.requested, Color::Blue),
    ];
    for ((title, curve, color), half) in sides.into_iter().zip(halves) {
        let room = usize::from(half.width.saturating_sub(2));
        let newest = curve.iter().skip(curve.len().saturating_sub(room)).copied();
        let sparkline = Sparkline::default()
            .data(newest.collect::<Vec<Option<u64>>>())
            .max(curves.total.max(1))
            .absent_value_symbol("·")
            .style(paint.fg(color))
            .block(Block::bordered().title(title).border_style(paint.border(false)));
        frame.render_widget(sparkline, half);
    }
}

fn footer(board: &Board, paint: Paint) -> Paragraph<'static> {
    let by = match board.sort {
        Sort::Name => "name",
        Sort::Cpu => "CPU used",
        Sort::Memory => "memory used",
        Sort::Wait => "waiting",
        Sort::Throttled => "time throttled",
    };
    let order = if board.reverse { ", reversed" } else { "" };
    let text = format!("sorted by {by}{order}   q quit  Tab list  c m w t n sort  ? help");
    Paragraph::new(Line::styled(text, paint.fg(Color::DarkGray)))
}

fn draw_help(frame: &mut Frame<'_>) {
    let area = frame.area();
    let lines: Vec<Line<'_>> =
        HELP.iter().map(|(keys, what)| Line::raw(format!(" {keys:<16} {what}"))).collect();
    let height = u16::try_from(lines.len() + 2).unwrap_or(area.height).min(area.height);
    let width = 76.min(area.width);
    let popup = Rect {
        x: area.x + (area.width - width) / 2,
        y: area.y + (area.height - height) / 2,
        width,
        height,
    };
    frame.render_widget(Clear, popup);
    frame.render_widget(Paragraph::new(lines).block(Block::bordered().title(" keys ")), popup);
}

#[cfg(test)]
mod tests {
    use super::super::rows::tests::cluster;
    use super::*;
    use ratatui::Terminal;
    use ratatui::backend::TestBackend;

    fn drawn(board: &Board, width: u16, height: u16) -> String {
        let mut terminal = Terminal::new(TestBackend::new(width, height)).expect("a terminal");
        terminal.draw(|frame| draw(frame, board, true)).expect("drawn");
        terminal.backend().to_string()
    }

    #[test]
    fn nodes_tasks_and_curves_are_there() {
        let board = Board::new("http://a:1".into(), cluster());
        let screen = drawn(&board, 130, 30);
        for part in ["node-a", "node-b", "busy", "~lent", "CPUs used 1.5", "THR", "http://a:1"] {
            assert!(screen.contains(part), "no {part:?} in\n{screen}");
        }
        assert!(!screen.contains("gone"), "{screen}");
    }

    #[test]
    fn trouble_and_help_are_shown() {
        let mut board = Board::new("http://a:1".into(), cluster());
        board.trouble = Some("no allocator answers".into());
        board.help = true;
        let screen = drawn(&board, 100, 30);
        assert!(screen.contains("old figures: no allocator answers"), "{screen}");
        assert!(screen.contains("turn the order round"), "{screen}");
    }

    #[test]
    fn any_size_of_terminal_will_do() {
        let mut board = Board::new("http://a:1".into(), cluster());
        board.help = true;
        for (width, height) in [(1, 1), (5, 3), (20, 8), (300, 100)] {
            drawn(&board, width, height);
        }
    }
}
