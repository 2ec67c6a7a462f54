//! A client's call as sound: its source is encoded and sent, what arrives is decoded and given to its sink.

pub mod playback;
pub mod playout;
pub mod program;
pub mod recording;
