//! JSON in requests and responses.
