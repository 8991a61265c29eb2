//! A `tracing` span for each request, with W3C trace context.
