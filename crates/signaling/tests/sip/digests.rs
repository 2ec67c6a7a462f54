//! Session variants of digest access, against sums of our own (RFC 7616, 3.4.2): the key is made of the first nonce and client nonce
//! of a challenge, however often it is used.

use std::time::Duration;

use md5::Md5;
use offhook_signaling::sip::message::HeaderName;
use offhook_signaling::sip::message::request::Request;
use sha2::{Digest, Sha256};

use crate::world::{FLOW, World, config};

fn hex<D: Digest>(text: &str) -> String {
    let sum = D::digest(text.as_bytes());
    sum.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A parameter of the request's answer to the challenge.
fn said(request: &Request, name: &str) -> String {
    let line = request.headers.get(&HeaderName::Authorization);
    let line = line.expect("an answer");
    let line = line.strip_prefix("Digest ").expect("digest");
    let pair = line.split(", ").find_map(|part| {
        let (known, value) = part.split_once('=')?;
        (known == name).then_some(value)
    });
    let value = pair.unwrap_or_else(|| panic!("no {name} in {line}"));
    value.trim_matches('"').to_owned()
}

#[test]
fn the_key_of_a_session_variant_lives_as_long_as_its_challenge() {
    for (algorithm, sum) in [
        ("MD5-sess", hex::<Md5> as fn(&str) -> String),
        ("SHA-256-sess", hex::<Sha256>),
    ] {
        let mut world = World::new(config(), 3);
        world.open(FLOW);
        let first = world.request();
        let challenge = |nonce: &str| {
            format!(
                r#"Digest realm="example.com", nonce="{nonce}", qop="auth", algorithm={algorithm}"#
            )
        };
        world.answer(
            &first,
            401,
            &[(HeaderName::WwwAuthenticate, &challenge("one"))],
        );
        let mut register = world.request();
        let password = sum("alice:example.com:secret of alice");
        let mut key = sum(&format!("{password}:one:{}", said(&register, "cnonce")));
        let asked = sum("REGISTER:sip:example.com");
        // Twice by one nonce, twice by its successor, once by that of another challenge.
        for (nonce, count, next) in [
            ("one", "00000001", None),
            ("one", "00000002", Some("two")),
            ("two", "00000001", None),
            ("two", "00000002", None),
            ("three", "00000001", None),
        ] {
            if nonce == "three" {
                let stale = format!("{}, stale=true", challenge("three"));
                world.answer(&register, 401, &[(HeaderName::WwwAuthenticate, &stale)]);
                register = world.request();
                key = sum(&format!("{password}:three:{}", said(&register, "cnonce")));
            }
            assert_eq!(said(&register, "nonce"), nonce);
            assert_eq!(said(&register, "nc"), count);
            let cnonce = said(&register, "cnonce");
            let wanted = sum(&format!("{key}:{nonce}:{count}:{cnonce}:auth:{asked}"));
            assert_eq!(
                said(&register, "response"),
                wanted,
                "{algorithm}, {nonce}, {count}"
            );
            if (nonce, count) == ("two", "00000002") {
                continue;
            }
            let next = next.map(|next| format!("nextnonce=\"{next}\""));
            let line = next
                .as_deref()
                .map(|next| (HeaderName::AuthenticationInfo, next));
            world.grant(&register, 60, line.as_slice());
            world.pass(Duration::from_secs(30), |_| ());
            if nonce != "three" {
                register = world.request();
            }
        }
    }
}
