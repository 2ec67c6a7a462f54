//! Writes 16-bit mono sound whose header is brought up to date as it grows.

use std::io::{self, Seek, SeekFrom, Write};

use crate::codec::encoder::to_i16;
use crate::device::wav::header::{PCM16_HEADER, pcm16_mono};
use crate::graph::frame::SAMPLE_RATE;

/// A WAV file being written; what was written before an error stays a valid file.
#[derive(Debug)]
pub struct WavWriter<W: Write + Seek> {
    out: W,
    data_bytes: u64,
    stated_bytes: u64,
    bytes: Vec<u8>,
}

impl<W: Write + Seek> WavWriter<W> {
    /// Begins a file with the header of no sound.
    ///
    /// # Errors
    /// When not even the header can be written.
    pub fn new(mut out: W) -> io::Result<Self> {
        out.write_all(&pcm16_mono(SAMPLE_RATE, 0))?;
        Ok(Self {
            out,
            data_bytes: 0,
            stated_bytes: 0,
            bytes: Vec::new(),
        })
    }

    /// Bytes of sound so far.
    pub fn data_bytes(&self) -> u64 {
        self.data_bytes
    }

    /// Appends samples.
    ///
    /// # Errors
    /// When the system takes no more; what it took is counted, so that [`update_header`](Self::update_header) keeps
    /// the file valid.
    pub fn write(&mut self, samples: &[f32]) -> io::Result<()> {
        self.bytes.clear();
        self.bytes.extend(
            samples
                .iter()
                .flat_map(|&sample| to_i16(sample).to_le_bytes()),
        );
        let mut rest = &self.bytes[..];
        while !rest.is_empty() {
            match self.out.write(rest) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(count) => {
                    self.data_bytes += count as u64;
                    rest = rest.get(count..).unwrap_or_default();
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// States in the header how much sound there is, in whole samples.
    ///
    /// # Errors
    /// When the header cannot be rewritten (its place on the disk is there already).
    pub fn update_header(&mut self) -> io::Result<()> {
        if self.stated_bytes == self.data_bytes {
            return Ok(());
        }
        let whole = u32::try_from(self.data_bytes & !1).unwrap_or(u32::MAX - 37);
        self.out.seek(SeekFrom::Start(0))?;
        self.out.write_all(&pcm16_mono(SAMPLE_RATE, whole))?;
        self.out
            .seek(SeekFrom::Start(PCM16_HEADER as u64 + self.data_bytes))?;
        self.stated_bytes = self.data_bytes;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::device::wav::header;
    use std::io::Cursor;

    /// A disk with room for so many bytes.
    struct Small {
        disk: Cursor<Vec<u8>>,
        room: usize,
    }

    impl Write for Small {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let at = self.disk.position() as usize;
            let fits = bytes.len().min(self.room.saturating_sub(at));
            if fits == 0 {
                return Err(io::ErrorKind::StorageFull.into());
            }
            self.disk.write(&bytes[..fits])
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    impl Seek for Small {
        fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
            self.disk.seek(to)
        }
    }

    #[test]
    fn a_full_disk_leaves_a_valid_file_of_what_fitted() {
        let mut writer = WavWriter::new(Small {
            disk: Cursor::default(),
            room: 1_001,
        })
        .unwrap();
        writer.write(&[0.5; 400]).unwrap();
        let error = writer.write(&[0.5; 400]).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::StorageFull);
        writer.update_header().unwrap();
        let bytes = writer.out.disk.into_inner();
        let format = header::read(&mut &bytes[..]).unwrap();
        assert_eq!(
            format.data_bytes,
            Some(956),
            "whole samples of the 957 bytes that fitted"
        );
        assert!(bytes.len() as u64 >= 44 + 956);
    }

    #[test]
    fn the_header_follows_the_sound() {
        let mut writer = WavWriter::new(Cursor::new(Vec::new())).unwrap();
        for _ in 0..3 {
            writer.write(&[0.25; 960]).unwrap();
            writer.update_header().unwrap();
        }
        let bytes = writer.out.into_inner();
        assert_eq!(
            header::read(&mut &bytes[..]).unwrap().data_bytes,
            Some(3 * 1920)
        );
        assert_eq!(bytes.len(), 44 + 3 * 1920);
        assert!(bytes[44..].chunks(2).all(|s| s == 8192i16.to_le_bytes()));
    }
}
