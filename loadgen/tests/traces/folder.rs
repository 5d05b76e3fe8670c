//! A folder with traces in it, and the program run there.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use fanfare_loadgen::trace::{Event, Header};

use super::{read, scratch};

pub(crate) const KEY: &str = "00112233445566778899aabbccddeeff\n";

/// A folder for one test alone, gone with it.
pub(crate) struct Folder(pub(crate) PathBuf);

impl Folder {
    pub(crate) fn new(name: &str) -> Self {
        let path = scratch(name);
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    pub(crate) fn file(&self, name: &str, content: impl AsRef<[u8]>) {
        fs::write(self.0.join(name), content).unwrap();
    }

    pub(crate) fn read(&self, name: &str) -> (Header, Vec<Event>) {
        read(&fs::read(self.0.join(name)).unwrap()).unwrap()
    }

    /// Runs the program in this folder: exit code, what it says, what it complains of.
    pub(crate) fn loadgen(&self, arguments: &str) -> (Option<i32>, String, String) {
        let output = Command::new(env!("CARGO_BIN_EXE_loadgen"))
            .args(arguments.split_whitespace())
            .current_dir(&self.0)
            .output()
            .unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        (output.status.code(), text(output.stdout), text(output.stderr))
    }

    pub(crate) fn done(&self, arguments: &str) -> String {
        let (code, says, complaint) = self.loadgen(arguments);
        assert_eq!(code, Some(0), "{arguments}: {says}{complaint}");
        says
    }

    pub(crate) fn refused(&self, code: i32, arguments: &str, says: &[&str]) {
        let (found, page, complaint) = self.loadgen(arguments);
        assert_eq!(found, Some(code), "{arguments}: {page}{complaint}");
        for part in says {
            assert!(
                complaint.contains(part) || page.contains(part),
                "{arguments}: `{part}` is not in: {page}{complaint}"
            );
        }
    }

    pub(crate) fn is_empty_but_for(&self, names: &[&str]) {
        let mut found: Vec<_> =
            fs::read_dir(&self.0).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        found.sort();
        assert_eq!(found, names);
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}
