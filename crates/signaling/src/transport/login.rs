//! The answer to a server that wants to know who opens a WebSocket: HTTP 401 with Basic or Digest (RFC 7118, section 7; RFC 7617;
//! RFC 7616).

use crate::session::SocketLogin;
use crate::transport::{
    http::{Head, is_header_allowed},
    target::{Target, TargetHost},
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use zeroize::Zeroizing;

/// Most cookies of one refusal that go into the next request.
const MOST_COOKIES: usize = 16;

/// Headers of a second request that answers this refusal. `None`: it asks for nothing that is known here, or for a password in
/// the clear where others may read along.
pub(super) fn answer(
    head: &Head,
    target: &Target,
    through_proxy: bool,
    login: &SocketLogin,
    cnonce: &str,
) -> Option<Vec<(String, String)>> {
    let challenges: Vec<String> = head
        .all("WWW-Authenticate")
        .flat_map(split_challenges)
        .collect();
    let private = target.secure || (!through_proxy && is_loopback(&target.authority.host));
    let line = digest(&challenges, target, login, cnonce)
        .or_else(|| basic(&challenges, login).filter(|_| private))?;
    let cookies: Vec<&str> = head
        .all("Set-Cookie")
        .filter_map(|line| Some(line.split(';').next()?.trim()))
        .filter(|pair| pair.contains('=') && is_header_allowed("Cookie", pair))
        .take(MOST_COOKIES)
        .collect();
    let mut headers = vec![("Authorization".to_owned(), line)];
    if !cookies.is_empty() {
        headers.push(("Cookie".to_owned(), cookies.join("; ")));
    }
    // What a realm or nonce holds could break the request.
    headers
        .iter()
        .all(|(name, value)| is_header_allowed(name, value))
        .then_some(headers)
}

fn is_loopback(host: &TargetHost) -> bool {
    match host {
        TargetHost::Address(address) => address.is_loopback(),
        // RFC 6761, section 6.3: never anywhere else.
        TargetHost::Name(_) => host.without_root().eq_ignore_ascii_case("localhost"),
    }
}

fn basic(challenges: &[String], login: &SocketLogin) -> Option<String> {
    let is_basic = |line: &String| {
        let scheme = line.split([' ', '\t']).next().unwrap_or_default();
        scheme.eq_ignore_ascii_case("basic")
    };
    // RFC 7617, section 2: its end is where the first colon stands.
    if !challenges.iter().any(is_basic) || login.user.contains(':') {
        return None;
    }
    let pair = Zeroizing::new(format!("{}:{}", login.user, login.password.expose()));
    Some(format!("Basic {}", STANDARD.encode(pair.as_bytes())))
}

/// The first challenge that is known: a server names its favourite first.
#[cfg(feature = "sip")]
fn digest(
    challenges: &[String],
    target: &Target,
    login: &SocketLogin,
    cnonce: &str,
) -> Option<String> {
    use crate::sip::auth::challenge::{Challenge, parse};
    use crate::sip::auth::digest::{self, Subject};

    let challenge = challenges.iter().find_map(|line| match parse(line) {
        Some(Challenge::Digest(digest)) => Some(digest),
        Some(Challenge::Bearer(_)) | None => None,
    })?;
    let subject = Subject {
        user: &login.user,
        password: &login.password,
        method: "GET",
        uri: &target.request_target(),
        body: "",
        cnonce,
        first_nonce: &challenge.nonce,
        count: 1,
    };
    Some(digest::answer(&challenge, &subject))
}

/// The sums of digest access come with SIP.
#[cfg(not(feature = "sip"))]
fn digest(_: &[String], _: &Target, _: &SocketLogin, _: &str) -> Option<String> {
    None
}

/// One header line may hold several challenges, with commas between them as between their parameters (RFC 9110, section 11.6.1): a
/// new one begins where a word stands without a `=` behind it.
fn split_challenges(line: &str) -> Vec<String> {
    let mut challenges: Vec<String> = Vec::new();
    let mut quoted = false;
    let mut escaped = false;
    let parts = line.split(move |character: char| {
        let splits = character == ',' && !quoted;
        if escaped {
            escaped = false;
        } else if quoted && character == '\\' {
            escaped = true;
        } else if character == '"' {
            quoted = !quoted;
        }
        splits
    });
    for part in parts.map(str::trim).filter(|part| !part.is_empty()) {
        let word = part.split([' ', '\t', '=']).next().unwrap_or_default();
        let rest = part.get(word.len()..).unwrap_or_default().trim_start();
        match challenges.last_mut() {
            Some(last) if rest.starts_with('=') => {
                last.push_str(", ");
                last.push_str(part);
            }
            _ => challenges.push(part.to_owned()),
        }
    }
    challenges
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_password_in_the_clear_is_shown_where_nobody_reads_along_alone() {
        let login = SocketLogin {
            user: "alice".to_owned(),
            password: "secret".to_owned().into(),
        };
        let read = async |line: &str| {
            let text = format!("HTTP/1.1 401 No\r\nWWW-Authenticate: {line}\r\n\r\n");
            Head::read(&mut text.as_bytes()).await.unwrap()
        };
        let asks_basic = read("Basic realm=\"a\"").await;
        for (url, through_proxy, answered) in [
            ("wss://pbx.example.com/", false, true),
            ("wss://pbx.example.com/", true, true),
            ("ws://pbx.example.com/", false, false),
            ("ws://192.0.2.7/", false, false),
            ("ws://127.0.0.1/", false, true),
            ("ws://[::1]/", false, true),
            ("ws://localhost/", false, true),
            ("ws://localhost/", true, false),
        ] {
            let target = Target::parse(url).unwrap();
            let headers = answer(&asks_basic, &target, through_proxy, &login, "c");
            assert_eq!(headers.is_some(), answered, "{url}");
        }
        // Digest shows it to nobody, and a realm cannot bring a line of its own.
        let target = Target::parse("ws://pbx.example.com/").unwrap();
        let asks = read("Digest realm=\"a\", nonce=\"b\"").await;
        assert_eq!(
            answer(&asks, &target, false, &login, "c").is_some(),
            cfg!(feature = "sip")
        );
    }

    #[test]
    fn challenges_of_one_line_are_told_apart() {
        let line = r#"Negotiate, Basic realm="a, \"b", charset="UTF-8" , Digest realm="c", nonce = "d", qop="auth,auth-int""#;
        assert_eq!(
            split_challenges(line),
            [
                "Negotiate",
                r#"Basic realm="a, \"b", charset="UTF-8""#,
                r#"Digest realm="c", nonce = "d", qop="auth,auth-int""#,
            ]
        );
        assert!(split_challenges(" , ").is_empty());
    }
}
