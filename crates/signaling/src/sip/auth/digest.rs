//! The sums of digest access (RFC 7616, 3.4).

use std::fmt::Write as _;

use crate::secret::Secret;
use crate::sip::auth::algorithm::Algorithm;
use crate::sip::auth::challenge::{DigestChallenge, Qop};
use crate::sip::message::quoted::Quoted;

/// What one sum is made over.
#[derive(Clone, Copy, Debug)]
pub struct Subject<'a> {
    /// User name within the realm.
    pub user: &'a str,
    /// Password.
    pub password: &'a Secret,
    /// Method of the request; empty for the server's own proof.
    pub method: &'a str,
    /// Request-URI exactly as it is sent.
    pub uri: &'a str,
    /// Body, empty when there is none.
    pub body: &'a str,
    /// Client nonce, the same for all answers to one challenge.
    pub cnonce: &'a str,
    /// The nonce of that challenge: the key of the session variants is made of it, also where the server has named another since
    /// (`nextnonce`; RFC 7616, 3.4.2).
    pub first_nonce: &'a str,
    /// How often this nonce has been used, this time included.
    pub count: u32,
}

/// The value of `Authorization` or `Proxy-Authorization`.
pub fn answer(challenge: &DigestChallenge, subject: &Subject<'_>) -> String {
    let mut line = format!(
        "Digest username={}, realm={}, nonce={}, uri={}, response=\"{}\"",
        Quoted(subject.user),
        Quoted(&challenge.realm),
        Quoted(&challenge.nonce),
        Quoted(subject.uri),
        response(challenge, subject),
    );
    // Writing to a String cannot fail.
    if challenge.names_algorithm {
        let _ = write!(line, ", algorithm={}", challenge.algorithm);
    }
    if let Some(opaque) = &challenge.opaque {
        let _ = write!(line, ", opaque={}", Quoted(opaque));
    }
    let qop = match challenge.qop {
        Qop::Absent => return line,
        Qop::Auth => "auth",
        Qop::AuthInt => "auth-int",
    };
    let _ = write!(
        line,
        ", qop={qop}, nc={:08x}, cnonce={}",
        subject.count,
        Quoted(subject.cnonce)
    );
    line
}

/// The sum that proves the password.
pub fn response(challenge: &DigestChallenge, subject: &Subject<'_>) -> String {
    let algorithm = challenge.algorithm;
    let mut secret = algorithm.hex(
        format!(
            "{}:{}:{}",
            subject.user,
            challenge.realm,
            subject.password.expose()
        )
        .as_bytes(),
    );
    // An old server knows no session variant, since it knows no client nonce.
    if algorithm.session && challenge.qop != Qop::Absent {
        secret = algorithm
            .hex(format!("{secret}:{}:{}", subject.first_nonce, subject.cnonce).as_bytes());
    }
    let request = request_sum(algorithm, challenge.qop, subject);
    let text = match challenge.qop {
        Qop::Absent => format!("{secret}:{}:{request}", challenge.nonce),
        Qop::Auth => format!(
            "{secret}:{}:{:08x}:{}:auth:{request}",
            challenge.nonce, subject.count, subject.cnonce
        ),
        Qop::AuthInt => format!(
            "{secret}:{}:{:08x}:{}:auth-int:{request}",
            challenge.nonce, subject.count, subject.cnonce
        ),
    };
    algorithm.hex(text.as_bytes())
}

fn request_sum(algorithm: Algorithm, qop: Qop, subject: &Subject<'_>) -> String {
    let text = match qop {
        Qop::Absent | Qop::Auth => format!("{}:{}", subject.method, subject.uri),
        Qop::AuthInt => format!(
            "{}:{}:{}",
            subject.method,
            subject.uri,
            algorithm.hex(subject.body.as_bytes())
        ),
    };
    algorithm.hex(text.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn challenge(algorithm: &str, qop: Qop) -> DigestChallenge {
        DigestChallenge {
            realm: "http-auth@example.org".to_owned(),
            nonce: "7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v".to_owned(),
            opaque: Some("FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS".to_owned()),
            algorithm: Algorithm::parse(algorithm).unwrap(),
            names_algorithm: true,
            qop,
            stale: false,
        }
    }

    fn mufasa<'a>(password: &'a Secret) -> Subject<'a> {
        Subject {
            user: "Mufasa",
            password,
            method: "GET",
            uri: "/dir/index.html",
            body: "",
            cnonce: "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ",
            first_nonce: "7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v",
            count: 1,
        }
    }

    /// The worked examples of RFC 7616, 3.9.1.
    #[test]
    fn md5_and_sha_256_as_in_the_rfc() {
        let password = Secret::new("Circle of Life");
        let subject = mufasa(&password);
        assert_eq!(
            response(&challenge("MD5", Qop::Auth), &subject),
            "8ca523f5e9506fed4657c9700eebdbec"
        );
        assert_eq!(
            response(&challenge("SHA-256", Qop::Auth), &subject),
            "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1"
        );
    }

    /// The worked example of RFC 2069 with its erratum 749: no qop, no client nonce.
    #[test]
    fn a_server_without_qop_gets_the_old_sum() {
        let password = Secret::new("CircleOfLife");
        let old = DigestChallenge {
            realm: "testrealm@host.com".to_owned(),
            nonce: "dcd98b7102dd2f0e8b11d0f600bfb0c093".to_owned(),
            opaque: None,
            algorithm: Algorithm::DEFAULT,
            names_algorithm: false,
            qop: Qop::Absent,
            stale: false,
        };
        let subject = mufasa(&password);
        let line = answer(&old, &subject);
        assert!(
            line.contains("response=\"1949323746fe6a43ef61f9606e7febea\""),
            "{line}"
        );
        assert!(!line.contains("nc=") && !line.contains("cnonce") && !line.contains("algorithm"));
    }

    #[test]
    fn the_body_counts_with_auth_int_alone() {
        let password = Secret::new("p");
        let sum = |qop, body| {
            let subject = Subject {
                body,
                ..mufasa(&password)
            };
            response(&challenge("SHA-512-256-sess", qop), &subject)
        };
        assert_eq!(sum(Qop::Auth, "a"), sum(Qop::Auth, "b"));
        assert_ne!(sum(Qop::AuthInt, "a"), sum(Qop::AuthInt, "b"));
        assert_eq!(sum(Qop::AuthInt, "a").len(), 64);
    }

    /// Counted by another program, Python's `hashlib` (`sha512_256`, `sha256`, `md5`), line by line of RFC 7616, 3.4: with `h` the
    /// hash, `a1 = h("alice:example.com:secret of alice")`, for `-sess` `a1 = h(a1 + ":one:two")`, `a2 = h("INVITE:sip:bob@example.com")`,
    /// for `auth-int` with `":" + h(body)` behind, and of both `h(a1 + ":one:00000001:two:" + qop + ":" + a2)`.
    #[test]
    fn sums_are_those_that_others_count() {
        let password = Secret::new("secret of alice");
        let body = "v=0\r\n";
        for (algorithm, qop, body, sum) in [
            (
                "SHA-512-256",
                Qop::Auth,
                body,
                "5300a3f3e615cb49f5032677da155be4e5d7badbec3828d8bb0ada6a811085b8",
            ),
            (
                "SHA-512-256-sess",
                Qop::Auth,
                body,
                "ebf9a9496d9817313cbd4a6cae41123b6b401ce3ad9a85b7ebe1d764e5d4ddd6",
            ),
            (
                "SHA-512-256",
                Qop::AuthInt,
                "",
                "023b4c1b642cea76b53fb3a215c9d79fb7a7e00f0264319e5f3135117825b3d9",
            ),
            (
                "SHA-512-256",
                Qop::AuthInt,
                body,
                "c5f202e0889f2bb0fa0a270c53cd828b96d8cd89a3d9ec2c43f2880e466c127f",
            ),
            (
                "SHA-512-256-sess",
                Qop::AuthInt,
                body,
                "f1f3493ffbb2e834960c5b659fa1f82cdbb0316764de750cbef0307e716b20ef",
            ),
            (
                "SHA-256",
                Qop::AuthInt,
                body,
                "ee76a4f5596a4453dce24549213ee0db55cd23d2ccc0fcbc50d8f72d7c9d74f6",
            ),
            (
                "SHA-256-sess",
                Qop::AuthInt,
                "",
                "c08073c2b52c418238e969f3dc6a1c94131acffb1a1c0057e13b4d14c12c9389",
            ),
            ("MD5", Qop::AuthInt, "", "9733e48bfa38eb851afcc6412696392f"),
            (
                "MD5",
                Qop::AuthInt,
                body,
                "8d665359532e172bdfc76bd3e8aaf3b7",
            ),
            (
                "MD5-sess",
                Qop::AuthInt,
                body,
                "65f56b3aa2aa6ed06142be9393e9cd68",
            ),
        ] {
            let challenge = DigestChallenge {
                realm: "example.com".to_owned(),
                nonce: "one".to_owned(),
                ..challenge(algorithm, qop)
            };
            let subject = Subject {
                user: "alice",
                password: &password,
                method: "INVITE",
                uri: "sip:bob@example.com",
                body,
                cnonce: "two",
                first_nonce: "one",
                count: 1,
            };
            assert_eq!(response(&challenge, &subject), sum, "{algorithm} {qop:?}");
        }
    }

    #[test]
    fn quotes_in_names_do_not_end_them_and_counts_have_eight_digits() {
        let password = Secret::new("p");
        let subject = Subject {
            user: r#"a"b\c"#,
            count: 0x1f,
            ..mufasa(&password)
        };
        let line = answer(&challenge("MD5", Qop::Auth), &subject);
        assert!(line.contains(r#"username="a\"b\\c""#), "{line}");
        assert!(line.contains(", nc=0000001f,"), "{line}");
        assert!(line.contains(", qop=auth,"), "{line}");
    }
}
