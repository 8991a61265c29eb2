//! The todo example's page in a real browser: two tabs, of which each sees what the other does.

#[path = "../../tests/support/mod.rs"]
mod support;

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use support::process::Server;
use support::skip;

/// How long anything may take that the browser is waited for.
const LIMIT: Duration = Duration::from_secs(60);

/// A headless Chromium, spoken to in the DevTools protocol over pipes. It is killed when it is dropped.
struct Browser {
    child: Child,
    input: ChildStdin,
    messages: Receiver<Value>,
    sent: u64,
}

impl Browser {
    fn start(program: &Path) -> Browser {
        let profile = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("browser");
        let _ = fs::remove_dir_all(&profile); // From an earlier run, if there was one.
        fs::create_dir_all(&profile).unwrap();
        // The browser reads from descriptor 3 and writes to 4; messages end with NUL.
        let mut child = Command::new("sh")
            .args(["-c", r#"exec "$0" "$@" 3<&0 4>&1 </dev/null >/dev/null 2>&1"#])
            .arg(program)
            .args(["--remote-debugging-pipe", "--headless", "--no-sandbox", "--disable-gpu"])
            .args(["--disable-quic", "--no-first-run", "--disable-background-networking"])
            .args(["--disable-component-update", "--disable-sync", "--window-size=800,600"])
            .arg(format!("--user-data-dir={}", profile.display()))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("there is a shell");
        let input = child.stdin.take().expect("it is piped");
        let output = child.stdout.take().expect("it is piped");
        let (sender, messages) = mpsc::channel();
        thread::spawn(move || {
            for message in BufReader::new(output).split(0).map_while(Result::ok) {
                let message = serde_json::from_slice(&message).expect("the browser speaks JSON");
                if sender.send(message).is_err() {
                    break;
                }
            }
        });
        Browser {
            child,
            input,
            messages,
            sent: 0,
        }
    }

    /// Calls a method, of a tab's session or of the browser, and returns its result or error.
    fn call(&mut self, session: Option<&str>, method: &str, params: &Value) -> Result<Value, Value> {
        self.sent += 1;
        let mut message = json!({ "id": self.sent, "method": method, "params": params });
        if let Some(session) = session {
            message["sessionId"] = session.into();
        }
        write!(self.input, "{message}\0").expect("the browser listens");
        loop {
            let mut answer = self.messages.recv_timeout(LIMIT).expect("the browser answers");
            if answer["id"] == self.sent {
                let result = answer["result"].take();
                return if result.is_null() { Err(answer) } else { Ok(result) };
            }
        }
    }

    /// Opens a tab and returns its session.
    fn open(&mut self, url: &str) -> String {
        let target = self.call(None, "Target.createTarget", &json!({ "url": url })).unwrap();
        let params = json!({ "targetId": target["targetId"], "flatten": true });
        let session = self.call(None, "Target.attachToTarget", &params).unwrap();
        session["sessionId"].as_str().expect("a session has an id").to_owned()
    }

    fn run(&mut self, tab: &str, script: &str) -> Result<Value, Value> {
        let params = json!({ "expression": script, "returnByValue": true });
        let mut result = self.call(Some(tab), "Runtime.evaluate", &params)?;
        match result.get("exceptionDetails") {
            Some(exception) => Err(exception.clone()),
            None => Ok(result["result"]["value"].take()),
        }
    }

    /// Runs a script until it yields true. It may fail meanwhile, as while the page is still loaded.
    fn wait_for(&mut self, tab: &str, condition: &str) {
        let until = Instant::now() + LIMIT;
        loop {
            let outcome = self.run(tab, condition);
            if outcome.as_ref().is_ok_and(|value| value == true) {
                return;
            }
            assert!(Instant::now() < until, "{condition} does not come to hold: {outcome:?}");
            thread::sleep(Duration::from_millis(20));
        }
    }

    fn screenshot(&mut self, tab: &str, path: &Path) {
        self.call(Some(tab), "Page.bringToFront", &json!({})).unwrap();
        let shot = self.call(Some(tab), "Page.captureScreenshot", &json!({})).unwrap();
        fs::write(path, decode(shot["data"].as_str().expect("it is text"))).unwrap();
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        let _ = self.call(None, "Browser.close", &json!({})); // Its other processes end with it.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Base64 (RFC 4648 §4), of what can be trusted to be that.
fn decode(text: &str) -> Vec<u8> {
    let value = |byte| match byte {
        b'A'..=b'Z' => byte - b'A',
        b'a'..=b'z' => byte - b'a' + 26,
        b'0'..=b'9' => byte - b'0' + 52,
        b'+' => 62,
        _ => 63,
    };
    let digits: Vec<u8> = text.bytes().filter(|byte| *byte != b'=').map(value).collect();
    let groups = digits.chunks(4).flat_map(|group| {
        let bits = group.iter().enumerate();
        let bits = bits.fold(0, |bits, (place, digit)| bits | u32::from(*digit) << (18 - 6 * place));
        bits.to_be_bytes()[1..group.len()].to_vec()
    });
    groups.collect()
}

/// The browser, where there is one.
fn chromium() -> Option<PathBuf> {
    let directories = std::env::var_os("PATH").unwrap_or_default();
    let directories: Vec<PathBuf> = std::env::split_paths(&directories).collect();
    let names = ["chromium", "chromium-browser", "google-chrome"];
    let mut paths = names
        .iter()
        .flat_map(|name| directories.iter().map(move |directory| directory.join(name)));
    paths.find(|path| path.exists())
}

const IS_IN: &str =
    "document.querySelector('main').checkVisibility() && !document.querySelector('#account').checkVisibility()";
const IS_OUT: &str =
    "document.querySelector('#account').checkVisibility() && !document.querySelector('main').checkVisibility()";

/// The condition that a tab shows exactly these items, as `text` or `text, done`.
fn shows(items: &[&str]) -> String {
    let list = "[...document.querySelectorAll('li')]
        .map(item => item.querySelector('span').textContent + (item.className && ', ' + item.className))";
    format!("JSON.stringify({list}) === JSON.stringify({})", json!(items))
}

fn type_into(form: &str, values: &[(&str, &str)]) -> String {
    let set = values.iter().map(|(name, value)| {
        format!(
            "document.querySelector('{form} [name={name}]').value = {};",
            json!(value)
        )
    });
    set.collect()
}

#[test]
fn two_tabs_see_what_each_other_does() {
    let Some(program) = chromium() else {
        return skip("there is no Chromium on the PATH");
    };
    let server = Server::start("todo", &[]);
    let url = format!("http://{}/", server.address);
    let mut browser = Browser::start(&program);

    let first = browser.open(&url);
    browser.wait_for(&first, IS_OUT);
    let name = type_into("#account", &[("name", "Ada"), ("password", "correct horse")]);
    browser
        .run(
            &first,
            &format!("{name} document.querySelector('[name=sign-up]').click()"),
        )
        .unwrap();
    browser.wait_for(&first, IS_IN);
    assert_eq!(browser.run(&first, "document.cookie").unwrap(), ""); // No script can read the session.

    let second = browser.open(&url);
    browser.wait_for(&second, IS_IN);
    let script = "<img src=x onerror=alert(1)>";
    for (count, text) in ["Buy milk", script].iter().enumerate() {
        let add = type_into("#new", &[("text", text)]);
        browser
            .run(&first, &format!("{add} document.querySelector('#new button').click()"))
            .unwrap();
        browser.wait_for(&first, &shows(&["Buy milk", script][..=count]));
    }
    browser.wait_for(&second, &shows(&["Buy milk", script]));

    browser
        .run(&second, "document.querySelector('li input').click()")
        .unwrap();
    browser.wait_for(&first, &shows(&["Buy milk, done", script]));
    let target = Path::new(env!("CARGO_TARGET_TMPDIR"));
    browser.screenshot(&first, &target.join("todo.png"));

    browser
        .run(&first, "document.querySelector('li:last-child button').click()")
        .unwrap();
    browser.wait_for(&second, &shows(&["Buy milk, done"]));
    browser
        .run(&second, "document.querySelector('#log-out').click()")
        .unwrap();
    browser.wait_for(&second, IS_OUT);
    browser.wait_for(&first, IS_OUT);
}
