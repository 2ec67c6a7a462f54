//! Runs the calls bench and those of others one after the other, prints their figures side by side, and draws them.

mod page;
mod runs;
mod text;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;

use crate::runs::{Program, Sweep};

/// Compares programs that take `--calls N --seconds S --core C --json` and answer as `calls` does.
#[derive(Debug, Parser)]
struct Arguments {
    /// A program and its name, `NAME=PATH`; the first is ours, which the others are measured against.
    #[arg(long = "program", required = true, value_parser = Program::parse)]
    programs: Vec<Program>,
    /// Ends of calls, one run of each program for each.
    #[arg(
        long,
        value_delimiter = ',',
        default_value = "10,100,500,1000,1500,2000,3000"
    )]
    ends: Vec<u32>,
    /// Seconds of media that each run measures.
    #[arg(long, default_value_t = 10)]
    seconds: u32,
    /// The core that each run stays on.
    #[arg(long, default_value_t = 0)]
    core: usize,
    /// Where the page goes.
    #[arg(long)]
    html: Option<PathBuf>,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let sweep = Sweep::run(
        &arguments.programs,
        &arguments.ends,
        arguments.seconds,
        arguments.core,
    );
    text::show(&sweep);
    if let Some(path) = &arguments.html
        && let Err(error) = std::fs::write(path, page::page(&sweep))
    {
        text::complain(&format!("cannot write {}: {error}", path.display()));
        return ExitCode::FAILURE;
    }
    if sweep.failed() {
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}
