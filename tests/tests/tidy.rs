//! What a machine can check of the house's order: file lengths, layers, the core's purity, the folder map.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

const LINES_MAX: usize = 700;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_path_buf()
}

fn files(folder: &Path, ending: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_path_buf()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            if path.is_dir() {
                if !name.starts_with('.') && name != "target" {
                    folders.push(path);
                }
            } else if name.ends_with(ending) {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

fn sources() -> Vec<(String, String)> {
    let root = root();
    let named = files(&root, ".rs").into_iter().map(|path| {
        let text = fs::read_to_string(&path).unwrap();
        (path.strip_prefix(&root).unwrap().to_string_lossy().into_owned(), text)
    });
    named.collect()
}

#[test]
fn no_file_is_longer_than_700_lines() {
    for (name, text) in sources() {
        assert!(text.lines().count() <= LINES_MAX, "{name} has {} lines: a second idea moved in", text.lines().count());
    }
}

#[test]
fn every_file_says_what_it_is() {
    for (name, text) in sources() {
        assert!(text.starts_with("//!"), "{name} has no header");
    }
}

#[test]
fn the_core_has_no_clock_no_thread_no_input_and_output_and_nothing_unsafe() {
    let core: Vec<_> = sources().into_iter().filter(|(name, _)| name.starts_with("engine/core/src")).collect();
    let (_, lib) = core.iter().find(|(name, _)| name.ends_with("core/src/lib.rs")).unwrap();
    assert!(lib.contains("#![no_std]") && lib.contains("#![forbid(unsafe_code)]"));
    for (name, text) in &core {
        for banned in ["std::", "extern crate std", "Instant", "SystemTime", "thread::", "println!"] {
            // `core::` and `alloc::` are what the core lives on; `std::` would be found inside no word of theirs.
            let uses =
                text.lines().filter(|line| !line.trim_start().starts_with("//")).any(|line| line.contains(banned));
            assert!(!uses, "{name} uses {banned}");
        }
    }
}

#[test]
fn layers_know_only_those_below_them() {
    // From the design, lowest first. A file may name what is listed before its own layer, and its own.
    let rules: [(&str, &[&str]); 7] = [
        ("engine/core/src/shard/", &["crate::presence"]),
        ("engine/core/src/status/", &["crate::shard", "crate::presence"]),
        ("engine/core/src/guard.rs", &["crate::shard", "crate::presence"]),
        ("engine/core/src/store/", &["crate::shard", "crate::presence", "crate::limits"]),
        ("engine/core/src/id.rs", &["crate::shard", "crate::store", "crate::document"]),
        ("engine/src/mesh/", &["crate::runtime", "crate::handle"]),
        ("loadgen/src/trace/", &["use crate::args", "use crate::settings", "use crate::plan", "use crate::report"]),
    ];
    for (name, text) in sources() {
        for (folder, banned) in rules {
            for banned in banned.iter().filter(|_| name.starts_with(folder)) {
                assert!(!text.contains(banned), "{name} looks up to {banned}");
            }
        }
    }
}

#[test]
fn unsafe_stands_only_in_the_named_modules() {
    // Each with its argument beside it; see ARCHITECTURE.md.
    let named = [
        "engine/src/map.rs",
        "engine/src/mesh/ring.rs",
        "engine/src/mesh/ingress.rs",
        "engine/src/mesh/loom_tests.rs",
        "loadgen/src/trace/map.rs",
    ];
    for (name, text) in sources() {
        if named.contains(&name.as_str()) || name == "tests/tests/tidy.rs" {
            continue;
        }
        let code = text.lines().filter(|line| !line.trim_start().starts_with("//"));
        let uses = code.filter(|line| !line.contains("unsafe_code")).any(|line| line.contains("unsafe "));
        assert!(!uses, "{name} has unsafe code");
    }
}

#[test]
fn the_folder_map_is_complete() {
    let map = fs::read_to_string(root().join("ARCHITECTURE.md")).unwrap();
    let folders: BTreeSet<String> = sources()
        .iter()
        .filter_map(|(name, _)| Path::new(name).parent().map(|folder| folder.to_string_lossy().into_owned()))
        .chain(["tuning/users".into(), "tests/seeds".into(), "benches/record".into()])
        .collect();
    for folder in folders {
        assert!(map.contains(&format!("`{folder}/`")), "ARCHITECTURE.md does not map `{folder}/`");
    }
    for line in map.lines().filter(|line| line.starts_with("| `") && line.contains("/` |")) {
        let folder = line.split('`').nth(1).unwrap();
        assert!(root().join(folder).is_dir(), "ARCHITECTURE.md maps {folder}, which is gone");
    }
}

#[test]
fn documents_and_sources_name_no_machine() {
    let texts = files(&root(), ".md").into_iter().chain(files(&root(), ".rs")).chain(files(&root(), ".toml"));
    for path in texts.filter(|path| !path.ends_with("tests/tests/tidy.rs")) {
        let text = fs::read_to_string(&path).unwrap();
        for banned in ["/root/", "/work/", "crates.io", "pypi.org", "npmjs"] {
            assert!(!text.contains(banned), "{} names {banned}", path.display());
        }
    }
}
