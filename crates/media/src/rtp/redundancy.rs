//! RED (RFC 2198): each packet carries the one before it once more, so that a lonely loss costs nothing but bytes.

/// Most blocks of one payload that are read; more are no telephony.
pub const MAX_BLOCKS: usize = 8;
/// Longest payload that we make: the usual path takes it with all headers.
const MAX_PAYLOAD: usize = 1_100;
/// Length of a redundant block's header, and of the last one's.
const REDUNDANT_HEADER: usize = 4;
const PRIMARY_HEADER: usize = 1;
/// What fits the 14 bits of a timestamp offset and the 10 bits of a block's length.
const MAX_OFFSET: u32 = (1 << 14) - 1;
const MAX_BLOCK: usize = (1 << 10) - 1;

/// One block of a payload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Block<'a> {
    /// What it holds.
    pub payload_type: u8,
    /// How much earlier than the packet's timestamp it begins, in ticks of the RTP clock; 0 for the primary one.
    pub timestamp_offset: u32,
    /// The payload proper; may be empty.
    pub payload: &'a [u8],
}

/// The blocks of one payload, oldest first; the last one is the primary.
#[derive(Debug, Clone, Copy)]
pub struct Blocks<'a> {
    headers: &'a [u8],
    payloads: &'a [u8],
    left: usize,
}

/// The payload is not RED, or of more than [`MAX_BLOCKS`] blocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the RED payload is cut short, or has more than {MAX_BLOCKS} blocks")]
pub struct Malformed;

impl<'a> Blocks<'a> {
    /// Checks a payload.
    ///
    /// # Errors
    /// [`Malformed`] when the lengths inside do not fit it.
    pub fn parse(payload: &'a [u8]) -> Result<Self, Malformed> {
        let mut rest = payload;
        let mut redundant = 0;
        let mut count = 1;
        while rest.first().is_some_and(|first| first & 0x80 != 0) {
            let (&[_, _, b2, b3], after) = rest.split_first_chunk().ok_or(Malformed)?;
            redundant += usize::from(u16::from_be_bytes([b2, b3])) & MAX_BLOCK;
            count += 1;
            rest = after;
        }
        let (_, payloads) = rest.split_first().ok_or(Malformed)?;
        if count > MAX_BLOCKS || redundant > payloads.len() {
            return Err(Malformed);
        }
        Ok(Self {
            headers: payload,
            payloads,
            left: count,
        })
    }

    /// How many blocks are left.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.left
    }

    /// None is left.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.left == 0
    }
}

impl<'a> Iterator for Blocks<'a> {
    type Item = Block<'a>;

    fn next(&mut self) -> Option<Block<'a>> {
        self.left = self.left.checked_sub(1)?;
        let (&first, after) = self.headers.split_first()?;
        if first & 0x80 == 0 {
            return Some(Block {
                payload_type: first,
                timestamp_offset: 0,
                payload: self.payloads,
            });
        }
        let (&[b1, b2, b3], after) = after.split_first_chunk()?;
        self.headers = after;
        let fields = u32::from_be_bytes([0, b1, b2, b3]);
        let (payload, rest) = self
            .payloads
            .split_at_checked(usize::from(u16::from_be_bytes([b2, b3])) & MAX_BLOCK)?;
        self.payloads = rest;
        Some(Block {
            payload_type: first & 0x7F,
            timestamp_offset: fields >> 10,
            payload,
        })
    }
}

/// Keeps the last payload that was sent, and writes it before the next one.
#[derive(Debug, Default)]
pub struct RedundantSender {
    last: Vec<u8>,
    /// Sequence number and timestamp that it went under.
    sent: Option<(u16, u32)>,
}

impl RedundantSender {
    /// Writes the RED payload of the packet with this number and timestamp into `into`: `payload`, and the one of the packet just
    /// before it, where there was one and both fit.
    pub fn write(
        &mut self,
        payload_type: u8,
        payload: &[u8],
        (sequence, timestamp): (u16, u32),
        into: &mut Vec<u8>,
    ) {
        let whole = REDUNDANT_HEADER + self.last.len() + PRIMARY_HEADER + payload.len();
        let offset = self
            .sent
            .filter(|(before, _)| before.wrapping_add(1) == sequence)
            .map(|(_, before)| timestamp.wrapping_sub(before))
            .filter(|offset| (1..=MAX_OFFSET).contains(offset))
            .filter(|_| self.last.len() <= MAX_BLOCK && whole <= MAX_PAYLOAD);
        into.clear();
        if let Some(offset) = offset {
            let length = u32::try_from(self.last.len()).unwrap_or(0);
            let [_, b1, b2, b3] = ((offset << 10) | length).to_be_bytes();
            into.extend_from_slice(&[0x80 | payload_type, b1, b2, b3]);
        }
        into.push(payload_type & 0x7F);
        if offset.is_some() {
            into.extend_from_slice(&self.last);
        }
        into.extend_from_slice(payload);
        self.last.clear();
        self.last.extend_from_slice(payload);
        self.sent = Some((sequence, timestamp));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_drawing_of_rfc_2198_section_4_is_read() {
        // A DVI4 primary (5) with one LPC block (7), 160 ticks before it, here of three bytes.
        let payload = [0x87, 0x02, 0x80, 0x03, 0x05, 1, 2, 3, 9, 8];
        let blocks: Vec<_> = Blocks::parse(&payload).unwrap().collect();
        let redundant = Block {
            payload_type: 7,
            timestamp_offset: 160,
            payload: &[1, 2, 3],
        };
        let primary = Block {
            payload_type: 5,
            timestamp_offset: 0,
            payload: &[9, 8],
        };
        assert_eq!(blocks, [redundant, primary]);
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        for payload in [
            &[][..],
            &[0x87],
            &[0x87, 0, 0, 1],
            &[0x87, 0, 0, 1, 5],
            &[0x87, 0, 3, 0xFF, 5, 1, 2],
        ] {
            assert_eq!(Blocks::parse(payload).err(), Some(Malformed), "{payload:?}");
        }
        let many = [0x87, 0, 0, 0].repeat(MAX_BLOCKS);
        assert!(Blocks::parse(&[many, vec![5]].concat()).is_err());
        assert_eq!(Blocks::parse(&[5]).unwrap().len(), 1, "an empty primary");
    }

    #[test]
    fn only_the_packet_just_before_is_repeated() {
        let mut sender = RedundantSender::default();
        let mut packet = Vec::new();
        let mut sent = |payload: &[u8], at| {
            sender.write(111, payload, at, &mut packet);
            let read: Vec<_> = Blocks::parse(&packet)
                .unwrap()
                .map(|block| (block.timestamp_offset, block.payload.to_vec()))
                .collect();
            read
        };
        assert_eq!(sent(b"one", (65_535, 0)), [(0, b"one".to_vec())]);
        assert_eq!(
            sent(b"two", (0, 960)),
            [(960, b"one".to_vec()), (0, b"two".to_vec())]
        );
        // A digit went between them, or the pause was longer than the field.
        assert_eq!(sent(b"three", (2, 2880)).len(), 1);
        assert_eq!(sent(b"four", (3, 2880 + 16_384)).len(), 1);
        assert_eq!(sent(&[7; 1000], (4, 20_000)).len(), 2);
        assert_eq!(sent(&[7; 1000], (5, 20_960)).len(), 1, "too long together");
    }

    proptest! {
        #[test]
        fn any_payload_is_read_without_panic(bytes in proptest::collection::vec(any::<u8>(), 0..100)) {
            if let Ok(blocks) = Blocks::parse(&bytes) {
                let count = blocks.len();
                prop_assert_eq!(blocks.count(), count);
            }
        }
    }
}
