//! A bridge to a Tokio runtime on threads of its own, for handlers that call the rest of the world.
