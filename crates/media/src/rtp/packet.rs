//! RTP packets (RFC 3550 section 5): a zero-copy view of a received one and a writer into a caller's buffer.

/// RTP version that every packet carries.
const VERSION: u8 = 2;
/// Length of the fixed header.
pub const FIXED_HEADER_LEN: usize = 12;
/// `profile` word of one-byte header extensions (RFC 8285 section 4.2).
const ONE_BYTE_PROFILE: u16 = 0xBEDE;
/// `profile` word of two-byte header extensions, its low four bits are the application's (RFC 8285 section 4.3).
const TWO_BYTE_PROFILE: u16 = 0x1000;

/// Why bytes are not an RTP packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Malformed {
    /// Shorter than its own header says.
    #[error("RTP packet cut short in its {0}")]
    Truncated(&'static str),
    /// Not version 2.
    #[error("RTP version {0}, expected 2")]
    Version(u8),
    /// The padding count is zero or larger than what is there.
    #[error("RTP padding count {0} does not fit the packet")]
    Padding(u8),
}

/// Whether a datagram that is RTP or RTCP on one port (RFC 5761 section 4) is RTCP: its packet type is 192 to 223.
#[must_use]
pub fn is_rtcp(datagram: &[u8]) -> bool {
    datagram
        .get(1)
        .is_some_and(|kind| (192..=223).contains(kind))
}

/// The part of the fixed header that sender and receiver talk about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    /// First packet of a talk spurt or of a telephone event.
    pub marker: bool,
    /// Payload type, 0 to 127.
    pub payload_type: u8,
    /// Sequence number; wraps.
    pub sequence: u16,
    /// Sampling instant of the first sample, in units of the payload's clock; wraps.
    pub timestamp: u32,
    /// Synchronization source.
    pub ssrc: u32,
}

/// A checked view of an RTP packet: nothing is copied, no accessor can fail.
#[derive(Debug, Clone, Copy)]
pub struct Packet<'a> {
    header: Header,
    header_len: usize,
    csrcs: &'a [u8],
    extension_profile: u16,
    extension: &'a [u8],
    payload: &'a [u8],
}

impl<'a> Packet<'a> {
    /// Reads a (decrypted) packet.
    ///
    /// # Errors
    /// [`Malformed`] when the lengths inside do not fit the bytes or the version is not 2.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, Malformed> {
        let (fixed, rest) = bytes
            .split_first_chunk::<FIXED_HEADER_LEN>()
            .ok_or(Malformed::Truncated("fixed header"))?;
        let [first, second, s0, s1, t0, t1, t2, t3, c0, c1, c2, c3] = *fixed;
        if first >> 6 != VERSION {
            return Err(Malformed::Version(first >> 6));
        }
        let csrc_len = usize::from(first & 0x0F) * 4;
        let (csrcs, mut rest) = rest
            .split_at_checked(csrc_len)
            .ok_or(Malformed::Truncated("list of contributing sources"))?;
        let mut extension_profile = 0;
        let mut extension: &[u8] = &[];
        if first & 0x10 != 0 {
            let (&[p0, p1, l0, l1], after) = rest
                .split_first_chunk::<4>()
                .ok_or(Malformed::Truncated("extension header"))?;
            let len = usize::from(u16::from_be_bytes([l0, l1])) * 4;
            extension_profile = u16::from_be_bytes([p0, p1]);
            (extension, rest) = after
                .split_at_checked(len)
                .ok_or(Malformed::Truncated("header extensions"))?;
        }
        let header_len = bytes.len() - rest.len();
        let payload = if first & 0x20 == 0 {
            rest
        } else {
            without_padding(rest)?
        };
        Ok(Self {
            header: Header {
                marker: second & 0x80 != 0,
                payload_type: second & 0x7F,
                sequence: u16::from_be_bytes([s0, s1]),
                timestamp: u32::from_be_bytes([t0, t1, t2, t3]),
                ssrc: u32::from_be_bytes([c0, c1, c2, c3]),
            },
            header_len,
            csrcs,
            extension_profile,
            extension,
            payload,
        })
    }

    /// The fixed header's fields.
    #[must_use]
    pub const fn header(&self) -> Header {
        self.header
    }

    /// Marker bit.
    #[must_use]
    pub const fn marker(&self) -> bool {
        self.header.marker
    }

    /// Payload type, 0 to 127.
    #[must_use]
    pub const fn payload_type(&self) -> u8 {
        self.header.payload_type
    }

    /// Sequence number.
    #[must_use]
    pub const fn sequence(&self) -> u16 {
        self.header.sequence
    }

    /// Timestamp in units of the payload's clock.
    #[must_use]
    pub const fn timestamp(&self) -> u32 {
        self.header.timestamp
    }

    /// Synchronization source.
    #[must_use]
    pub const fn ssrc(&self) -> u32 {
        self.header.ssrc
    }

    /// Bytes before the payload: fixed header, contributing sources, extensions.
    #[must_use]
    pub const fn header_len(&self) -> usize {
        self.header_len
    }

    /// Contributing sources that a mixer listed.
    pub fn contributing_sources(&self) -> impl Iterator<Item = u32> + 'a {
        self.csrcs
            .chunks_exact(4)
            .filter_map(|chunk| chunk.first_chunk::<4>())
            .map(|bytes| u32::from_be_bytes(*bytes))
    }

    /// Header extensions in the form of RFC 8285, one-byte or two-byte; those of another profile are skipped, and so is what follows
    /// a broken length.
    #[must_use]
    pub const fn extensions(&self) -> Extensions<'a> {
        let form = match self.extension_profile {
            ONE_BYTE_PROFILE => Form::OneByte,
            profile if profile & 0xFFF0 == TWO_BYTE_PROFILE => Form::TwoByte,
            _ => Form::Foreign,
        };
        Extensions {
            form,
            rest: self.extension,
        }
    }

    /// The data of the header extension that was negotiated as `id`.
    #[must_use]
    pub fn extension(&self, id: u8) -> Option<&'a [u8]> {
        self.extensions()
            .find(|extension| extension.id == id)
            .map(|extension| extension.data)
    }

    /// What the codec made, without padding.
    #[must_use]
    pub const fn payload(&self) -> &'a [u8] {
        self.payload
    }
}

fn without_padding(payload: &[u8]) -> Result<&[u8], Malformed> {
    let count = *payload.last().ok_or(Malformed::Truncated("padding"))?;
    let kept = payload
        .len()
        .checked_sub(usize::from(count))
        .filter(|_| count > 0)
        .ok_or(Malformed::Padding(count))?;
    payload.get(..kept).ok_or(Malformed::Padding(count))
}

/// One header extension element (RFC 8285).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Extension<'a> {
    /// The number that SDP's `a=extmap` gave it.
    pub id: u8,
    /// Its data; may be empty in the two-byte form.
    pub data: &'a [u8],
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    OneByte,
    TwoByte,
    Foreign,
}

/// Iterator over the header extensions of one packet.
#[derive(Debug, Clone)]
pub struct Extensions<'a> {
    form: Form,
    rest: &'a [u8],
}

impl<'a> Iterator for Extensions<'a> {
    type Item = Extension<'a>;

    fn next(&mut self) -> Option<Extension<'a>> {
        loop {
            let (&first, after) = self.rest.split_first()?;
            if first == 0 {
                // A zero byte pads between elements in both forms.
                self.rest = after;
                continue;
            }
            let (id, len, after) = match self.form {
                Form::Foreign => return None,
                // Identifier 15 ends the list (RFC 8285 section 4.2).
                Form::OneByte if first >> 4 == 15 => return None,
                Form::OneByte => (first >> 4, usize::from(first & 0x0F) + 1, after),
                Form::TwoByte => {
                    let (&len, after) = after.split_first()?;
                    (first, usize::from(len), after)
                }
            };
            let Some((data, rest)) = after.split_at_checked(len) else {
                self.rest = &[];
                return None;
            };
            self.rest = rest;
            return Some(Extension { id, data });
        }
    }
}

/// Why a packet could not be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum WriteError {
    /// The buffer ends before the packet does.
    #[error("the buffer is too small for the RTP packet")]
    BufferTooSmall,
    /// The one-byte form holds identifiers 1 to 14 and 1 to 16 bytes of data, the two-byte form 1 to 255 and up to 255.
    #[error("header extension {id} with {len} bytes does not fit its form")]
    Extension {
        /// Identifier asked for.
        id: u8,
        /// Length of the data.
        len: usize,
    },
}

/// Writes one packet into a caller's buffer: header, extensions in order, then the payload, which ends it.
#[derive(Debug)]
pub struct Writer<'b> {
    buffer: &'b mut [u8],
    len: usize,
    extensions_at: Option<usize>,
}

impl<'b> Writer<'b> {
    /// Begins a packet.
    ///
    /// # Errors
    /// [`WriteError::BufferTooSmall`] when not even the fixed header fits.
    pub fn new(buffer: &'b mut [u8], header: Header) -> Result<Self, WriteError> {
        let mut fixed = [0; FIXED_HEADER_LEN];
        fixed[0] = VERSION << 6;
        fixed[1] = (u8::from(header.marker) << 7) | (header.payload_type & 0x7F);
        fixed[2..4].copy_from_slice(&header.sequence.to_be_bytes());
        fixed[4..8].copy_from_slice(&header.timestamp.to_be_bytes());
        fixed[8..12].copy_from_slice(&header.ssrc.to_be_bytes());
        let mut writer = Self {
            buffer,
            len: 0,
            extensions_at: None,
        };
        writer.put(&fixed)?;
        Ok(writer)
    }

    /// Adds a header extension in the one-byte form.
    ///
    /// # Errors
    /// [`WriteError`] when the element does not fit the form or the buffer.
    pub fn extension(mut self, id: u8, data: &[u8]) -> Result<Self, WriteError> {
        let (1..=14, 1..=16) = (id, data.len()) else {
            return Err(WriteError::Extension {
                id,
                len: data.len(),
            });
        };
        if self.extensions_at.is_none() {
            self.extensions_at = Some(self.len);
            let [p0, p1] = ONE_BYTE_PROFILE.to_be_bytes();
            self.put(&[p0, p1, 0, 0])?;
        }
        let len = u8::try_from(data.len() - 1).unwrap_or(15);
        self.put(&[(id << 4) | len])?;
        self.put(data)?;
        Ok(self)
    }

    /// Adds header extensions: in the one-byte form where all of them fit it, else in the two-byte form (RFC 8285 section 4.1: one
    /// packet has one form).
    ///
    /// # Errors
    /// [`WriteError`] when an element does not fit either form, or the buffer.
    pub fn extensions(mut self, elements: &[Extension<'_>]) -> Result<Self, WriteError> {
        let fits =
            |element: &Extension<'_>| matches!((element.id, element.data.len()), (1..=14, 1..=16));
        if elements.iter().all(fits) {
            return elements.iter().try_fold(self, |writer, element| {
                writer.extension(element.id, element.data)
            });
        }
        self.extensions_at = Some(self.len);
        let [p0, p1] = TWO_BYTE_PROFILE.to_be_bytes();
        self.put(&[p0, p1, 0, 0])?;
        for &Extension { id, data } in elements {
            let len =
                u8::try_from(data.len())
                    .ok()
                    .filter(|_| id > 0)
                    .ok_or(WriteError::Extension {
                        id,
                        len: data.len(),
                    })?;
            self.put(&[id, len])?;
            self.put(data)?;
        }
        Ok(self)
    }

    /// Adds the payload and ends the packet; returns the packet's length in the buffer.
    ///
    /// # Errors
    /// [`WriteError::BufferTooSmall`].
    pub fn payload(mut self, payload: &[u8]) -> Result<usize, WriteError> {
        if let Some(start) = self.extensions_at {
            while !(self.len - start).is_multiple_of(4) {
                self.put(&[0])?;
            }
            let words = u16::try_from((self.len - start) / 4 - 1)
                .map_err(|_| WriteError::BufferTooSmall)?;
            if let Some(first) = self.buffer.first_mut() {
                *first |= 0x10;
            }
            if let Some(field) = self.buffer.get_mut(start + 2..start + 4) {
                field.copy_from_slice(&words.to_be_bytes());
            }
        }
        self.put(payload)?;
        Ok(self.len)
    }

    fn put(&mut self, bytes: &[u8]) -> Result<(), WriteError> {
        let end = self.len + bytes.len();
        self.buffer
            .get_mut(self.len..end)
            .ok_or(WriteError::BufferTooSmall)?
            .copy_from_slice(bytes);
        self.len = end;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const HEADER: Header = Header {
        marker: true,
        payload_type: 111,
        sequence: 0xFFFE,
        timestamp: 0x8000_0001,
        ssrc: 0xDEAD_BEEF,
    };

    #[test]
    fn reads_the_fixed_header_bit_by_bit() {
        let bytes = [
            0x80, 0xEF, 0xFF, 0xFE, 0x80, 0, 0, 1, 0xDE, 0xAD, 0xBE, 0xEF, 1, 2, 3,
        ];
        let packet = Packet::parse(&bytes).unwrap();
        assert_eq!(packet.header(), HEADER);
        assert_eq!(packet.payload(), [1, 2, 3]);
        assert_eq!(packet.header_len(), 12);
    }

    #[test]
    fn contributing_sources_and_padding_are_taken_off_the_payload() {
        let mut bytes = vec![
            0xA2, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 3, 0, 0, 0, 4, 0, 0, 0, 5,
        ];
        bytes.extend([9, 9, 0, 0, 3]);
        let packet = Packet::parse(&bytes).unwrap();
        assert_eq!(packet.contributing_sources().collect::<Vec<_>>(), [4, 5]);
        assert_eq!(packet.payload(), [9, 9]);
    }

    #[test]
    fn padding_that_does_not_fit_is_refused() {
        let mut bytes = vec![0xA0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 3];
        assert_eq!(
            Packet::parse(&bytes).unwrap_err(),
            Malformed::Truncated("padding")
        );
        bytes.extend([1, 0]);
        assert_eq!(Packet::parse(&bytes).unwrap_err(), Malformed::Padding(0));
        *bytes.last_mut().unwrap() = 3;
        assert_eq!(Packet::parse(&bytes).unwrap_err(), Malformed::Padding(3));
    }

    #[test]
    fn two_byte_extensions_are_read_and_foreign_profiles_skipped() {
        let mut bytes = vec![0x90, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 3, 0x10, 0x05, 0, 2];
        bytes.extend([20, 0, 0, 21, 3, 7, 8, 9]);
        bytes.push(42);
        let packet = Packet::parse(&bytes).unwrap();
        assert_eq!(packet.extension(20), Some(&[][..]));
        assert_eq!(packet.extension(21), Some(&[7, 8, 9][..]));
        assert_eq!(packet.payload(), [42]);
        bytes[12] = 0x77;
        let packet = Packet::parse(&bytes).unwrap();
        assert_eq!(packet.extensions().count(), 0);
        assert_eq!(packet.payload(), [42]);
    }

    #[test]
    fn the_form_is_the_shorter_one_that_holds_all_elements() {
        let write = |elements: &[Extension<'_>]| {
            let mut buffer = [0; 128];
            let len = Writer::new(&mut buffer, HEADER)
                .and_then(|writer| writer.extensions(elements))
                .and_then(|writer| writer.payload(&[42]))
                .unwrap();
            buffer[..len].to_vec()
        };
        let level = Extension {
            id: 1,
            data: &[0x8C],
        };
        let mid = Extension {
            id: 4,
            data: b"audio",
        };
        // RFC 8285 section 4.2: id and length less one in a byte, padded to words.
        let one_byte = write(&[level, mid]);
        let expected = [
            0xBE, 0xDE, 0, 2, 0x10, 0x8C, 0x44, b'a', b'u', b'd', b'i', b'o', 42,
        ];
        assert_eq!(one_byte[12..], expected);
        // Section 4.3: one number beyond 14 puts all of them into the other form.
        let mid = Extension { id: 200, ..mid };
        let two_byte = write(&[level, mid]);
        assert_eq!(two_byte[12..16], [0x10, 0, 0, 3]);
        let packet = Packet::parse(&two_byte).unwrap();
        assert_eq!(packet.extension(1), Some(&[0x8C][..]));
        assert_eq!(packet.extension(200), Some(&b"audio"[..]));
        assert_eq!(packet.payload(), [42]);
        assert_eq!(write(&[])[0], 0x80, "none is none");
    }

    #[test]
    fn a_broken_extension_length_ends_the_list_and_keeps_the_payload() {
        let mut bytes = vec![0x90, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 3, 0xBE, 0xDE, 0, 1];
        bytes.extend([0x1F, 1, 2, 3, 42]);
        let packet = Packet::parse(&bytes).unwrap();
        assert_eq!(packet.extension(1), None);
        assert_eq!(packet.payload(), [42]);
    }

    #[test]
    fn rtcp_is_told_from_rtp_by_the_second_byte() {
        assert!(is_rtcp(&[0x80, 200]));
        assert!(is_rtcp(&[0x80, 207]));
        assert!(!is_rtcp(&[0x80, 111 | 0x80]), "PT 111 with marker is 239");
        assert!(!is_rtcp(&[0x80]));
    }

    #[test]
    fn a_small_buffer_is_an_error_and_not_a_panic() {
        for len in 0..20 {
            let mut buffer = vec![0; len];
            let written = Writer::new(&mut buffer, HEADER)
                .and_then(|writer| writer.extension(1, &[5]))
                .and_then(|writer| writer.payload(&[1]));
            assert_eq!(written.ok(), None, "{len}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_parsed_without_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200), version_ok: bool) {
            let mut bytes = bytes;
            if let (true, Some(first)) = (version_ok, bytes.first_mut()) {
                *first = (*first & 0x3F) | 0x80;
            }
            if let Ok(packet) = Packet::parse(&bytes) {
                prop_assert!(packet.header_len() + packet.payload().len() <= bytes.len());
                prop_assert!(packet.extensions().map(|e| e.data.len()).sum::<usize>() <= bytes.len());
            }
        }

        #[test]
        fn what_is_written_is_read(
            marker: bool, payload_type in 0u8..128, sequence: u16, timestamp: u32, ssrc: u32,
            extensions in proptest::collection::vec((1u8..15, proptest::collection::vec(any::<u8>(), 1..17)), 0..5),
            payload in proptest::collection::vec(any::<u8>(), 0..300),
        ) {
            let header = Header { marker, payload_type, sequence, timestamp, ssrc };
            let mut buffer = [0; 512];
            let mut writer = Writer::new(&mut buffer, header).unwrap();
            for (id, data) in &extensions {
                writer = writer.extension(*id, data).unwrap();
            }
            let len = writer.payload(&payload).unwrap();
            let packet = Packet::parse(&buffer[..len]).unwrap();
            prop_assert_eq!(packet.header(), header);
            prop_assert_eq!(packet.payload(), &payload[..]);
            let read: Vec<_> = packet.extensions().map(|e| (e.id, e.data.to_vec())).collect();
            prop_assert_eq!(read, extensions);
        }
    }
}
