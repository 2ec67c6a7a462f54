//! How data of peers goes to a TURN server and comes from it (RFC 8656, sections 11 and 12): in indications or on channels, in
//! datagrams or in a stream.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::ops::Range;

/// The header of a STUN message (RFC 8489, section 5).
const HEADER: usize = 20;
const COOKIE: [u8; 4] = 0x2112_a442_u32.to_be_bytes();
const SEND: [u8; 2] = [0x00, 0x16];
const DATA: [u8; 2] = [0x00, 0x17];
pub(super) const XOR_PEER_ADDRESS: u16 = 0x0012;
const DATA_ATTRIBUTE: u16 = 0x0013;

/// Channels there are (RFC 8656, section 12).
pub(super) const CHANNELS: Range<u16> = 0x4000..0x5000;

/// What something from the server is, by its first byte.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// A STUN message: an answer, or data of a peer.
    Stun,
    /// Data on a channel.
    Channel,
    /// Nothing of TURN.
    Other,
}

pub(super) fn kind(bytes: &[u8]) -> Kind {
    match bytes.first() {
        Some(0..=3) => Kind::Stun,
        Some(0x40..=0x4f) => Kind::Channel,
        Some(_) | None => Kind::Other,
    }
}

/// The number of a channel, and where its data is.
pub(super) fn channel_data(bytes: &[u8]) -> Option<(u16, Range<usize>)> {
    let number = u16::from_be_bytes(*bytes.first_chunk()?);
    let length = usize::from(u16::from_be_bytes(*bytes.get(2..)?.first_chunk()?));
    let data = 4..4 + length;
    bytes.get(data.clone())?;
    CHANNELS.contains(&number).then_some((number, data))
}

/// Whether a message is a Data indication.
pub(super) fn is_data(bytes: &[u8]) -> bool {
    bytes.starts_with(&DATA)
}

/// Whose data an indication holds, and where it is; `None`: none (an ICMP error of RFC 8656, section 11.4), or it makes no sense.
pub(super) fn data(bytes: &[u8]) -> Option<(SocketAddr, Range<usize>)> {
    let (mut peer, mut data) = (None, None);
    let transaction = bytes.get(8..HEADER)?;
    let mut at = HEADER;
    while let Some(head) = bytes.get(at..).and_then(<[u8]>::first_chunk::<4>) {
        let kind = u16::from_be_bytes([head[0], head[1]]);
        let length = usize::from(u16::from_be_bytes([head[2], head[3]]));
        let value = at + 4..at + 4 + length;
        let content = bytes.get(value.clone())?;
        match kind {
            XOR_PEER_ADDRESS => peer = peer.or(Some(unmasked(content, transaction)?)),
            DATA_ATTRIBUTE => data = data.or_else(|| Some(value.clone())),
            _ => {}
        }
        at = value.start + length.next_multiple_of(4);
    }
    peer.zip(data)
}

fn unmasked(value: &[u8], transaction: &[u8]) -> Option<SocketAddr> {
    let [_, family, high, low, address @ ..] = value else {
        return None;
    };
    let port = u16::from_be_bytes([high ^ COOKIE[0], low ^ COOKIE[1]]);
    let mask = COOKIE.iter().chain(transaction);
    let mut bytes = address.iter().zip(mask).map(|(byte, mask)| byte ^ mask);
    let ip: IpAddr = match (family, address.len()) {
        (1, 4) => Ipv4Addr::from(std::array::from_fn(|_| bytes.next().unwrap_or_default())).into(),
        (2, 16) => Ipv6Addr::from(std::array::from_fn(|_| bytes.next().unwrap_or_default())).into(),
        _ => return None,
    };
    Some(SocketAddr::new(ip, port))
}

/// The value of XOR-PEER-ADDRESS in a message of this transaction.
pub(super) fn masked(peer: SocketAddr, transaction: [u8; 12]) -> ([u8; 20], usize) {
    let mut value = [0; 20];
    let port = peer.port().to_be_bytes();
    value[2..4].copy_from_slice(&[port[0] ^ COOKIE[0], port[1] ^ COOKIE[1]]);
    let length = match peer.ip() {
        IpAddr::V4(ip) => {
            value[1] = 1;
            value[4..8].copy_from_slice(&ip.octets());
            8
        }
        IpAddr::V6(ip) => {
            value[1] = 2;
            value[4..20].copy_from_slice(&ip.octets());
            20
        }
    };
    let mask = COOKIE.iter().chain(&transaction);
    for (byte, mask) in value[4..length].iter_mut().zip(mask) {
        *byte ^= mask;
    }
    (value, length)
}

/// Writes a Send indication; `None`: so much fits into none.
pub(super) fn write_send(
    packet: &mut Vec<u8>,
    peer: SocketAddr,
    transaction: [u8; 12],
    bytes: &[u8],
) -> Option<()> {
    let (address, length) = masked(peer, transaction);
    let padded = bytes.len().next_multiple_of(4);
    let whole = u16::try_from(4 + length + 4 + padded).ok()?;
    let size = u16::try_from(bytes.len()).ok()?;
    packet.clear();
    packet.extend_from_slice(&SEND);
    packet.extend_from_slice(&whole.to_be_bytes());
    packet.extend_from_slice(&COOKIE);
    packet.extend_from_slice(&transaction);
    packet.extend_from_slice(&XOR_PEER_ADDRESS.to_be_bytes());
    packet.extend_from_slice(&[0, u8::try_from(length).ok()?]);
    packet.extend_from_slice(&address[..length]);
    packet.extend_from_slice(&DATA_ATTRIBUTE.to_be_bytes());
    packet.extend_from_slice(&size.to_be_bytes());
    packet.extend_from_slice(bytes);
    packet.resize(HEADER + usize::from(whole), 0);
    Some(())
}

/// Writes data on a channel, in a stream with what keeps the next message at a multiple of four (RFC 8656, section 12.5).
pub(super) fn write_channel(
    packet: &mut Vec<u8>,
    number: u16,
    bytes: &[u8],
    in_stream: bool,
) -> Option<()> {
    let size = u16::try_from(bytes.len()).ok()?;
    packet.clear();
    packet.extend_from_slice(&number.to_be_bytes());
    packet.extend_from_slice(&size.to_be_bytes());
    packet.extend_from_slice(bytes);
    if in_stream {
        packet.resize(packet.len().next_multiple_of(4), 0);
    }
    Some(())
}

/// A stream holds what is no message of TURN: it has lost its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Broken;

/// The first message of a stream, and how far it reaches with what follows to a multiple of four; `None`: it is not all there yet.
pub(super) fn first_message(stream: &[u8]) -> Result<Option<(&[u8], usize)>, Broken> {
    let Some(head) = stream.first_chunk::<4>() else {
        return Ok(None);
    };
    let length = usize::from(u16::from_be_bytes([head[2], head[3]]));
    let whole = match kind(stream) {
        Kind::Stun if !length.is_multiple_of(4) => return Err(Broken),
        Kind::Stun => HEADER + length,
        Kind::Channel => 4 + length,
        Kind::Other => return Err(Broken),
    };
    let cookie = stream.get(4..8).filter(|_| kind(stream) == Kind::Stun);
    if cookie.is_some_and(|it| it != COOKIE) {
        return Err(Broken);
    }
    let reach = whole.next_multiple_of(4);
    Ok(stream.get(..reach).map(|it| (&it[..whole], reach)))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const TRANSACTION: [u8; 12] = *b"transaction.";

    /// As the server turns a Send into a Data indication.
    fn sent(peer: &str, bytes: &[u8]) -> Vec<u8> {
        let mut packet = Vec::new();
        write_send(&mut packet, peer.parse().unwrap(), TRANSACTION, bytes).unwrap();
        packet[1] = DATA[1];
        packet
    }

    #[test]
    fn data_of_either_family_and_any_length_is_read_as_it_was_written() {
        for peer in ["192.0.2.7:4000", "[2001:db8::7]:65535"] {
            for length in [0, 1, 3, 4, 160] {
                let bytes = vec![7; length];
                let packet = sent(peer, &bytes);
                assert!(is_data(&packet));
                let (from, range) = data(&packet).unwrap();
                assert_eq!(from, peer.parse::<SocketAddr>().unwrap());
                assert_eq!(packet[range], bytes);
                assert_eq!(first_message(&packet).unwrap().unwrap().1, packet.len());
            }
        }
    }

    #[test]
    fn a_stream_is_taken_apart_at_its_messages() {
        let mut stream = Vec::new();
        let mut packet = Vec::new();
        for length in [5, 160, 0] {
            write_channel(&mut packet, 0x4001, &vec![9; length], true).unwrap();
            stream.extend_from_slice(&packet);
            stream.extend_from_slice(&sent("192.0.2.7:4000", &[1; 3]));
        }
        // However it comes in pieces.
        for piece in 1..stream.len() {
            let (mut unread, mut lengths) = (Vec::new(), Vec::new());
            for bytes in stream.chunks(piece) {
                unread.extend_from_slice(bytes);
                while let Some((message, reach)) = first_message(&unread).unwrap() {
                    let range = match kind(message) {
                        Kind::Channel => channel_data(message).unwrap().1,
                        Kind::Stun | Kind::Other => data(message).unwrap().1,
                    };
                    lengths.push(range.len());
                    unread.drain(..reach);
                }
            }
            assert_eq!(lengths, [5, 3, 160, 3, 0, 3], "{piece}");
            assert!(unread.is_empty());
        }
        for broken in [
            &b"SSH-2.0-open"[..],
            &[0, 1, 0, 3],
            &[0, 1, 0, 0, 1, 2, 3, 4],
        ] {
            assert_eq!(first_message(broken), Err(Broken), "{broken:?}");
        }
    }

    proptest! {
        #[test]
        fn nothing_that_comes_in_can_harm(bytes: Vec<u8>, first in 0_u8..0x50) {
            let mut framed = bytes.clone();
            framed.insert(0, first);
            for bytes in [&bytes, &framed] {
                let _ = (kind(bytes), channel_data(bytes), data(bytes), first_message(bytes));
            }
        }
    }
}
