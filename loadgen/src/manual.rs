//! Manual pages and shell completions, made from the definition of the command line when they are asked for: what is not
//! kept cannot be out of date.

use std::fs;
use std::io::{self, Write};
use std::path::PathBuf;

use clap::{Args, CommandFactory};
use clap_complete::Shell;

use crate::args::Cli;

/// What `loadgen completions --help` ends with.
pub const COMPLETIONS: &str = "\
Examples:
  loadgen completions bash > ~/.local/share/bash-completion/completions/loadgen
  loadgen completions zsh > ~/.zfunc/_loadgen
  loadgen completions fish > ~/.config/fish/completions/loadgen.fish";

/// What `loadgen man --help` ends with.
pub const PAGES: &str = "\
Examples:
  loadgen man | man -l -                             read it
  loadgen man --out ~/.local/share/man/man1          loadgen.1, loadgen-compare.1 and so on: then `man loadgen-compare`";

/// For which shell.
#[derive(Args, Clone, Debug)]
pub struct CompletionsArgs {
    /// The shell
    #[arg(value_enum)]
    pub shell: Shell,
}

/// Where to.
#[derive(Args, Clone, Debug)]
pub struct ManArgs {
    /// Write a page for each verb into this folder, which is made if need be
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
}

/// Prints a shell's completions.
///
/// # Errors
/// What the operating system says.
pub fn completions(args: &CompletionsArgs) -> io::Result<()> {
    let mut text = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "loadgen", &mut text);
    io::stdout().write_all(&text)
}

/// Prints the page of the whole program, or writes all pages.
///
/// # Errors
/// What the operating system says.
pub fn pages(args: &ManArgs) -> io::Result<()> {
    let Some(folder) = &args.out else {
        let mut text = Vec::new();
        clap_mangen::Man::new(Cli::command()).render(&mut text)?;
        return io::stdout().write_all(&text);
    };
    fs::create_dir_all(folder)?;
    clap_mangen::generate_to(Cli::command(), folder)
}
