//! Request heads, topic by topic: tables of bytes in and results out, each row with the RFC section it comes from. Every
//! row is also run cut at each byte boundary, and through both ways of the parser.

mod beginning;
mod connection;
mod fields;
mod framing;
mod host;
mod limits;
mod method;
mod support;
mod target;
mod version;
