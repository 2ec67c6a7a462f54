//! Published vectors, and what a lossy, reordering or hostile network may do to a stream.

use std::collections::HashSet;

use proptest::prelude::*;

use crate::srtp::inbound::{Inbound, OpenError};
use crate::srtp::keys::MasterKey;
use crate::srtp::outbound::{Outbound, ProtectError};
use crate::srtp::profile::SrtpProfile;

const SSRC: u32 = 0xcafe_babe;

fn master(profile: SrtpProfile) -> MasterKey {
    let salt = [0x5a; 14];
    let key = [0x21; SrtpProfile::MAX_KEY];
    MasterKey::new(
        profile,
        &key[..profile.key_len()],
        &salt[..profile.salt_len()],
    )
    .unwrap()
}

fn ends(profile: SrtpProfile) -> (Outbound, Inbound) {
    let master = master(profile);
    (Outbound::new(&master), Inbound::new(&master, 4))
}

fn rtp(sequence: u16, ssrc: u32, payload: &[u8]) -> Vec<u8> {
    let mut packet = vec![0x80, 111];
    packet.extend_from_slice(&sequence.to_be_bytes());
    packet.extend_from_slice(&[0, 0, 0, 1]);
    packet.extend_from_slice(&ssrc.to_be_bytes());
    packet.extend_from_slice(payload);
    packet
}

fn receiver_report(ssrc: u32) -> Vec<u8> {
    let mut packet = vec![0x80, 201, 0, 1];
    packet.extend_from_slice(&ssrc.to_be_bytes());
    packet.extend_from_slice(b"\x81\xca\0\x03same compound");
    packet
}

fn bytes(hex: &str) -> Vec<u8> {
    let digits: Vec<u8> = hex
        .chars()
        .filter_map(|c| c.to_digit(16))
        .map(|digit| u8::try_from(digit).unwrap())
        .collect();
    digits
        .chunks(2)
        .map(|pair| pair[0] << 4 | pair[1])
        .collect()
}

mod rfc_7714 {
    //! The vectors of RFC 7714 give session keys, not master keys: sealed and opened at the cipher.

    use super::{SSRC, bytes};
    use crate::srtp::cipher::Gcm;

    /// RFC 7714, section 16.
    const SESSION_KEY: &[u8; 16] = &[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15];
    const SALT: &[u8; 12] = b"Quid pro quo";
    const TEXT: &str =
        "47616c6c696120657374206f6d6e69732064697669736120696e207061727465732074726573";

    #[test]
    fn section_16_1_1_srtp() {
        let gcm = Gcm::new(SESSION_KEY, SALT);
        let header = bytes("8040f17b 8041f8d3 5501a0b2");
        let mut text = bytes(TEXT);
        let tag = gcm.seal(0x5501_a0b2, 0xf17b, &header, &mut text).unwrap();
        let mut expected = bytes(
            "f24de3a3fb34de6cacba861c9d7e4bcabe633bd50d294e6f42a5f47a51c7d19b36de3adf8833
             899d7f27beb16a9152cf765ee4390cce",
        );
        let sealed = [text.as_slice(), &tag].concat();
        assert_eq!(sealed, expected);
        let mut opened = sealed;
        gcm.open(0x5501_a0b2, 0xf17b, &header, &mut opened).unwrap();
        assert_eq!(opened[..38], bytes(TEXT));
        assert!(gcm.open(SSRC, 0xf17b, &header, &mut expected).is_err());
    }

    /// Section 16: the longer key goes on where the shorter one ends.
    fn key_of_256_bits() -> Vec<u8> {
        (0..32).collect()
    }

    #[test]
    fn section_16_2_1_srtp_of_256_bits() {
        let gcm = Gcm::new(&key_of_256_bits(), SALT);
        let header = bytes("8040f17b 8041f8d3 5501a0b2");
        let mut text = bytes(TEXT);
        let tag = gcm.seal(0x5501_a0b2, 0xf17b, &header, &mut text).unwrap();
        let expected = bytes(
            "32b1de78a822fe12ef9f78fa332e33aab18012389a58e2f3b50b2a0276ffae0f1ba63799b87b
             7aa3db36dfffd6b0f9bb7878d7a76c13",
        );
        assert_eq!([text.as_slice(), &tag].concat(), expected);
    }

    #[test]
    fn section_17_2_srtcp_of_256_bits() {
        let gcm = Gcm::new(&key_of_256_bits(), SALT);
        let aad = bytes("81c8000d 4d617273 800005d4");
        let mut sealed = bytes(
            "d50ae4d1f5ce5d304ba297e47d470c28 2c3ece5dbffe0a50a2eaa5c1110555be
             8415f658c61de0476f1b6fad1d1eb30c 4446839f57ff6f6cb26ac3be",
        );
        gcm.open(0x4d61_7273, 0x05d4, &aad, &mut sealed).unwrap();
        let text = bytes(
            "4e5450314e545032 52545020 0000042a 0000e930
             4c756e61 deadbeef deadbeef deadbeef deadbeef deadbeef",
        );
        assert_eq!(sealed[..text.len()], text);
    }

    #[test]
    fn section_17_1_srtcp() {
        let gcm = Gcm::new(SESSION_KEY, SALT);
        let aad = bytes("81c8000d 4d617273 800005d4");
        let mut text = bytes(
            "4e5450314e545032 52545020 0000042a 0000e930
             4c756e61 deadbeef deadbeef deadbeef deadbeef deadbeef",
        );
        let tag = gcm.seal(0x4d61_7273, 0x05d4, &aad, &mut text).unwrap();
        let expected = bytes(
            "63e94885dcdab67ca727d7662f6b7e99 7ff5c0f76c06f32dc676a5f1730d6fda
             4ce09b4686303ded0bb9275bc84aa458 96cf4d2fc5abf87245d9eade",
        );
        assert_eq!([text.as_slice(), &tag].concat(), expected);
    }
}

#[test]
fn rfc_3711_b_2_counter_mode_key_stream() {
    use crate::srtp::cipher::CounterMode;
    let mode = CounterMode::from_session_keys(
        &bytes("2B7E151628AED2A6ABF7158809CF4F3C")
            .try_into()
            .unwrap(),
        &bytes("F0F1F2F3F4F5F6F7F8F9FAFBFCFD").try_into().unwrap(),
        &[0; 20],
    );
    let mut stream = [0; 48];
    mode.apply(0, 0, &mut stream);
    assert_eq!(
        stream.to_vec(),
        bytes(
            "E03EAD0935C95E80E166B16DD92B4EB4 D23513162B02D0F72A43A2FE4A5F97AB
             41E95B3BB0A2E8DD477901E4FCA894C0"
        )
    );
}

/// One packet each of RTP and RTCP, as a widely used C implementation protects them with the same master key.
#[test]
fn whole_packets_agree_with_another_implementation() {
    let master = MasterKey::new(
        SrtpProfile::Aes128CmHmacSha1_80,
        &bytes("e1f97a0d3e018be0d64fa32c06de4139"),
        &bytes("0ec675ad498afeebb6960b3aabe6"),
    )
    .unwrap();
    let clear = bytes("800f1234decafbadcafebabeabababababababababababababababab");
    let protected =
        bytes("800f1234decafbadcafebabe4e55dc4ce79978d88ca4d215949d2402b78d6acc99ea179b8dbb");
    let mut packet = clear.clone();
    Outbound::new(&master).protect_rtp(&mut packet).unwrap();
    assert_eq!(packet, protected);
    let mut inbound = Inbound::new(&master, 1);
    assert_eq!(inbound.open_rtp(&mut packet).unwrap(), clear);

    let clear = bytes("81c8000bcafebabeabababababababababababababababab");
    let protected =
        bytes("81c8000bcafebabe7128035be487b9bdbef89041f977a5a880000001993e08cd54d6c1230798");
    let mut packet = clear.clone();
    let mut outbound = Outbound::new(&master);
    outbound.resume(SSRC, None, 1);
    outbound.protect_rtcp(&mut packet).unwrap();
    assert_eq!(packet, protected);
    assert_eq!(inbound.open_rtcp(&mut packet).unwrap(), clear);
}

/// A far end may send before we have keys: the first packet that can be opened has a rollover behind it then.
#[test]
fn a_source_that_is_past_its_wrap_when_it_is_first_heard_is_heard() {
    for profile in SrtpProfile::ALL {
        let (mut outbound, mut inbound) = ends(profile);
        let mut sent = |sequence: u16, ssrc| {
            let mut packet = rtp(sequence, ssrc, b"still there?");
            outbound.protect_rtp(&mut packet).unwrap();
            packet
        };
        let mut late: Vec<_> = (65_500..=65_535).map(|it| sent(it, SSRC)).collect();
        let after: Vec<_> = (0..50).map(|it| sent(it, SSRC)).collect();
        let mut damaged = after[3].clone();
        damaged[14] ^= 1;
        let refused = inbound.open_rtp(&mut damaged);
        assert_eq!(refused, Err(OpenError::BadAuthentication), "{profile:?}");
        for (sequence, packet) in (0..).zip(&after) {
            let opened = inbound.open_rtp(&mut packet.clone()).map(<[u8]>::to_vec);
            let clear = rtp(sequence, SSRC, b"still there?");
            assert_eq!(opened, Ok(clear), "{profile:?}");
            let replayed = inbound.open_rtp(&mut packet.clone()).map(<[u8]>::to_vec);
            assert_eq!(replayed, Err(OpenError::Replay), "{profile:?}");
        }
        // What the network kept back is of the rollover before.
        assert!(inbound.open_rtp(&mut late[35]).is_ok(), "{profile:?}");
        // Another source begins as low, and has no rollover.
        let mut first = sent(7, SSRC + 1);
        assert!(inbound.open_rtp(&mut first).is_ok(), "{profile:?}");
        assert!(inbound.open_rtp(&mut sent(8, SSRC + 1)).is_ok());
    }
}

#[test]
fn the_sender_never_uses_an_index_twice() {
    let (mut outbound, _) = ends(SrtpProfile::AeadAes128Gcm);
    outbound.protect_rtp(&mut rtp(10, SSRC, b"one")).unwrap();
    let before = rtp(10, SSRC, b"two");
    let mut again = before.clone();
    assert_eq!(
        outbound.protect_rtp(&mut again),
        Err(ProtectError::SequenceReused)
    );
    assert_eq!(again, before);
    outbound.protect_rtp(&mut rtp(12, SSRC, b"four")).unwrap();
    outbound.protect_rtp(&mut rtp(11, SSRC, b"three")).unwrap();
    for used in [10, 11, 12] {
        let refused = outbound.protect_rtp(&mut rtp(used, SSRC, b"again"));
        assert_eq!(refused, Err(ProtectError::SequenceReused));
    }
    outbound
        .protect_rtp(&mut rtp(500, SSRC, b"far on"))
        .unwrap();
    let refused = outbound.protect_rtp(&mut rtp(13, SSRC, b"too old to tell"));
    assert_eq!(refused, Err(ProtectError::SequenceReused));
    outbound
        .protect_rtp(&mut rtp(10, 7, b"other source"))
        .unwrap();
}

/// The short tags are the long ones' first four bytes, and nothing else changes (RFC 3711 section 4.2); reports keep the long ones.
#[test]
fn short_tags_are_cut_for_media_only() {
    let long = master(SrtpProfile::Aes128CmHmacSha1_80);
    let short = master(SrtpProfile::Aes128CmHmacSha1_32);
    let (mut whole, mut cut) = (rtp(5, SSRC, b"sound"), rtp(5, SSRC, b"sound"));
    Outbound::new(&long).protect_rtp(&mut whole).unwrap();
    Outbound::new(&short).protect_rtp(&mut cut).unwrap();
    assert_eq!(cut, whole[..whole.len() - 6]);
    let (mut whole, mut cut) = (receiver_report(SSRC), receiver_report(SSRC));
    Outbound::new(&long).protect_rtcp(&mut whole).unwrap();
    Outbound::new(&short).protect_rtcp(&mut cut).unwrap();
    assert_eq!(cut, whole);
}

#[test]
fn another_source_and_a_restart_under_a_new_source_begin_afresh() {
    for profile in SrtpProfile::ALL {
        let (mut outbound, mut inbound) = ends(profile);
        let mut open = |sequence, ssrc| {
            let mut packet = rtp(sequence, ssrc, b"sound");
            outbound.protect_rtp(&mut packet).unwrap();
            inbound.open_rtp(&mut packet.clone()).unwrap();
            packet
        };
        let old = open(60_000, SSRC);
        let _far_from_it = open(10, SSRC + 1);
        let _where_it_was = open(60_001, SSRC);
        assert_eq!(
            inbound.open_rtp(&mut old.clone()),
            Err(OpenError::Replay),
            "the first source is not forgotten"
        );
    }
}

#[test]
fn rtcp_in_the_clear_is_refused() {
    for profile in SrtpProfile::ALL {
        let (mut outbound, mut inbound) = ends(profile);
        let mut packet = receiver_report(SSRC);
        outbound.protect_rtcp(&mut packet).unwrap();
        let word = packet.len()
            - match profile {
                SrtpProfile::AeadAes128Gcm | SrtpProfile::AeadAes256Gcm => 4,
                SrtpProfile::Aes128CmHmacSha1_80 | SrtpProfile::Aes128CmHmacSha1_32 => 14,
            };
        packet[word] &= 0x7f;
        assert_eq!(inbound.open_rtcp(&mut packet), Err(OpenError::Malformed));
    }
}

#[test]
fn sources_are_bounded_and_only_authenticated_ones_count() {
    let (mut outbound, mut inbound) = ends(SrtpProfile::Aes128CmHmacSha1_80);
    for ssrc in 100..200 {
        let mut forged = rtp(1, ssrc, b"forged, with a tag of ten bytes");
        assert_eq!(
            inbound.open_rtp(&mut forged),
            Err(OpenError::BadAuthentication)
        );
    }
    let mut results = (0..6).map(|ssrc| {
        let mut packet = rtp(1, ssrc, b"real");
        outbound.protect_rtp(&mut packet).unwrap();
        inbound.open_rtp(&mut packet).map(<[u8]>::len)
    });
    assert!(results.by_ref().take(4).all(|result| result == Ok(16)));
    assert!(results.all(|result| result == Err(OpenError::TooManySources)));
}

#[test]
fn a_packet_of_an_old_rollover_is_refused() {
    for profile in SrtpProfile::ALL {
        let (mut outbound, mut inbound) = ends(profile);
        let mut recorded = Vec::new();
        for index in 0_u32..200_000 {
            let sequence = (index & 0xffff) as u16;
            if index % 1_000 != 0 && !(65_000..66_000).contains(&index) {
                continue;
            }
            let mut packet = rtp(sequence, SSRC, b"twenty milliseconds");
            outbound.protect_rtp(&mut packet).unwrap();
            recorded.push(packet.clone());
            inbound.open_rtp(&mut packet).unwrap();
        }
        for mut packet in recorded {
            let refused = inbound.open_rtp(&mut packet).unwrap_err();
            assert!(
                matches!(
                    refused,
                    OpenError::TooOld | OpenError::Replay | OpenError::BadAuthentication
                ),
                "{refused:?}"
            );
        }
    }
}

/// Two thirds of the numbers were lost, or left out, before the first of them ran over.
#[test]
fn a_jump_far_ahead_before_the_first_rollover_is_followed_and_the_rollover_counted() {
    for profile in SrtpProfile::ALL {
        let (mut outbound, mut inbound) = ends(profile);
        let numbers = [
            99, 100, 40_000, 40_001, 65_535, 0, 1, 20_000, 40_000, 65_535, 2,
        ];
        let mut recorded = Vec::new();
        for number in numbers {
            let mut packet = rtp(number, SSRC, b"twenty milliseconds");
            outbound.protect_rtp(&mut packet).unwrap();
            recorded.push(packet.clone());
            let opened = inbound.open_rtp(&mut packet);
            let expected = rtp(number, SSRC, b"twenty milliseconds");
            assert_eq!(opened, Ok(expected.as_slice()), "{number}");
        }
        for mut packet in recorded {
            assert!(inbound.open_rtp(&mut packet).is_err());
        }
    }
}

fn any_profile() -> impl Strategy<Value = SrtpProfile> {
    prop::sample::select(SrtpProfile::ALL.to_vec())
}

proptest! {
    /// Over loss, bounded reordering, duplication and rollover every packet is opened once, as it was sent.
    #[test]
    fn each_packet_arrives_once_and_whole(
        profile in any_profile(),
        first in 0_u16..0x8000,
        // How far the next packet is ahead, whether it is lost, and how late it comes.
        fates in proptest::collection::vec(
            (prop_oneof![8 => 1_u64..4, 1 => 1_u64..9_000], 0_u8..10, 0_usize..20), 1..200
        ),
    ) {
        let (mut outbound, mut inbound) = ends(profile);
        let mut index = u64::from(first);
        let mut start = rtp(first, SSRC, b"the start of the stream arrives");
        outbound.protect_rtp(&mut start).unwrap();
        inbound.open_rtp(&mut start).unwrap();

        let mut wire = Vec::new();
        for (position, (ahead, fate, late)) in fates.into_iter().enumerate() {
            index += ahead;
            let clear = rtp((index & 0xffff) as u16, SSRC, format!("packet {index}").as_bytes());
            let mut packet = clear.clone();
            outbound.protect_rtp(&mut packet).unwrap();
            if fate > 0 {
                wire.push((position, index, packet.clone(), clear.clone()));
            }
            if fate > 6 {
                wire.push((position + late, index, packet, clear));
            }
        }
        wire.sort_by_key(|(at, ..)| *at);

        let mut accepted = HashSet::new();
        let mut highest = u64::from(first);
        for (_, index, mut packet, clear) in wire {
            let opened = inbound.open_rtp(&mut packet);
            if index + 128 <= highest {
                prop_assert!(opened.is_err());
            } else if accepted.insert(index) {
                prop_assert_eq!(opened, Ok(clear.as_slice()));
                highest = highest.max(index);
            } else {
                prop_assert_eq!(opened, Err(OpenError::Replay));
            }
        }
    }

    #[test]
    fn a_flipped_bit_is_refused(
        profile in any_profile(), payload in proptest::collection::vec(any::<u8>(), 0..60), bit in any::<usize>(),
    ) {
        let (mut outbound, mut inbound) = ends(profile);
        let mut packet = rtp(77, SSRC, &payload);
        outbound.protect_rtp(&mut packet).unwrap();
        let clear_report = receiver_report(SSRC);
        let mut report = clear_report.clone();
        outbound.protect_rtcp(&mut report).unwrap();
        let (packet_bit, report_bit) = (bit % (packet.len() * 8), bit % (report.len() * 8));
        let mut damaged = packet.clone();
        damaged[packet_bit / 8] ^= 1 << (packet_bit % 8);
        prop_assert!(inbound.open_rtp(&mut damaged).is_err());
        let mut damaged = report.clone();
        damaged[report_bit / 8] ^= 1 << (report_bit % 8);
        prop_assert!(inbound.open_rtcp(&mut damaged).is_err());
        // Neither left a trace: the real ones still come through, once.
        prop_assert!(inbound.open_rtp(&mut packet.clone()).is_ok());
        prop_assert_eq!(inbound.open_rtp(&mut packet), Err(OpenError::Replay));
        let mut first = report.clone();
        prop_assert_eq!(inbound.open_rtcp(&mut first), Ok(clear_report.as_slice()));
        prop_assert_eq!(inbound.open_rtcp(&mut report), Err(OpenError::Replay));
    }

    #[test]
    fn no_datagram_makes_it_panic(
        profile in any_profile(), mut datagram in proptest::collection::vec(any::<u8>(), 0..120),
    ) {
        let (mut outbound, mut inbound) = ends(profile);
        let _ = outbound.protect_rtp(&mut datagram.clone());
        let _ = outbound.protect_rtcp(&mut datagram.clone());
        if let Some(first) = datagram.first_mut() {
            *first = 0x80 | (*first & 0x3f);
        }
        prop_assert!(inbound.open_rtp(&mut datagram.clone()).is_err());
        prop_assert!(inbound.open_rtcp(&mut datagram).is_err());
    }
}

/// A server that draws an SSRC at each bridge of a day.
#[test]
fn a_call_hears_any_number_of_sources_in_turn_and_none_of_their_packets_twice() {
    const SOURCES: u32 = 100;
    for profile in SrtpProfile::ALL {
        let master = master(profile);
        let mut outbound = Outbound::new(&master);
        let mut inbound = Inbound::new(&master, SOURCES as usize);
        let mut recorded = Vec::new();
        for ssrc in 1..=SOURCES {
            // Each wraps once.
            for sequence in [65_534, 65_535, 0, 1] {
                let mut packet = rtp(sequence, ssrc, b"hello");
                // What we send has fewer sources: one end for each of theirs.
                if sequence == 65_534 {
                    outbound = Outbound::new(&master);
                }
                outbound.protect_rtp(&mut packet).unwrap();
                recorded.push(packet.clone());
                assert!(inbound.open_rtp(&mut packet).is_ok());
            }
            let mut report = receiver_report(ssrc);
            outbound.protect_rtcp(&mut report).unwrap();
            let mut again = report.clone();
            assert!(inbound.open_rtcp(&mut report).is_ok());
            assert_eq!(inbound.open_rtcp(&mut again), Err(OpenError::Replay));
        }
        for packet in &recorded {
            let mut again = packet.clone();
            assert!(matches!(
                inbound.open_rtp(&mut again),
                Err(OpenError::Replay | OpenError::TooOld | OpenError::BadAuthentication)
            ));
        }
        // One of the first speaks again, in its second cycle.
        let mut outbound = Outbound::new(&master);
        for sequence in [65_534, 65_535, 0, 1, 2] {
            let mut packet = rtp(sequence, 3, b"again");
            outbound.protect_rtp(&mut packet).unwrap();
            let opened = inbound.open_rtp(&mut packet).is_ok();
            assert_eq!(opened, sequence == 2);
        }
        let mut one_more = rtp(1, SOURCES + 1, b"hello");
        outbound.protect_rtp(&mut one_more).unwrap();
        let refused = inbound.open_rtp(&mut one_more);
        assert_eq!(refused, Err(OpenError::TooManySources));
    }
}
