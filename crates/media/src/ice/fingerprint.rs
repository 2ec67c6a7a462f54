//! FINGERPRINT of STUN (RFC 8489, section 14.7): tells a check from other packets that look like one.

use crc::{CRC_32_ISO_HDLC, Crc};

const CRC: Crc<u32> = Crc::<u32>::new(&CRC_32_ISO_HDLC);

/// "STUN": keeps the value apart from a CRC that an application may have at the same place.
const MASK: u32 = 0x5354_554e;

/// Type and length of the attribute. It is the last one of a message.
const HEADER: [u8; 4] = [0x80, 0x28, 0x00, 0x04];

/// Whether the message ends with a fingerprint that is not its own. Without any, there is nothing to object to.
pub(crate) fn is_wrong(message: &[u8]) -> bool {
    let Some((body, attribute)) = message.split_last_chunk::<8>() else {
        return false;
    };
    let Some(value) = attribute.strip_prefix(&HEADER) else {
        return false;
    };
    value != (CRC.checksum(body) ^ MASK).to_be_bytes()
}
