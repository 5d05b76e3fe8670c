//! Manual pages and completions name every verb and every flag, because they are made from what the program takes.

mod program;

use std::fs;

use clap::CommandFactory;
use fanfare_loadgen::args::Cli;
use program::{PASS, output, refused, scratch};

fn printed(arguments: &str) -> String {
    let (code, text, complaint) = output(arguments);
    assert_eq!(code, PASS, "{arguments}: {complaint}");
    text
}

/// Verbs, and verbs of verbs, each with the words that lead to it and its long flags. The program itself comes first, with no
/// words.
fn flags() -> Vec<(Vec<String>, Vec<String>)> {
    let mut found = Vec::new();
    walk(&Cli::command(), &[], &mut found);
    found
}

fn walk(command: &clap::Command, words: &[String], found: &mut Vec<(Vec<String>, Vec<String>)>) {
    let shown = command.get_arguments().filter(|flag| !flag.is_hide_set());
    found.push((words.to_vec(), shown.filter_map(|flag| flag.get_long()).map(str::to_owned).collect()));
    for verb in command.get_subcommands() {
        walk(verb, &[words, &[verb.get_name().to_owned()]].concat(), found);
    }
}

#[test]
fn verbs_of_verbs_are_visited() {
    let verbs = flags();
    let has = |words: &[&str]| verbs.iter().any(|(found, _)| found == words);
    assert!(has(&[]) && has(&["run"]) && has(&["trace", "draw"]), "{verbs:?}");
}

#[test]
fn completions_of_each_shell_name_every_flag() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let text = printed(&format!("completions {shell}"));
        // Flags stand in dozens of forms, and always between what is no part of a name.
        let names: std::collections::BTreeSet<&str> =
            text.split(|letter: char| !letter.is_alphanumeric() && letter != '-' && letter != '_').collect();
        for (words, flags) in flags() {
            if let Some(verb) = words.last() {
                assert!(names.contains(verb.as_str()), "{shell}: {words:?}");
            }
            for flag in flags {
                // Fish writes `-l flag`.
                let is_named = names.contains(format!("--{flag}").as_str())
                    || shell == "fish" && text.contains(&format!("-l {flag} "));
                assert!(is_named, "{shell}: {words:?} --{flag}");
            }
        }
    }
}

#[test]
fn each_verb_has_a_page_that_names_every_flag() {
    let folder = scratch("man");
    printed(&format!("man --out {}", folder.display()));
    for (words, flags) in flags() {
        let name = ["loadgen".to_owned()].into_iter().chain(words.iter().cloned()).collect::<Vec<_>>().join("-") + ".1";
        // Roff writes a dash that is one as `\-`.
        let page = fs::read_to_string(folder.join(&name)).unwrap().replace("\\-", "-");
        for flag in flags {
            assert!(page.contains(&format!("--{flag}")), "{name}: --{flag}");
        }
        // Those of verbs of verbs are on the page of the verb.
        assert!(words.len() > 1 || page.contains("Examples:"), "{name} has no examples");
    }
    fs::remove_dir_all(folder).unwrap();
    assert!(printed("man").contains(".TH loadgen 1"));
}

#[test]
fn an_unknown_shell_is_refused() {
    refused("completions tcl", &["bash"]);
}
