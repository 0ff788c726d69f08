use clap::Parser;
use headroom_sim::schedule::*;
#[derive(Parser)]
struct Line {
    #[command(flatten)]
    a: Arguments,
    #[arg(long)]
    json: bool,
}
fn main() {
    let l = Line::parse();
    let mut out = std::io::stdout();
    if let Err(e) = run(&l.a, &mut Surroundings { out: &mut out, json: l.json, progress: false }) {
        eprintln!("{e}")
    }
}
