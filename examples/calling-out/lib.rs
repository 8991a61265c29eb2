//! Nothing but a place for the examples `database`, `calling` and `todo`, whose sources are beside the other examples.
