//! The headers of WAV files (RIFF/WAVE): read from a stream, written for 16-bit mono.

use std::io::{self, Read};

use crate::device::error::WavFault;

/// How samples are written in a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Coding {
    /// Unsigned, 8 bits.
    Pcm8,
    /// Signed, 16 bits.
    Pcm16,
    /// Signed, 24 bits.
    Pcm24,
    /// Signed, 32 bits.
    Pcm32,
    /// IEEE float, 32 bits.
    Float32,
}

impl Coding {
    /// Bytes of one sample.
    pub const fn bytes(self) -> usize {
        match self {
            Self::Pcm8 => 1,
            Self::Pcm16 => 2,
            Self::Pcm24 => 3,
            Self::Pcm32 | Self::Float32 => 4,
        }
    }

    /// The sample in these bytes; missing bytes count as zero. Not a number becomes silence.
    pub fn sample(self, bytes: &[u8]) -> f32 {
        let byte = |index: usize| bytes.get(index).copied().unwrap_or_default();
        match self {
            Self::Pcm8 => (f32::from(byte(0)) - 128.0) / 128.0,
            Self::Pcm16 => f32::from(i16::from_le_bytes([byte(0), byte(1)])) / 32_768.0,
            Self::Pcm24 => {
                i32::from_le_bytes([0, byte(0), byte(1), byte(2)]) as f32 / 2_147_483_648.0
            }
            Self::Pcm32 => {
                i32::from_le_bytes([byte(0), byte(1), byte(2), byte(3)]) as f32 / 2_147_483_648.0
            }
            Self::Float32 => {
                let sample = f32::from_le_bytes([byte(0), byte(1), byte(2), byte(3)]);
                if sample.is_finite() {
                    sample.clamp(-1.0, 1.0)
                } else {
                    0.0
                }
            }
        }
    }
}

/// What the header says of the sound after it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Format {
    /// How samples are written.
    pub coding: Coding,
    /// One or two.
    pub channels: u16,
    /// Frames in a second.
    pub rate: u32,
    /// Bytes of sound; `None` when the writer did not know and the sound ends with the file.
    pub data_bytes: Option<u64>,
}

/// Why a header could not be read.
#[derive(Debug)]
pub enum HeaderError {
    /// The file could not be read.
    Io(io::Error),
    /// The file is not what we play.
    Fault(WavFault),
}

/// WAVE_FORMAT_PCM.
const TAG_PCM: u16 = 1;
/// WAVE_FORMAT_IEEE_FLOAT.
const TAG_FLOAT: u16 = 3;
/// WAVE_FORMAT_EXTENSIBLE: the real tag is in the first bytes of the sub-format.
const TAG_EXTENSIBLE: u16 = 0xfffe;
/// Longest format chunk that makes sense.
const MAX_FORMAT_CHUNK: u32 = 4096;
/// Most chunks before the sound.
const MAX_CHUNKS: usize = 1000;

/// Reads from the start of a file up to the first byte of sound.
///
/// # Errors
/// [`HeaderError`]: unreadable, no WAV, or a format that is not supported.
pub fn read(input: &mut impl Read) -> Result<Format, HeaderError> {
    let mut riff = [0; 12];
    fill(input, &mut riff, WavFault::NoRiff)?;
    if !riff.starts_with(b"RIFF") || !riff.ends_with(b"WAVE") {
        return Err(HeaderError::Fault(WavFault::NoRiff));
    }
    let mut format = None;
    for _ in 0..MAX_CHUNKS {
        let mut head = [0; 8];
        fill(input, &mut head, WavFault::Truncated)?;
        let [a, b, c, d, size @ ..] = head;
        let size = u32::from_le_bytes(size);
        match &[a, b, c, d] {
            b"fmt " => {
                if format.is_some() || size > MAX_FORMAT_CHUNK {
                    return Err(HeaderError::Fault(WavFault::BadFormat));
                }
                let mut chunk = vec![0; size as usize];
                fill(input, &mut chunk, WavFault::Truncated)?;
                format = Some(parse_format(&chunk).map_err(HeaderError::Fault)?);
                skip(input, u64::from(size & 1))?;
            }
            b"data" => {
                let mut format = format.ok_or(HeaderError::Fault(WavFault::BadFormat))?;
                // Writers into a pipe leave 0 or all ones here.
                format.data_bytes = (size != 0 && size != u32::MAX).then_some(u64::from(size));
                return Ok(format);
            }
            _other => skip(input, u64::from(size) + u64::from(size & 1))?,
        }
    }
    Err(HeaderError::Fault(WavFault::BadFormat))
}

fn parse_format(chunk: &[u8]) -> Result<Format, WavFault> {
    let word = |at: usize| -> Result<u16, WavFault> {
        let bytes = chunk.get(at..at + 2).ok_or(WavFault::BadFormat)?;
        Ok(u16::from_le_bytes(
            bytes.try_into().map_err(|_| WavFault::BadFormat)?,
        ))
    };
    let (mut tag, channels, block, bits) = (word(0)?, word(2)?, word(12)?, word(14)?);
    let rate = u32::from(word(4)?) | (u32::from(word(6)?) << 16);
    if tag == TAG_EXTENSIBLE {
        tag = word(24)?;
    }
    let coding = match (tag, bits) {
        (TAG_PCM, 8) => Coding::Pcm8,
        (TAG_PCM, 16) => Coding::Pcm16,
        (TAG_PCM, 24) => Coding::Pcm24,
        (TAG_PCM, 32) => Coding::Pcm32,
        (TAG_FLOAT, 32) => Coding::Float32,
        (tag, bits) => return Err(WavFault::Coding { tag, bits }),
    };
    if !(1..=2).contains(&channels) {
        return Err(WavFault::Channels(channels));
    }
    if !(8_000..=48_000).contains(&rate) {
        return Err(WavFault::Rate(rate));
    }
    if usize::from(block) != coding.bytes() * usize::from(channels) {
        return Err(WavFault::BadFormat);
    }
    Ok(Format {
        coding,
        channels,
        rate,
        data_bytes: None,
    })
}

fn fill(input: &mut impl Read, buffer: &mut [u8], short: WavFault) -> Result<(), HeaderError> {
    input.read_exact(buffer).map_err(|error| {
        if error.kind() == io::ErrorKind::UnexpectedEof {
            HeaderError::Fault(short)
        } else {
            HeaderError::Io(error)
        }
    })
}

fn skip(input: &mut impl Read, count: u64) -> Result<(), HeaderError> {
    let skipped = io::copy(&mut input.take(count), &mut io::sink()).map_err(HeaderError::Io)?;
    if skipped == count {
        Ok(())
    } else {
        Err(HeaderError::Fault(WavFault::Truncated))
    }
}

/// Length of the header that [`pcm16_mono`] makes.
pub const PCM16_HEADER: usize = 44;

/// The header of a 16-bit mono file with `data_bytes` of sound.
pub fn pcm16_mono(rate: u32, data_bytes: u32) -> [u8; PCM16_HEADER] {
    let mut header = [0; PCM16_HEADER];
    let parts: [&[u8]; 13] = [
        b"RIFF",
        &data_bytes.saturating_add(36).to_le_bytes(),
        b"WAVE",
        b"fmt ",
        &16u32.to_le_bytes(),
        &TAG_PCM.to_le_bytes(),
        &1u16.to_le_bytes(),
        &rate.to_le_bytes(),
        &rate.saturating_mul(2).to_le_bytes(),
        &2u16.to_le_bytes(),
        &16u16.to_le_bytes(),
        b"data",
        &data_bytes.to_le_bytes(),
    ];
    for (place, byte) in header.iter_mut().zip(parts.into_iter().flatten()) {
        *place = *byte;
    }
    header
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_we_write_we_read() {
        let header = pcm16_mono(48_000, 1_920);
        let format = read(&mut &header[..]).unwrap();
        let expected = Format {
            coding: Coding::Pcm16,
            channels: 1,
            rate: 48_000,
            data_bytes: Some(1_920),
        };
        assert_eq!(format, expected);
    }

    #[test]
    fn each_fault_is_named() {
        let fault = |bytes: &[u8]| match read(&mut &bytes[..]) {
            Err(HeaderError::Fault(fault)) => fault,
            Err(HeaderError::Io(error)) => panic!("{error}"),
            Ok(format) => panic!("{format:?}"),
        };
        assert_eq!(fault(b"OggS and so on, long enough"), WavFault::NoRiff);
        assert_eq!(fault(b""), WavFault::NoRiff);
        let good = pcm16_mono(48_000, 0);
        assert_eq!(fault(&good[..40]), WavFault::Truncated);
        let changed = |at: usize, value: u8| {
            let mut header = good;
            header[at] = value;
            fault(&header)
        };
        assert_eq!(changed(20, 6), WavFault::Coding { tag: 6, bits: 16 });
        assert_eq!(changed(22, 6), WavFault::Channels(6));
        assert_eq!(changed(26, 1), WavFault::Rate(113_536));
        assert_eq!(changed(32, 7), WavFault::BadFormat);
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200), cut in 0usize..44) {
            let mut header = pcm16_mono(8_000, 100).to_vec();
            header.truncate(cut);
            header.extend_from_slice(&bytes);
            let _ = read(&mut &header[..]);
            let _ = read(&mut &bytes[..]);
        }
    }
}
