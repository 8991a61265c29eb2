//! What each error is answered with, and what it says of itself.

use std::collections::HashSet;

use ringlane_protocol::Error;

/// Section, status, errors.
const STATUSES: &[(&str, u16, &[Error])] = &[
    (
        "RFC 9112 §2.2, §3",
        400,
        &[
            Error::BareLf,
            Error::BareCr,
            Error::EmptyLines,
            Error::MethodInvalid,
            Error::TargetInvalid,
            Error::TargetFragment,
            Error::TargetUserinfo,
            Error::TargetForm,
            Error::VersionMissing,
            Error::VersionInvalid,
        ],
    ),
    (
        "RFC 9112 §5",
        400,
        &[
            Error::SpaceBeforeFields,
            Error::ObsFold,
            Error::FieldNameInvalid,
            Error::SpaceBeforeColon,
            Error::FieldValueInvalid,
            Error::ConnectionInvalid,
        ],
    ),
    (
        "RFC 9112 §3.2",
        400,
        &[Error::HostMissing, Error::HostRepeated, Error::HostInvalid],
    ),
    (
        "RFC 9112 §6.1, §6.3",
        400,
        &[
            Error::ContentLengthInvalid,
            Error::ContentLengthRepeated,
            Error::TransferEncodingInvalid,
            Error::TransferEncodingInHttp10,
            Error::TransferEncodingAndContentLength,
            Error::ChunkedNotLast,
            Error::TraceWithContent,
        ],
    ),
    (
        "RFC 9112 §7.1",
        400,
        &[
            Error::ChunkSizeInvalid,
            Error::ChunkExtensionInvalid,
            Error::ChunkExtensionsTooLong,
            Error::ChunkEndMissing,
            Error::TrailerForbidden,
        ],
    ),
    ("RFC 9110 §15.5.6", 405, &[Error::ConnectRefused]),
    ("RFC 9110 §15.5.14", 413, &[Error::BodyTooLarge]),
    ("RFC 9110 §15.5.15", 414, &[Error::TargetTooLong]),
    ("RFC 9110 §15.5.18", 417, &[Error::ExpectationUnknown]),
    (
        "RFC 6585 §5",
        431,
        &[Error::HeadTooLarge, Error::TooManyFields, Error::TrailersTooLarge],
    ),
    (
        "RFC 9110 §15.6.2",
        501,
        &[Error::MethodUnknown, Error::CodingUnsupported],
    ),
    ("RFC 9110 §15.6.6", 505, &[Error::VersionUnsupported]),
];

#[test]
fn every_error_has_its_status() {
    for &(section, status, errors) in STATUSES {
        for error in errors {
            assert_eq!(error.status().as_u16(), status, "{section}: {error}");
        }
    }
}

/// Whoever reads a log can tell one cause from the other.
#[test]
fn every_error_says_something_else_in_one_line() {
    let errors = || STATUSES.iter().flat_map(|row| row.2);
    let messages: HashSet<_> = errors().map(Error::to_string).collect();
    assert_eq!(messages.len(), errors().count());
    for message in messages {
        assert!(!message.is_empty() && !message.contains('\n'), "{message:?}");
    }
}
