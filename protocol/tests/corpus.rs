//! The fuzz bodies over their seed corpora, so that stable builds run them too.

use std::path::Path;

use ringlane_protocol::fuzz;

fn run(target: &str, body: fn(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(target);
    let mut count = 0;
    for entry in folder
        .read_dir()
        .unwrap_or_else(|error| panic!("{}: {error}", folder.display()))
    {
        body(&std::fs::read(entry.unwrap().path()).unwrap());
        count += 1;
    }
    assert!(count >= 12, "{target} has {count} seeds");
}

#[test]
fn head() {
    run("head", fuzz::head);
}

#[test]
fn chunked() {
    run("chunked", fuzz::chunked);
}

#[test]
fn framing() {
    run("framing", fuzz::framing);
}

#[test]
fn requests() {
    run("requests", fuzz::requests);
}
