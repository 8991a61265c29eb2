//! Headless Chromium, for pages that need a browser.

use std::path::Path;
use std::process::{Command, Stdio};

/// Where Debian has it.
pub const PROGRAM: &str = "/usr/bin/chromium";

/// The browser on a profile of its own, without what it would ask the network for; DevTools listen at a port of its choice.
pub fn command(profile: &Path) -> Command {
    let mut command = Command::new(PROGRAM);
    command
        .args([
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-quic",
            "--no-first-run",
        ])
        .args([
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
        ])
        .arg(format!("--user-data-dir={}", profile.display()))
        .arg("--remote-debugging-port=0")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    command
}
