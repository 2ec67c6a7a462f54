//! The configuration file: raw as written, then checked; two sets of types and one conversion.

pub(crate) mod account;
mod account_media;
pub(crate) mod audio;
pub(crate) mod checked;
pub(crate) mod duration;
pub(crate) mod error;
pub(crate) mod gateway;
pub(crate) mod ice;
mod identity;
mod keys;
pub(crate) mod literal_secret;
pub(crate) mod raw;
pub(crate) mod same_login;
pub(crate) mod secret_file;
mod sip;
mod token;
mod tool;
pub(crate) mod trust;

#[cfg(test)]
mod tests;
