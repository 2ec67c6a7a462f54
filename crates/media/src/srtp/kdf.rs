//! Session keys from a master key (RFC 3711, section 4.3; RFC 6188; RFC 7714, section 11).

use aes::cipher::{InnerIvInit, KeyInit, StreamCipher, StreamCipherCoreWrapper};
use aes::{Aes128, Aes256};
use ctr::{CtrCore, flavors};

/// What a derived key is for (RFC 3711, section 4.3.2).
#[derive(Debug, Clone, Copy)]
pub(crate) enum Label {
    RtpEncryption = 0,
    RtpAuthentication = 1,
    RtpSalt = 2,
    RtcpEncryption = 3,
    RtcpAuthentication = 4,
    RtcpSalt = 5,
}

/// Fills `out` with the session key for `label`. The key derivation rate is zero, as with all of DTLS-SRTP, so the
/// packet index plays no part. A 96-bit salt counts as if zeros filled it up to 112 bits. A master key of 256 bits derives by AES of
/// 256 bits.
pub(crate) fn derive(master_key: &[u8], master_salt: &[u8], label: Label, out: &mut [u8]) {
    let mut iv = [0; 16];
    for (byte, salt) in iv[..14].iter_mut().zip(master_salt) {
        *byte = *salt;
    }
    iv[7] ^= label as u8;
    out.fill(0);
    match (
        Aes128::new_from_slice(master_key),
        Aes256::new_from_slice(master_key),
    ) {
        (Ok(aes), _) => apply_counter_mode(&aes, &iv, out),
        (_, Ok(aes)) => {
            let core = CtrCore::<&Aes256, flavors::Ctr128BE>::inner_iv_init(&aes, (&iv).into());
            StreamCipherCoreWrapper::from_core(core).apply_keystream(out);
        }
        (Err(_), Err(_)) => unreachable!("a master key has the length of its profile"),
    }
}

/// XORs `text` with the AES counter mode key stream that starts at `iv`.
pub(crate) fn apply_counter_mode(aes: &Aes128, iv: &[u8; 16], text: &mut [u8]) {
    let core = CtrCore::<&Aes128, flavors::Ctr128BE>::inner_iv_init(aes, iv.into());
    StreamCipherCoreWrapper::from_core(core).apply_keystream(text);
}

#[cfg(test)]
mod tests {
    use super::{Label, derive};

    // RFC 3711, appendix B.3.
    const KEY: [u8; 16] = [
        0xE1, 0xF9, 0x7A, 0x0D, 0x3E, 0x01, 0x8B, 0xE0, 0xD6, 0x4F, 0xA3, 0x2C, 0x06, 0xDE, 0x41,
        0x39,
    ];
    const SALT: [u8; 14] = [
        0x0E, 0xC6, 0x75, 0xAD, 0x49, 0x8A, 0xFE, 0xEB, 0xB6, 0x96, 0x0B, 0x3A, 0xAB, 0xE6,
    ];

    #[test]
    fn rfc_3711_b_3_cipher_key_salt_and_auth_key() {
        let mut key = [0; 16];
        derive(&KEY, &SALT, Label::RtpEncryption, &mut key);
        assert_eq!(hex(&key), "C61E7A93744F39EE10734AFE3FF7A087");
        let mut salt = [0; 14];
        derive(&KEY, &SALT, Label::RtpSalt, &mut salt);
        assert_eq!(hex(&salt), "30CBBC08863D8C85D49DB34A9AE1");
        let mut auth = [0; 94];
        derive(&KEY, &SALT, Label::RtpAuthentication, &mut auth);
        assert_eq!(
            hex(&auth),
            "CEBE321F6FF7716B6FD4AB49AF256A156D38BAA48F0A0ACF3C34E2359E6CDBCEE049646C43D9327AD175578EF7227098\
             6371C10C9A369AC2F94A8C5FBCDDDC256D6E919A48B610EF17C2041E474035766B68642C59BBFC2F34DB60DBDFB2"
        );
    }

    #[test]
    fn rfc_6188_7_aes_256_cipher_key_and_salt() {
        let master = [
            0xf0, 0xf0, 0x49, 0x14, 0xb5, 0x13, 0xf2, 0x76, 0x3a, 0x1b, 0x1f, 0xa1, 0x30, 0xf1,
            0x0e, 0x29, 0x98, 0xf6, 0xf6, 0xe4, 0x3e, 0x43, 0x09, 0xd1, 0xe6, 0x22, 0xa0, 0xe3,
            0x32, 0xb9, 0xf1, 0xb6,
        ];
        let salt = [
            0x3b, 0x04, 0x80, 0x3d, 0xe5, 0x1e, 0xe7, 0xc9, 0x64, 0x23, 0xab, 0x5b, 0x78, 0xd2,
        ];
        let mut key = [0; 32];
        derive(&master, &salt, Label::RtpEncryption, &mut key);
        assert_eq!(
            hex(&key),
            "5BA1064E30EC51613CAD926C5A28EF731EC7FB397F70A960653CAF06554CD8C4"
        );
        let mut session_salt = [0; 14];
        derive(&master, &salt, Label::RtpSalt, &mut session_salt);
        assert_eq!(hex(&session_salt), "FA31791685CA444A9E07C6C64E93");
    }

    fn hex(bytes: &[u8]) -> String {
        bytes.iter().map(|byte| format!("{byte:02X}")).collect()
    }
}
