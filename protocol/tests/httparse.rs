//! Another parser's view: what is taken as a head, httparse takes too, and reads the same in it.

use std::path::Path;

use ringlane_protocol::{Limits, head};

/// Whether `input` begins with a head; fails where httparse reads another one there.
fn agrees(input: &[u8]) -> bool {
    let Ok(Some(head)) = head::parse(input, &Limits::default()) else {
        return false;
    };
    let mut fields = [httparse::EMPTY_HEADER; 256];
    let mut request = httparse::Request::new(&mut fields);
    let status = request.parse(input);
    if status == Err(httparse::Error::Version) {
        // RFC 9110 §2.5: a higher minor version is handled as 1.1; httparse knows none.
        assert_eq!(head.version(), http::Version::HTTP_11);
        return true;
    }
    assert_eq!(
        status,
        Ok(httparse::Status::Complete(head.len())),
        "{}",
        input.escape_ascii()
    );
    assert_eq!(request.method, Some(head.method().as_str()));
    assert_eq!(request.path, Some(head.target(input)));
    assert_eq!(request.version == Some(0), head.version() == http::Version::HTTP_10);
    let fields: Vec<_> = request.headers.iter().map(|field| (field.name, field.value)).collect();
    assert_eq!(head.fields(input).collect::<Vec<_>>(), fields);
    true
}

#[test]
fn seeds_of_the_fuzzing_read_the_same() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus/head");
    let seeds = folder
        .read_dir()
        .unwrap()
        .map(|entry| std::fs::read(entry.unwrap().path()).unwrap());
    let taken = seeds.filter(|seed| agrees(seed)).count();
    assert!(taken >= 10, "only {taken} seeds are heads");
}

/// Every byte in the place of every byte: whatever of that is still a head.
#[test]
fn a_head_with_any_byte_changed_reads_the_same() {
    const HEAD: &[u8] = b"PUT /a%20b?c=%2F HTTP/1.1\r\nHost: a.example:80\r\nX-Y:\t v w \r\nContent-Length: 12\r\n\r\n";
    let mut taken = 0;
    for place in 0..HEAD.len() {
        for byte in 0..=u8::MAX {
            let mut input = HEAD.to_vec();
            input[place] = byte;
            taken += usize::from(agrees(&input));
        }
    }
    assert!(taken > 1_000, "only {taken} are heads");
}
