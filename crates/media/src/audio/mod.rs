//! A client's call as sound: its source is encoded and sent, what arrives is decoded and given to its sink.

pub mod playout;
pub mod program;
