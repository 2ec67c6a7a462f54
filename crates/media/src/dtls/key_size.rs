//! How large the RSA key in a certificate is; nothing else of the certificate matters to a call.

/// `rsaEncryption` (RFC 8017 appendix C), as DER has it.
const RSA_ENCRYPTION: [u8; 9] = [0x2A, 0x86, 0x48, 0x86, 0xF7, 0x0D, 0x01, 0x01, 0x01];

const INTEGER: u8 = 0x02;
const BIT_STRING: u8 = 0x03;
const OBJECT_IDENTIFIER: u8 = 0x06;
const SEQUENCE: u8 = 0x30;
/// `[0]`, the version.
const VERSION: u8 = 0xA0;

/// Bits of the RSA modulus in an X.509 certificate in DER form (RFC 5280 section 4.1). `None`: its key is of another kind, or it is no
/// certificate.
#[must_use]
pub fn rsa_bits(certificate: &[u8]) -> Option<u16> {
    let (certificate, _) = element(certificate, SEQUENCE)?;
    let (mut fields, _) = element(certificate, SEQUENCE)?;
    if let Some((_, rest)) = element(fields, VERSION) {
        fields = rest;
    }
    // Serial number, signature algorithm, issuer, validity, subject.
    for kind in [INTEGER, SEQUENCE, SEQUENCE, SEQUENCE, SEQUENCE] {
        (_, fields) = element(fields, kind)?;
    }
    let (key, _) = element(fields, SEQUENCE)?;
    let (algorithm, key) = element(key, SEQUENCE)?;
    let (algorithm, _) = element(algorithm, OBJECT_IDENTIFIER)?;
    if algorithm != RSA_ENCRYPTION {
        return None;
    }
    let (key, _) = element(key, BIT_STRING)?;
    let (&unused_bits, key) = key.split_first()?;
    let (key, _) = element(key, SEQUENCE).filter(|_| unused_bits == 0)?;
    let (modulus, _) = element(key, INTEGER)?;
    let first = modulus.iter().position(|byte| *byte != 0)?;
    let bits = (modulus.len() - first) * 8 - modulus[first].leading_zeros() as usize;
    u16::try_from(bits).ok()
}

/// Contents of the element of this kind that comes first, and what follows it.
fn element(bytes: &[u8], kind: u8) -> Option<(&[u8], &[u8])> {
    let (&[tag, length], rest) = bytes.split_first_chunk::<2>()?;
    if tag != kind {
        return None;
    }
    if length < 0x80 {
        return rest.split_at_checked(usize::from(length));
    }
    // A certificate is shorter than 2^24 bytes.
    let (length, rest) = rest.split_at_checked(usize::from(length & 0x7F))?;
    let length = match *length {
        [a] => usize::from(a),
        [a, b] => usize::from(u16::from_be_bytes([a, b])),
        _ => return None,
    };
    rest.split_at_checked(length)
}

#[cfg(test)]
mod tests {
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;
    use proptest::prelude::*;

    use super::rsa_bits;
    use crate::dtls::certificate::Certificate;

    /// Self-signed ones, of keys that were thrown away.
    const RSA_1024: &str = "\
        MIIB9DCCAV2gAwIBAgIUQuYP97WxbIrLpEsS427RGzS1SwUwDQYJKoZIhvcNAQELBQAwDDEKMAgGA1UEAwwBeDAeFw0yNjExMjYxMTI3MDlaFw\
        0zNjExMjMxMTI3MDlaMAwxCjAIBgNVBAMMAXgwgZ8wDQYJKoZIhvcNAQEBBQADgY0AMIGJAoGBANk56sXn7i5u4oAwVz6MpjBSHxzGcxo/+juO\
        BDft5PNWtjJGOZj1DHZjYinp+Fc3aPLZ4RLl85mbP5AwVCmk5hnSnke3xPTMqK29+X/5Mpx54piEUl/NtuWbRul5MTc7cnRqHVsbYa4DwiFhvP\
        ipXTzq2mEKm4ov6K5ufWAfT7bPAgMBAAGjUzBRMB0GA1UdDgQWBBSWuwSQ5pP/dcNlhXk+Re6mY5n8STAfBgNVHSMEGDAWgBSWuwSQ5pP/dcNl\
        hXk+Re6mY5n8STAPBgNVHRMBAf8EBTADAQH/MA0GCSqGSIb3DQEBCwUAA4GBAMeGH8NEPsQd4swkNwAVdaMJDmdVL+CB+RpgneJ20ZlaDazzoD\
        p8ZKkNuDnOG24Qe4hcEOW4xBGxXKgIAigZq1DTKoio791KjPZl9kQ/bNnmgixLGdqGUvtNrbRKhfG2pedXKIfl9VTU8CYKs86EkHnkRKSBbEUZ\
        uf4TeLrMkPOZ";
    const RSA_2048: &str = "\
        MIIC+TCCAeGgAwIBAgIUC6Qaf9MwxWxlCIulueJoGIMbs+cwDQYJKoZIhvcNAQELBQAwDDEKMAgGA1UEAwwBeDAeFw0yNjExMjYxMTI3MTVaFw\
        0zNjExMjMxMTI3MTVaMAwxCjAIBgNVBAMMAXgwggEiMA0GCSqGSIb3DQEBAQUAA4IBDwAwggEKAoIBAQCeYVUfsqR7JPtMZy/Dk91sM9ig/M1V\
        jzQAERH4BrF8GXEAeJeihV5Ho7I+egE25a/vVbnCJc/aU/Nc/1v3446O6GjaJOSk29aoscemrEOvFD6SAUtjvW8Cz9SYIOTr9kkgBJRCf5+yQy\
        527RjyGraEv5s+yIpw2hFLWAqNIG8lKV47TXQ8EphpI+v0OoMUAzmAtv1suvb9NbVa18GhgT9A/WEa1bMtw/tfyDbou9xai/DY4+vHif1+jthd\
        IwQkW5582hD7cGXYlPHb7FdYB50EFXS3rQDWhK9hgHYifvX2l4bmO38aX/2LtAGgfodry8VWIeMdWRqgk3iIQLeaSa7LAgMBAAGjUzBRMB0GA1\
        UdDgQWBBTkF2FFQ6RRmxuESuuiFn7C4ZNVwDAfBgNVHSMEGDAWgBTkF2FFQ6RRmxuESuuiFn7C4ZNVwDAPBgNVHRMBAf8EBTADAQH/MA0GCSqG\
        SIb3DQEBCwUAA4IBAQAKjlvFfaU5p7qQDNn/t9pkeUlBTMK4N+Y1wV6tk4mE4UJXbOVnH92AIfX8pUQDp5lrmvI9oqqsE0egL0ipkhzIVzu4/e\
        OMpYkq9qa7FvcnRR8TzGkOmBNgARiKjGnco14VS672wBvtf11jwCZyWGJCkm90lGeqyQOtudPQ9+Ti5n3FigI0Ajgllt0M7gdWJrBDYeMhkFcm\
        2V+K+l0cPArhskwLCBBoG8BgWT/3UsPxVr/vCR4znnryu/B1BCVXtOQxn3uqCupjUOoJHGEObFC+3DgKWAsQCMS4hHJa/XzCpI8+2waE+jRBdJ\
        SQ2VDgLY8gZR2iA84/Jp6e0UnTpdmA";

    #[test]
    fn the_modulus_is_measured() {
        let bits = |text: &str| rsa_bits(&STANDARD.decode(text).unwrap());
        assert_eq!(bits(RSA_1024), Some(1024));
        assert_eq!(bits(RSA_2048), Some(2048));
        let ecdsa = Certificate::generate().unwrap();
        assert_eq!(rsa_bits(ecdsa.der()), None);
    }

    proptest! {
        #[test]
        fn a_damaged_certificate_is_read_without_panic(at in 0usize..500, byte: u8, cut in 0usize..510) {
            let mut der = STANDARD.decode(RSA_1024).unwrap();
            if let Some(place) = der.get_mut(at) {
                *place = byte;
            }
            der.truncate(cut);
            let _ = rsa_bits(&der);
        }
    }
}
