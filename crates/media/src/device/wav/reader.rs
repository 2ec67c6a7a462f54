//! Plays a WAV file as mono samples at 48 kHz, piece by piece.

use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::{Path, PathBuf};

use crate::device::error::{EndpointError, WavFault};
use crate::device::wav::header::{self, Format, HeaderError};
use crate::graph::frame::SAMPLE_RATE;
use crate::graph::resampler::Resampler;

/// Frames of the file read at a time.
const PIECE: usize = 1024;

/// An open WAV file.
#[derive(Debug)]
pub struct WavReader {
    path: PathBuf,
    input: BufReader<File>,
    format: Format,
    left: Option<u64>,
    resampler: Option<Resampler>,
    bytes: Vec<u8>,
    mono: Vec<f32>,
    flushed: bool,
}

impl WavReader {
    /// Opens a file and reads its header.
    ///
    /// # Errors
    /// [`EndpointError::Missing`], [`EndpointError::Unreadable`], [`EndpointError::NotWav`].
    pub fn open(path: &Path) -> Result<Self, EndpointError> {
        let unreadable = |kind: io::ErrorKind| {
            let path = path.to_owned();
            if kind == io::ErrorKind::NotFound {
                EndpointError::Missing { path }
            } else {
                EndpointError::Unreadable { path, kind }
            }
        };
        let not_wav = |fault: WavFault| EndpointError::NotWav {
            path: path.to_owned(),
            fault,
        };
        let file = File::open(path).map_err(|error| unreadable(error.kind()))?;
        if file.metadata().is_ok_and(|meta| meta.is_dir()) {
            return Err(unreadable(io::ErrorKind::IsADirectory));
        }
        let mut input = BufReader::with_capacity(64 * 1024, file);
        let format = header::read(&mut input).map_err(|error| match error {
            HeaderError::Io(error) => unreadable(error.kind()),
            HeaderError::Fault(fault) => not_wav(fault),
        })?;
        let resampler = if format.rate == SAMPLE_RATE {
            None
        } else {
            let resampler = Resampler::new(format.rate, SAMPLE_RATE)
                .map_err(|_| not_wav(WavFault::Rate(format.rate)))?;
            Some(resampler)
        };
        Ok(Self {
            path: path.to_owned(),
            input,
            format,
            left: format.data_bytes,
            resampler,
            bytes: vec![0; PIECE * format.coding.bytes() * usize::from(format.channels)],
            mono: Vec::with_capacity(PIECE),
            flushed: false,
        })
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What its header says.
    pub fn format(&self) -> Format {
        self.format
    }

    /// Most samples that one [`read`](Self::read) hands out.
    pub fn most_per_read(&self) -> usize {
        let ratio = SAMPLE_RATE as usize / self.format.rate.max(1) as usize + 1;
        PIECE * ratio
            + self
                .resampler
                .as_ref()
                .map_or(0, |resampler| 2 * resampler.step_out())
    }

    /// Reads the next piece and hands it to `out`; false at the end of the sound.
    ///
    /// # Errors
    /// When the file cannot be read on.
    pub fn read(&mut self, mut out: impl FnMut(&[f32])) -> io::Result<bool> {
        let block = self.format.coding.bytes() * usize::from(self.format.channels);
        let wanted = match self.left {
            Some(left) => usize::try_from(left)
                .unwrap_or(usize::MAX)
                .min(self.bytes.len()),
            None => self.bytes.len(),
        };
        let mut got = 0;
        while let Some(room) = self
            .bytes
            .get_mut(got..wanted)
            .filter(|room| !room.is_empty())
        {
            match self.input.read(room) {
                Ok(0) => break,
                Ok(count) => got += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        if let Some(left) = &mut self.left {
            *left = if got < wanted { 0 } else { *left - got as u64 };
        }
        if got < block {
            return Ok(self.flush(out));
        }
        let coding = self.format.coding;
        let scale = 1.0 / f32::from(self.format.channels);
        self.mono.clear();
        // A frame that the file cuts off is left out.
        self.mono
            .extend(self.bytes[..got].chunks_exact(block).map(|frame| {
                frame
                    .chunks_exact(coding.bytes())
                    .map(|sample| coding.sample(sample))
                    .sum::<f32>()
                    * scale
            }));
        match &mut self.resampler {
            None => out(&self.mono),
            Some(resampler) => resampler.process(&self.mono, out),
        }
        Ok(true)
    }

    /// Pushes what the resampler still holds out with silence, once.
    fn flush(&mut self, out: impl FnMut(&[f32])) -> bool {
        let Some(resampler) = self.resampler.as_mut().filter(|_| !self.flushed) else {
            return false;
        };
        self.flushed = true;
        self.mono.clear();
        self.mono.resize(2 * resampler.step_in(), 0.0);
        resampler.process(&self.mono, out);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::device::wav::header::Coding;
    use std::io::Write;

    fn file(
        coding: Coding,
        channels: u16,
        rate: u32,
        extensible: bool,
        seconds: u32,
    ) -> tempfile::NamedTempFile {
        let mut data = Vec::new();
        for n in 0..rate * seconds {
            let value =
                0.5 * (f64::from(n) * 440.0 / f64::from(rate) * std::f64::consts::TAU).sin();
            for channel in 0..channels {
                // The right channel is silent: mixed down, the tone has half its level.
                let value = if channel == 0 { value } else { 0.0 };
                match coding {
                    Coding::Pcm8 => data.push((value * 127.0 + 128.0) as u8),
                    Coding::Pcm16 => data.extend(((value * 32_767.0) as i16).to_le_bytes()),
                    Coding::Pcm24 => {
                        data.extend(&((value * 8_388_607.0) as i32).to_le_bytes()[..3])
                    }
                    Coding::Pcm32 => data.extend(((value * 2_147_483_647.0) as i32).to_le_bytes()),
                    Coding::Float32 => data.extend((value as f32).to_le_bytes()),
                }
            }
        }
        let bits = 8 * coding.bytes() as u16;
        let tag: u16 = if coding == Coding::Float32 { 3 } else { 1 };
        let mut out = Vec::new();
        let format_size: u32 = if extensible { 40 } else { 16 };
        out.extend(b"RIFF\0\0\0\0WAVELIST\x03\0\0\0abc\0fmt ");
        out.extend(format_size.to_le_bytes());
        out.extend(if extensible { 0xfffeu16 } else { tag }.to_le_bytes());
        out.extend(channels.to_le_bytes());
        out.extend(rate.to_le_bytes());
        out.extend((rate * u32::from(channels) * u32::from(bits) / 8).to_le_bytes());
        out.extend((channels * bits / 8).to_le_bytes());
        out.extend(bits.to_le_bytes());
        if extensible {
            out.extend(22u16.to_le_bytes());
            out.extend(bits.to_le_bytes());
            out.extend(0u32.to_le_bytes());
            out.extend(tag.to_le_bytes());
            out.extend(b"\0\0\0\0\x10\0\x80\0\0\xaa\0\x38\x9b\x71");
        }
        out.extend(b"data");
        out.extend((data.len() as u32).to_le_bytes());
        out.extend(data);
        out.extend(b"LIST\x04\0\0\0tail");
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(&out).unwrap();
        file
    }

    fn play(path: &Path) -> Vec<f32> {
        let mut reader = WavReader::open(path).unwrap();
        let mut heard = Vec::new();
        let most = reader.most_per_read();
        while reader
            .read(|piece| {
                assert!(piece.len() <= most);
                heard.extend_from_slice(piece);
            })
            .unwrap()
        {}
        heard
    }

    #[test]
    fn every_coding_rate_and_channel_count_plays_the_same_tone() {
        for coding in [
            Coding::Pcm8,
            Coding::Pcm16,
            Coding::Pcm24,
            Coding::Pcm32,
            Coding::Float32,
        ] {
            for (channels, rate) in [
                (1, 8_000),
                (2, 16_000),
                (1, 22_050),
                (2, 44_100),
                (1, 48_000),
            ] {
                let extensible = channels == 2;
                let heard = play(file(coding, channels, rate, extensible, 1).path());
                let what = format!("{coding:?} {channels} {rate}");
                assert!(
                    (48_000..50_500).contains(&heard.len()),
                    "{what}: {}",
                    heard.len()
                );
                let middle = &heard[10_000..40_000];
                let power = middle.iter().map(|s| s * s).sum::<f32>() / middle.len() as f32;
                let expected = 0.125 / f32::from(channels * channels);
                assert!(
                    (power / expected - 1.0).abs() < 0.03,
                    "{what}: power {power}, expected {expected}"
                );
                let rises = middle
                    .windows(2)
                    .filter(|w| w[0] <= 0.0 && w[1] > 0.0)
                    .count();
                assert!(
                    (274..=276).contains(&rises),
                    "{what}: {rises} periods in 0.625 s of 440 Hz"
                );
                assert!(
                    heard[49_000.min(heard.len())..]
                        .iter()
                        .all(|s| s.abs() < 0.01),
                    "{what}: tail chunk played"
                );
            }
        }
    }

    #[test]
    fn what_is_wrong_is_told_with_the_path() {
        let told = |path: &Path| WavReader::open(path).unwrap_err().to_string();
        assert!(told(Path::new("/nowhere/clip.wav")).contains("/nowhere/clip.wav does not exist"));
        assert!(told(Path::new("/tmp")).contains("cannot be read: is a directory"));
        let mut text = tempfile::NamedTempFile::new().unwrap();
        text.write_all(b"this is not a sound file at all").unwrap();
        let sentence = told(text.path());
        assert!(
            sentence.contains("no WAV file") && sentence.contains("sox"),
            "{sentence}"
        );
    }
}
