//! Nothing but a place for the examples `database` and `calling`, whose sources are beside the other examples.
