use std::ffi::OsStr;
use std::path::Path;
use std::process::ExitCode;

use headroom_agent::supervisor;

fn main() -> ExitCode {
    let mut args = std::env::args_os().skip(1);
    // Before anything else: a supervisor forks, and must have no runtime.
    if args.next().as_deref() == Some(OsStr::new(supervisor::SUBCOMMAND))
        && let Some(dir) = args.next()
    {
        return supervisor::run(Path::new(&dir));
    }
    ExitCode::SUCCESS
}
