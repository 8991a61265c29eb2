//! Server-sent events: a response that goes on for as long as its client listens.
