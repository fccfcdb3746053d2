//! The memory of a reader, which survives the end of its process at any time.

use std::collections::HashSet;
use std::fs::{self, File, OpenOptions};
use std::io::{BufRead as _, BufReader, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};

/// An append-only file with one line for each delivery.
pub struct Log(File);

impl Log {
    /// Opens the file, and removes the end of a line that was not written completely.
    pub fn open(path: &Path) -> Log {
        let written = fs::read(path).unwrap_or_default();
        let complete = written.iter().rposition(|it| *it == b'\n').map_or(0, |it| it + 1);
        let mut options = OpenOptions::new();
        let mut file = options
            .create(true)
            .write(true)
            .truncate(false)
            .open(path)
            .unwrap();
        file.set_len(complete as u64).unwrap();
        file.seek(SeekFrom::End(0)).unwrap();
        Log(file)
    }

    /// Returns when the lines are on the disk.
    pub fn append(&mut self, lines: &[String]) {
        let text: String = lines.iter().map(|it| format!("{it}\n")).collect();
        self.0.write_all(text.as_bytes()).unwrap();
        self.0.sync_data().unwrap();
    }
}

/// The id of the last event that a reader has stored.
pub struct Cursor(PathBuf);

impl Cursor {
    pub fn new(path: PathBuf) -> Cursor {
        Cursor(path)
    }

    pub fn load(&self) -> Option<String> {
        fs::read_to_string(&self.0).ok()
    }

    pub fn store(&self, id: &str) {
        write_atomically(&self.0, id);
    }
}

/// Replaces the text of a file. Another process sees the old text or the new one, and nothing in between.
pub fn write_atomically(path: &Path, text: &str) {
    let new = path.with_extension("new");
    let mut file = File::create(&new).unwrap();
    file.write_all(text.as_bytes()).unwrap();
    file.sync_data().unwrap();
    fs::rename(new, path).unwrap();
}

/// The complete lines of a log.
pub fn lines(path: &Path) -> impl Iterator<Item = String> {
    let file = File::open(path).unwrap();
    BufReader::new(file).lines().map(Result::unwrap)
}

/// Follows a log while it is written, and remembers the ids of its deliveries.
pub struct Tail {
    path: PathBuf,
    read: u64,
    pub lines: usize,
    pub ids: HashSet<String>,
}

impl Tail {
    pub fn new(path: PathBuf) -> Tail {
        Tail {
            path,
            read: 0,
            lines: 0,
            ids: HashSet::new(),
        }
    }

    /// Reads the lines that were added. `id` returns the id of a delivery.
    pub fn advance(&mut self, id: impl Fn(&str) -> String) {
        // Before its first start, the reader has no log.
        let Ok(mut file) = File::open(&self.path) else {
            return;
        };
        file.seek(SeekFrom::Start(self.read)).unwrap();
        let mut reader = BufReader::new(file);
        let mut line = String::new();
        while reader.read_line(&mut line).unwrap() > 0 && line.ends_with('\n') {
            self.read += line.len() as u64;
            self.lines += 1;
            self.ids.insert(id(line.trim_end()));
            line.clear();
        }
    }
}

#[test]
fn a_line_that_is_cut_off_is_removed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("log");
    Log::open(&path).append(&["one".to_owned(), "two".to_owned()]);
    fs::write(&path, "one\ntwo\nthr").unwrap();
    Log::open(&path).append(&["four".to_owned()]);
    assert_eq!(lines(&path).collect::<Vec<_>>(), ["one", "two", "four"]);
    let mut tail = Tail::new(path.clone());
    tail.advance(str::to_owned);
    Log::open(&path).append(&["five".to_owned()]);
    tail.advance(str::to_owned);
    assert_eq!((tail.lines, tail.ids.contains("five")), (4, true));
}
