//! Bad input: each ends in bounded time with one clear sentence that names the thing and what to do, and nothing else is lost.

mod calls;
mod configuration;
mod media;
mod recordings;
mod servers;
