//! Checks datagrams before the handshake implementation sees them, and numbers those that go out (RFC 6347).
//!
//! The implementation behind this answers undecodable records with a fatal alert and keeps every handshake fragment in
//! memory. Anyone who can spoof an address could use either, so nothing passes but well-formed records, and not too
//! many of them.

/// Bytes of a record header: type, version, epoch, sequence number, length.
const RECORD_HEADER: usize = 13;

/// Bytes of a handshake header: type, length, message number, fragment offset and length.
const HANDSHAKE_HEADER: usize = 12;

/// The longest handshake message taken: a chain of several 4096-bit certificates fits.
const MAX_MESSAGE: usize = 1 << 16;

const CHANGE_CIPHER_SPEC: u8 = 20;
const ALERT: u8 = 21;
const HANDSHAKE: u8 = 22;
const APPLICATION_DATA: u8 = 23;

/// What a well-formed datagram holds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Contents {
    pub(crate) records: usize,
    pub(crate) handshake_records: usize,
    pub(crate) alert_records: usize,
}

/// `None` when any record is not one that DTLS 1.2 may send.
pub(crate) fn inspect(datagram: &[u8]) -> Option<Contents> {
    let mut contents = Contents::default();
    let mut rest = datagram;
    while !rest.is_empty() {
        let (header, after) = rest.split_first_chunk::<RECORD_HEADER>()?;
        let [kind, major, minor, epoch @ .., high, low] = *header;
        let length = usize::from(u16::from_be_bytes([high, low]));
        let (body, after) = after.split_at_checked(length)?;
        // DTLS 1.0 stands in the first ClientHello for the sake of old middleboxes.
        let known_version = major == 254 && (minor == 255 || minor == 253);
        let plain = epoch[..2] == [0, 0];
        if !known_version || body.is_empty() || !is_acceptable(kind, plain, body) {
            return None;
        }
        contents.records += 1;
        contents.handshake_records += usize::from(kind == HANDSHAKE);
        contents.alert_records += usize::from(kind == ALERT);
        rest = after;
    }
    (contents.records > 0).then_some(contents)
}

fn is_acceptable(kind: u8, plain: bool, body: &[u8]) -> bool {
    match kind {
        CHANGE_CIPHER_SPEC => !plain || body == [1],
        ALERT => !plain || body.len() == 2,
        HANDSHAKE => !plain || are_handshake_messages(body),
        APPLICATION_DATA => !plain,
        _ => false,
    }
}

/// Whole messages, or one fragment at the end of the record.
fn are_handshake_messages(body: &[u8]) -> bool {
    let mut rest = body;
    while !rest.is_empty() {
        let Some((header, after)) = rest.split_first_chunk::<HANDSHAKE_HEADER>() else {
            return false;
        };
        let length = uint24(header[1], header[2], header[3]);
        let offset = uint24(header[6], header[7], header[8]);
        let fragment = uint24(header[9], header[10], header[11]);
        let is_whole = fragment == length;
        let fits = length <= MAX_MESSAGE && offset + fragment <= length;
        let empty_fragment = fragment == 0 && length > 0;
        let Some((_, after)) = after.split_at_checked(fragment) else {
            return false;
        };
        if !fits || empty_fragment || !(is_whole || after.is_empty()) {
            return false;
        }
        rest = after;
    }
    true
}

fn uint24(high: u8, middle: u8, low: u8) -> usize {
    usize::from(high) << 16 | usize::from(middle) << 8 | usize::from(low)
}

/// Gives the unencrypted records of an outgoing datagram the next record numbers.
///
/// Numbers of unencrypted records are bound to nothing, so that a flight can be repeated from memory and still count as
/// new to the far end's replay detection. Encrypted records keep theirs.
pub(crate) fn renumber(datagram: &mut [u8], next: &mut u64) {
    let mut rest = datagram;
    while let Some((header, after)) = rest.split_first_chunk_mut::<RECORD_HEADER>() {
        let [_, _, _, epoch_high, epoch_low, number @ .., high, low] = header;
        if [*epoch_high, *epoch_low] == [0, 0] {
            let [_, _, bytes @ ..] = next.to_be_bytes();
            *number = bytes;
            *next += 1;
        }
        let length = usize::from(u16::from_be_bytes([*high, *low]));
        let Some((_, after)) = after.split_at_mut_checked(length) else {
            return;
        };
        rest = after;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{Contents, inspect, renumber};

    fn record(kind: u8, epoch: u8, body: &[u8]) -> Vec<u8> {
        let mut record = vec![kind, 254, 253, 0, epoch, 0, 0, 0, 0, 0, 7];
        record.extend_from_slice(&u16::try_from(body.len()).unwrap().to_be_bytes());
        record.extend_from_slice(body);
        record
    }

    fn message(length: u8, offset: u8, fragment: &[u8]) -> Vec<u8> {
        let mut message = vec![1, 0, 0, length, 0, 0, 0, 0, offset, 0, 0];
        message.push(u8::try_from(fragment.len()).unwrap());
        message.extend_from_slice(fragment);
        message
    }

    #[test]
    fn several_records_in_a_datagram_are_counted() {
        let datagram = [
            record(22, 0, &message(3, 0, b"abc")),
            record(20, 0, &[1]),
            record(22, 1, b"sealed"),
        ]
        .concat();
        assert_eq!(
            inspect(&datagram),
            Some(Contents {
                records: 3,
                handshake_records: 2,
                alert_records: 0,
            })
        );
    }

    #[test]
    fn what_would_be_answered_with_a_fatal_alert_does_not_pass() {
        for datagram in [
            record(23, 0, b"application data in the clear"),
            record(21, 0, b"a long alert"),
            record(20, 0, &[2]),
            record(99, 1, b"no such type"),
            record(22, 0, &message(3, 2, b"beyond the message")),
            record(22, 0, &message(200, 0, b"")),
            record(22, 0, b"short"),
            b"\x16\xfe\xfd".to_vec(),
            Vec::new(),
        ] {
            assert_eq!(inspect(&datagram), None, "{datagram:?}");
        }
    }

    #[test]
    fn only_unencrypted_records_get_new_numbers() {
        let mut datagram = [record(22, 0, b"one"), record(22, 1, b"two")].concat();
        let mut next = 0x0102;
        renumber(&mut datagram, &mut next);
        assert_eq!(next, 0x0103);
        assert_eq!(datagram[5..11], [0, 0, 0, 0, 1, 2]);
        assert_eq!(datagram[16 + 5..16 + 11], [0, 0, 0, 0, 0, 7]);
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(mut datagram in proptest::collection::vec(any::<u8>(), 0..100)) {
            let _ = inspect(&datagram);
            renumber(&mut datagram, &mut 0);
        }
    }
}
