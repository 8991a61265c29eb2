//! A directory with files of known content and age, for tests to serve.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

/// When all files were modified, in seconds since 1970: Sun, 13 Sep 2020 12:26:40 GMT.
pub const MODIFIED: u64 = 1_600_000_000;
/// What lies beside the root, and must never be served.
pub const SECRET: &str = "what lies outside the root";

/// A directory in which `root` is to be served; it is removed with this value.
pub struct Directory {
    path: PathBuf,
}

impl Directory {
    /// A new one, with a few files of every kind.
    pub fn new(name: &str) -> Directory {
        let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&path); // One that a killed test has left behind.
        let directory = Directory { path };
        fs::create_dir_all(directory.root()).expect("a directory can be made");
        directory.fill();
        directory
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    pub fn root(&self) -> PathBuf {
        self.path.join("root")
    }

    /// Writes a file below the root, and the directories above it.
    pub fn write(&self, name: &str, content: impl AsRef<[u8]>) {
        let path = self.root().join(name);
        fs::create_dir_all(path.parent().expect("it is below the root")).expect("a directory can be made");
        fs::write(&path, content).expect("a file can be written");
        let file = fs::File::options().write(true).open(&path).expect("it is there");
        let modified = SystemTime::UNIX_EPOCH + Duration::from_secs(MODIFIED);
        file.set_modified(modified).expect("a file's time can be set");
    }

    fn fill(&self) {
        fs::write(self.path.join("secret.txt"), SECRET).expect("a file can be written");
        self.write("index.html", "<title>index</title>");
        self.write("plain.txt", "abcdefghijklmnopqrstuvwxyz");
        self.write("empty.txt", "");
        self.write("data.json", "{}");
        self.write("style.css", "p {}");
        self.write("app.js", "f();");
        self.write("Makefile", "all:");
        self.write("large.bin", content(300_000));
        self.write("sub/index.html", "<title>sub</title>");
        self.write("sub/note.txt", "a note");
        self.write("sub/deep/er/file.txt", "deeper");
        self.write("bare/file.txt", "in a directory without an index");
        self.write("sp ace.txt", "space");
        self.write("café.txt", "coffee");
        self.write("100%.txt", "percent");
        self.write("plus+and&.txt", "plus");
        self.write("back\\slash.txt", "backslash");
        self.write("..dots.txt", "dots");
        self.write(".hidden", "hidden");
        self.write(".dir/file.txt", "hidden, too");
        self.write("page.html", "<title>page</title>");
        self.write("page.html.gz", "not really gzip");
        self.write("page.html.br", "not really br");
        let root = self.root();
        let link = |target: &Path, name: &str| symlink(target, root.join(name)).expect("a link can be made");
        link(Path::new("plain.txt"), "inside.txt");
        link(Path::new("sub"), "inside");
        link(&self.path.join("secret.txt"), "outside.txt");
        link(Path::new("../secret.txt"), "relative.txt");
        link(&self.path, "outside");
        link(Path::new("/proc/self/root"), "magic");
        link(Path::new("circle"), "circle");
        link(Path::new("nothing"), "dangling");
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.path); // What is left lies in the target directory.
    }
}

/// Bytes that differ from place to place.
pub fn content(bytes: usize) -> Vec<u8> {
    (0..bytes).map(|at| (at ^ (at >> 8) ^ (at >> 16)) as u8).collect()
}
