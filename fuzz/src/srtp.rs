//! SRTP and SRTCP: what one end protects, changed on its way, at the other end, in every profile.

use offhook_media::srtp::inbound::Inbound;
use offhook_media::srtp::keys::MasterKey;
use offhook_media::srtp::outbound::Outbound;
use offhook_media::srtp::profile::SrtpProfile;

use crate::instructions::{Instruction, Wire, next};

/// One end protects, the other opens.
const OPENS: usize = 1;

/// The first byte chooses the profile and where sequence numbers begin; instructions follow. `Speak` protects the next packet: RTP
/// at end 0, RTCP at end 1.
///
/// # Panics
/// When a packet is accepted that was never protected, or twice.
pub fn run(data: &[u8]) {
    let Some((&first, mut data)) = data.split_first() else {
        return;
    };
    let profile = SrtpProfile::ALL[usize::from(first) % SrtpProfile::ALL.len()];
    let key = |of: u8| {
        MasterKey::new(
            profile,
            &[of; 32][..profile.key_len()],
            &[7; 14][..profile.salt_len()],
        )
    };
    let (Some(ours), Some(theirs)) = (key(1), key(1)) else {
        return;
    };
    let mut outbound = Outbound::new(&ours);
    let mut inbound = Inbound::new(&theirs, 4);
    let mut wire = Wire::default();
    // Near the rollover in half of all runs.
    let mut sequence = if first & 128 == 0 { 1 } else { 65_500_u16 };
    let mut spoken: Vec<Vec<u8>> = Vec::new();
    let mut opened: Vec<Vec<u8>> = Vec::new();
    while let Some((instruction, rest)) = next(data) {
        data = rest;
        if let Instruction::Speak(kind) = instruction {
            let plain = if kind == 0 {
                rtp(sequence)
            } else {
                rtcp(sequence)
            };
            sequence = sequence.wrapping_add(1);
            let mut packet = plain.clone();
            let protected = if kind == 0 {
                outbound.protect_rtp(&mut packet)
            } else {
                outbound.protect_rtcp(&mut packet)
            };
            if protected.is_ok() {
                spoken.push(plain);
                wire.send(1 - OPENS, packet);
            }
            continue;
        }
        let Some((OPENS, mut packet)) = wire.apply(instruction) else {
            continue;
        };
        let reports = packet.get(1).is_some_and(|kind| (192..=223).contains(kind));
        let plain = if reports {
            inbound.open_rtcp(&mut packet)
        } else {
            inbound.open_rtp(&mut packet)
        };
        if let Ok(plain) = plain {
            assert!(spoken.iter().any(|said| said == plain), "nobody said that");
            assert!(
                !opened.iter().any(|before| before == plain),
                "accepted twice"
            );
            opened.push(plain.to_vec());
        }
    }
}

/// A packet of a source of its own number each, so that no two are alike.
fn rtp(sequence: u16) -> Vec<u8> {
    let mut packet = vec![0x80, 111];
    packet.extend(sequence.to_be_bytes());
    packet.extend(u32::from(sequence).to_be_bytes());
    packet.extend([0, 0, 0, 9]);
    packet.extend([0xab; 20]);
    packet
}

/// A receiver report that carries the number.
fn rtcp(sequence: u16) -> Vec<u8> {
    let mut packet = vec![0x81, 201, 0, 7, 0, 0, 0, 9];
    packet.extend([0; 8]);
    packet.extend(u32::from(sequence).to_be_bytes());
    packet.extend([0; 12]);
    packet
}
