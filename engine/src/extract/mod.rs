//! What a request says, as types of one's own: queries, forms, JSON, cookies.

#[cfg(feature = "cookies")]
mod cookies;
#[cfg(feature = "form")]
mod form;
#[cfg(feature = "json")]
mod json;
