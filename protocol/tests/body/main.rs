//! Message bodies: tables of bytes in and results out, each row with the RFC section it comes from. Every row is also run
//! cut at each byte boundary and byte by byte, and through the naive twin.

mod chunked;
mod length;
mod limits;
mod property;
mod support;
