//! Stories of the Verto session in virtual time, told against a server that says exactly what the story wants.

mod assistants;
mod calls;
mod channels;
mod conferences;
mod digits;
mod features;
mod fields;
mod frames;
mod liveness;
mod login;
mod named_ends;
mod questions;
mod recovery;
mod refused_tokens;
mod shutdown;
mod story;
mod tokens;
mod unanswered;
mod unregistered;
mod words;
