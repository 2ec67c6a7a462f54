//! What can be known from files alone; one file a kind of knowledge, all of them called by [`examine`].

mod api_keys;
mod connection;
mod descriptors;
pub(crate) mod examine;
mod literals;
mod profile;
pub(crate) mod refusals;
mod scene;
mod secret_files;
mod shared;
mod sound;
pub(crate) mod tokens;
pub(crate) mod users;
