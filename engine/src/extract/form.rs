//! Queries and forms as types of one's own.
