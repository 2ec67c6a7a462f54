//! WAV files: headers, samples in every usual coding, and writing with a header that is always valid.

pub mod header;
pub mod names;
pub mod reader;
pub mod writer;
