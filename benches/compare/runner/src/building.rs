//! Building the participants, and what version each of them is.

use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

use serde::Deserialize;

use crate::peers::{Peer, Table};
use crate::system::check_interrupted;

/// A participant that can be started, with its version; or the reason why it is missing.
pub type Built = Result<String, String>;

/// Builds everybody whose needs are there, one after the other.
///
/// # Errors
///
/// Where the run was interrupted.
pub fn build_all(table: &Table, no_build: bool) -> io::Result<Vec<Built>> {
    let mut built = Vec::new();
    for peer in &table.peers {
        check_interrupted()?;
        let begin = Instant::now();
        let outcome = build(peer, &table.directory, no_build);
        check_interrupted()?; // Ctrl-C also ends the build, which is then not what is wrong with it.
        match &outcome {
            Ok(version) => eprintln!("{}: {version} ({:.0} s)", peer.name, begin.elapsed().as_secs_f64()),
            Err(reason) => eprintln!("{}: missing: {reason}", peer.name),
        }
        built.push(outcome);
    }
    Ok(built)
}

fn build(peer: &Peer, directory: &Path, no_build: bool) -> Built {
    for program in &peer.needs {
        if !on_path(program) {
            let get = peer.get.as_deref().map_or(String::new(), |get| format!("; {get}"));
            return Err(format!("{program} is not on PATH{get}"));
        }
    }
    if !no_build && !peer.build.is_empty() {
        let output = command(
            &["nice".to_owned(), "-n".to_owned(), "19".to_owned()],
            &peer.build,
            directory,
        )
        .output()
        .map_err(|error| format!("the build cannot be started: {error}"))?;
        if !output.status.success() {
            let said = [output.stdout, output.stderr].concat();
            return Err(format!("its build failed: {}", cause(&String::from_utf8_lossy(&said))));
        }
    }
    Ok(version(peer, directory))
}

fn command(before: &[String], words: &[String], directory: &Path) -> Command {
    let mut words = before.iter().chain(words);
    let mut command = Command::new(words.next().map_or("", String::as_str));
    command
        .args(words)
        .current_dir(directory)
        .env_remove("CARGO_TARGET_DIR") // peers.toml starts them from where cargo puts them by itself.
        .stdin(Stdio::null());
    command
}

/// The line of a build's output that says most about why it failed.
fn cause(output: &str) -> String {
    let lines = || output.lines().map(str::trim).filter(|line| !line.is_empty());
    let line = lines()
        .find(|line| line.starts_with("error"))
        .or_else(|| lines().next_back());
    line.unwrap_or("it said nothing").chars().take(300).collect()
}

fn on_path(program: &str) -> bool {
    let is_executable = |file: &Path| {
        fs::metadata(file).is_ok_and(|metadata| metadata.is_file() && metadata.permissions().mode() & 0o111 != 0)
    };
    if program.contains('/') {
        return is_executable(Path::new(program));
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|directory| is_executable(&directory.join(program)))
}

/// Fails where a program that everything depends on is missing.
///
/// # Errors
///
/// A sentence that says which package has it.
pub fn require(program: &str, package: &str) -> io::Result<()> {
    if on_path(program) {
        return Ok(());
    }
    Err(io::Error::other(format!(
        "{program} is not on PATH: install the package {package} (Debian, Ubuntu)"
    )))
}

fn version(peer: &Peer, directory: &Path) -> String {
    if let [lock, name] = &peer.version[..]
        && lock == "lock"
    {
        let text = fs::read_to_string(directory.join("Cargo.lock")).unwrap_or_default();
        return locked(&text, name).unwrap_or_else(|| "unknown".to_owned());
    }
    if peer.version.is_empty() {
        return "this repository's".to_owned();
    }
    match command(&[], &peer.version, directory).output() {
        Ok(output) => short(&first_line(&[output.stdout, output.stderr].concat())),
        Err(_) => "unknown".to_owned(),
    }
}

/// The version in what a program says about itself: `1.22.1` of `nginx version: nginx/1.22.1`.
fn short(line: &str) -> String {
    let is_version = |word: &&str| word.contains('.') && word.contains(|c: char| c.is_ascii_digit());
    let word = line.split_whitespace().find(is_version).unwrap_or(line);
    word.trim_start_matches(|c: char| !c.is_ascii_digit()).to_owned()
}

/// What a command says about itself, in its first line; standard output before standard error.
pub fn first_line(said: &[u8]) -> String {
    let said = String::from_utf8_lossy(said);
    said.lines()
        .find(|line| !line.trim().is_empty())
        .unwrap_or("unknown")
        .trim()
        .to_owned()
}

/// The version of a crate in a Cargo.lock; of several the newest.
fn locked(text: &str, name: &str) -> Option<String> {
    #[derive(Deserialize)]
    struct Lock {
        package: Vec<Package>,
    }
    #[derive(Deserialize)]
    struct Package {
        name: String,
        version: String,
    }
    let lock: Lock = toml::from_str(text).ok()?;
    let order = |version: &String| -> Vec<u64> {
        version
            .split(['.', '-', '+'])
            .map_while(|part| part.parse().ok())
            .collect()
    };
    let packages = lock.package.into_iter().filter(|package| package.name == name);
    packages.map(|package| package.version).max_by_key(order)
}

#[cfg(test)]
mod tests {
    use super::{cause, first_line, locked, on_path, short};

    #[test]
    fn only_the_number_of_a_version_is_shown() {
        for (said, version) in [
            ("nginx version: nginx/1.22.1", "1.22.1"),
            ("go version go1.19.8 linux/amd64", "1.19.8"),
            ("h2o version 2.2.5", "2.2.5"),
            ("v20.20.2", "20.20.2"),
            ("1.8.1-1", "1.8.1-1"),
            ("rustc 1.95.0 (59807616e 2026-04-14)", "1.95.0"),
        ] {
            assert_eq!(short(said), version);
        }
    }

    #[test]
    fn the_newest_of_several_versions_counts() {
        let lock = "[[package]]\nname = 'hyper'\nversion = '0.14.32'\n[[package]]\nname = 'hyper'\nversion = '1.10.1'\n\
                    [[package]]\nname = 'hyper-util'\nversion = '9.0.0'\n[[package]]\nname = 'hyper'\nversion = '1.9.0'\n";
        assert_eq!(locked(lock, "hyper").as_deref(), Some("1.10.1"));
        assert_eq!(locked(lock, "axum"), None);
    }

    #[test]
    fn the_cause_is_the_first_error_or_the_last_line() {
        assert_eq!(cause("warning: a\nerror[E1]: b\nerror: c\n"), "error[E1]: b");
        assert_eq!(cause("make: here\nmake: stop\n\n"), "make: stop");
        assert_eq!(cause(""), "it said nothing");
    }

    #[test]
    fn empty_lines_say_no_version() {
        assert_eq!(first_line(b"\n go version go1.25 \nmore"), "go version go1.25");
    }

    #[test]
    fn programs_are_found() {
        assert!(on_path("sh") && on_path("/bin/sh") && !on_path("no-such-program"));
    }
}
