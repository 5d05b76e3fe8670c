//! Manual pages and completions name every verb and every flag, because they are made from what the program takes.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use clap::CommandFactory;
use fanfare_loadgen::args::Cli;

fn printed(arguments: &[&str]) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_loadgen")).args(arguments).output().unwrap();
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// Verbs with their long flags; the program itself has no name.
fn flags() -> Vec<(String, Vec<String>)> {
    let flags = |command: &clap::Command| -> Vec<String> {
        command
            .get_arguments()
            .filter(|flag| !flag.is_hide_set())
            .filter_map(|flag| flag.get_long())
            .map(str::to_owned)
            .collect()
    };
    let program = Cli::command();
    let verbs = program.get_subcommands().map(|verb| (verb.get_name().to_owned(), flags(verb)));
    std::iter::once((String::new(), flags(&program))).chain(verbs).collect()
}

#[test]
fn completions_of_each_shell_name_every_flag() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let text = printed(&["completions", shell]);
        for (verb, flags) in flags() {
            assert!(text.contains(&verb), "{shell}: {verb}");
            for flag in flags {
                // Fish writes `-l flag`.
                let named = [format!("--{flag}"), format!("-l {flag}")].iter().any(|form| text.contains(form));
                assert!(named, "{shell}: {verb} --{flag}");
            }
        }
    }
}

#[test]
fn each_verb_has_a_page_that_names_every_flag() {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("{}-man", std::process::id()));
    printed(&["man", "--out", &folder.display().to_string()]);
    let verbs = flags();
    assert!(verbs.len() >= 7, "{verbs:?}");
    for (verb, flags) in verbs {
        let name = if verb.is_empty() { "loadgen.1".to_owned() } else { format!("loadgen-{verb}.1") };
        // Roff writes a dash that is one as `\-`.
        let page = fs::read_to_string(folder.join(&name)).unwrap().replace("\\-", "-");
        for flag in flags {
            assert!(page.contains(&format!("--{flag}")), "{name}: --{flag}");
        }
        let teaches = name == "loadgen.1" || page.contains("Examples:");
        assert!(teaches, "{name} has no examples");
    }
    fs::remove_dir_all(folder).unwrap();
    assert!(printed(&["man"]).contains(".TH loadgen 1"));
}

#[test]
fn an_unknown_shell_is_refused() {
    let output = Command::new(env!("CARGO_BIN_EXE_loadgen")).args(["completions", "tcl"]).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("bash"));
}
