//! Persistence, expectations and upgrades.

use ringlane_protocol::Error::{ConnectionInvalid, ExpectationUnknown};

use crate::support::{Refused, assert_refused, head, with_fields, with_fields_10, with_fields_12};

/// Section, field lines, whether the connection persists in HTTP/1.1 and in HTTP/1.0.
const PERSISTENCE: &[(&str, &[u8], bool, bool)] = &[
    ("RFC 9112 §9.3", b"", true, false),
    ("RFC 9112 §9.3", b"Connection: keep-alive\r\n", true, true),
    ("RFC 9112 §9.3", b"connection:Keep-Alive\r\n", true, true),
    ("RFC 9112 §9.3", b"Connection: close\r\n", false, false),
    ("RFC 9112 §9.3", b"CONNECTION: CLOSE\r\n", false, false),
    ("RFC 9112 §9.3", b"Connection: keep-alive, close\r\n", false, false),
    ("RFC 9112 §9.3", b"Connection: close, keep-alive\r\n", false, false),
    (
        "RFC 9112 §9.3",
        b"Connection: keep-alive\r\nConnection: close\r\n",
        false,
        false,
    ),
    (
        "RFC 9112 §9.3",
        b"Connection: close\r\nA: b\r\nConnection: keep-alive\r\n",
        false,
        false,
    ),
    ("RFC 9110 §7.6.1", b"Connection: x, keep-alive\t,y\r\n", true, true),
    ("RFC 9110 §7.6.1", b"Connection: x\r\n", true, false),
    ("RFC 9110 §7.6.1", b"Connection: closed\r\n", true, false),
    ("RFC 9110 §7.6.1", b"Connection: clos_\r\n", true, false),
    ("RFC 9110 §7.6.1", b"Connection: keep_alive\r\n", true, false),
    ("RFC 9110 §7.6.1", b"Connection: xclose\r\n", true, false),
    ("RFC 9110 §7.6.1", b"Connection: Upgrade,close\r\n", false, false),
    ("RFC 9110 §5.6.1.2", b"Connection:\r\n", true, false),
    ("RFC 9110 §5.6.1.2", b"Connection: ,\r\n", true, false),
    ("RFC 9110 §5.6.1.2", b"Connection: , ,close,\r\n", false, false),
    ("RFC 9110 §5.6.1.2", b"Connection: ,keep-alive,,\r\n", true, true),
    ("RFC 9112 §C.2.2", b"Proxy-Connection: keep-alive\r\n", true, false),
    ("RFC 9112 §C.2.2", b"Proxy-Connection: close\r\n", true, false),
    ("RFC 9112 §C.2.2", b"Keep-Alive: timeout=5\r\n", true, false),
];

#[test]
fn persistence_is_told() {
    for &(section, fields, in_11, in_10) in PERSISTENCE {
        assert_eq!(
            head(&with_fields(fields)).keep_alive(),
            in_11,
            "{section}: {}",
            fields.escape_ascii()
        );
        assert_eq!(head(&with_fields_12(fields)).keep_alive(), in_11, "{section}");
        assert_eq!(
            head(&with_fields_10(fields)).keep_alive(),
            in_10,
            "{section}: {}",
            fields.escape_ascii()
        );
    }
}

#[test]
fn malformed_connection_options_are_refused() {
    const TABLE: &[Refused<'_>] = &[
        ("RFC 9110 §7.6.1", b"Connection: close;a\r\n", ConnectionInvalid),
        (
            "RFC 9110 §7.6.1",
            b"Connection: keep-alive close\r\n",
            ConnectionInvalid,
        ),
        ("RFC 9110 §7.6.1", b"Connection: \"close\"\r\n", ConnectionInvalid),
        ("RFC 9110 §7.6.1", b"Connection: close, a=b\r\n", ConnectionInvalid),
        ("RFC 9110 §7.6.1", b"Connection: close\xff\r\n", ConnectionInvalid),
        (
            "RFC 9110 §7.6.1",
            b"Connection: keep-alive\r\nConnection: (x)\r\n",
            ConnectionInvalid,
        ),
    ];
    assert_refused(TABLE, with_fields);
    assert_refused(TABLE, with_fields_10);
}

/// Section, field lines, whether 100 Continue is waited for in HTTP/1.1.
const EXPECTATIONS: &[(&str, &[u8], bool)] = &[
    ("RFC 9110 §10.1.1", b"Content-Length: 5\r\n", false),
    (
        "RFC 9110 §10.1.1",
        b"Content-Length: 5\r\nExpect: 100-continue\r\n",
        true,
    ),
    (
        "RFC 9110 §10.1.1",
        b"Expect: 100-Continue\r\nContent-Length: 5\r\n",
        true,
    ),
    (
        "RFC 9110 §10.1.1",
        b"expect:100-CONTINUE\r\nTransfer-Encoding: chunked\r\n",
        true,
    ),
    (
        "RFC 9110 §10.1.1",
        b"Content-Length: 5\r\nExpect: 100-continue, 100-continue\r\n",
        true,
    ),
    (
        "RFC 9110 §10.1.1",
        b"Content-Length: 5\r\nExpect: 100-continue\r\nExpect: 100-continue\r\n",
        true,
    ),
    (
        "RFC 9110 §10.1.1",
        b"Content-Length: 0\r\nExpect: 100-continue\r\n",
        false,
    ),
    ("RFC 9110 §10.1.1", b"Expect: 100-continue\r\n", false),
    (
        "RFC 9110 §5.6.1.2",
        b"Content-Length: 5\r\nExpect: , 100-continue,\r\n",
        true,
    ),
    ("RFC 9110 §5.6.1.2", b"Content-Length: 5\r\nExpect:\r\n", false),
];

#[test]
fn expectations_are_told() {
    for &(section, fields, expects_continue) in EXPECTATIONS {
        for request in [with_fields(fields), with_fields_12(fields)] {
            let head = head(&request);
            assert_eq!(
                head.expects_continue(),
                expects_continue,
                "{section}: {}",
                request.escape_ascii()
            );
        }
    }
}

/// RFC 9110 §10.1.1: a server must ignore it in an HTTP/1.0 request.
#[test]
fn http_10_expects_nothing() {
    assert!(!head(&with_fields_10(b"Content-Length: 5\r\nExpect: 100-continue\r\n")).expects_continue());
}

#[test]
fn other_expectations_are_refused() {
    const TABLE: &[Refused<'_>] = &[
        ("RFC 9110 §10.1.1", b"Expect: 200-ok\r\n", ExpectationUnknown),
        ("RFC 9110 §10.1.1", b"Expect: 100\r\n", ExpectationUnknown),
        ("RFC 9110 §10.1.1", b"Expect: x, y\r\n", ExpectationUnknown),
        ("RFC 9110 §10.1.1", b"Expect: 100-continues\r\n", ExpectationUnknown),
        ("RFC 9110 §10.1.1", b"Expect: 100-continue;a=b\r\n", ExpectationUnknown),
        ("RFC 9110 §10.1.1", b"Expect: 100-continue, x\r\n", ExpectationUnknown),
        (
            "RFC 9110 §10.1.1",
            b"Expect: x\r\nExpect: 100-continue\r\n",
            ExpectationUnknown,
        ),
        ("RFC 9110 §5.6.1.2", b"Expect: , x,\r\n", ExpectationUnknown),
    ];
    assert_refused(TABLE, with_fields);
    assert_refused(TABLE, with_fields_10);
}

/// Section, field lines, whether an upgrade is offered in HTTP/1.1.
const UPGRADES: &[(&str, &[u8], bool)] = &[
    ("RFC 9110 §7.8", b"Connection: Upgrade\r\nUpgrade: websocket\r\n", true),
    (
        "RFC 9110 §7.8",
        b"UPGRADE: websocket\r\nconnection: keep-alive, UPGRADE\r\n",
        true,
    ),
    (
        "RFC 9110 §7.8",
        b"Upgrade: h2c\r\nUpgrade: a/1\r\nConnection: a\r\nConnection: upgrade\r\n",
        true,
    ),
    ("RFC 9110 §7.8", b"Upgrade: websocket\r\n", false),
    ("RFC 9110 §7.8", b"Connection: upgrade\r\n", false),
    ("RFC 9110 §7.8", b"Connection: upgrade\r\nUpgrade:\r\n", false),
    (
        "RFC 9110 §7.8",
        b"Connection: upgrades\r\nUpgrade: websocket\r\n",
        false,
    ),
    ("RFC 9110 §7.8", b"Connection: upgrad_\r\nUpgrade: websocket\r\n", false),
    ("RFC 9110 §5.1", b"Connection: upgrade\r\nUpgrad_: websocket\r\n", false),
];

#[test]
fn upgrades_are_told() {
    for &(section, fields, upgrade) in UPGRADES {
        assert_eq!(
            head(&with_fields(fields)).upgrade(),
            upgrade,
            "{section}: {}",
            fields.escape_ascii()
        );
        assert_eq!(head(&with_fields_12(fields)).upgrade(), upgrade, "{section}");
        assert!(
            !head(&with_fields_10(fields)).upgrade(),
            "a server must ignore it in HTTP/1.0"
        );
    }
}
