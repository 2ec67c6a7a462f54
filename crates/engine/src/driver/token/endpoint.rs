//! Asks a web service for a token. Blocks: runs on a thread for such work.

use std::io::Read;
use std::time::Duration;

use offhook_signaling::secret::Secret;
use serde_json::Value;
use ureq::Body;
use ureq::http::Response;

use crate::driver::{https, secret_file};
use crate::error::SecretFileError;
use crate::ice::is_loopback;
use crate::token_source::{HeaderValue, HttpMethod, LONGEST_ANSWER, TokenEndpoint, TokenError};

/// Where the token is looked for in a JSON object when nothing else is said.
const USUAL_POINTER: &str = "/token";

pub(super) fn ask(wanted: &TokenEndpoint) -> Result<Secret, TokenError> {
    let url = &wanted.url;
    check_url(wanted)?;
    let agent = https::agent(wanted.ca_file.as_deref(), wanted.time_limit)?;
    let fields = wanted
        .headers
        .iter()
        .map(|(name, value)| Ok((name, read_header(value)?)))
        .collect::<Result<Vec<_>, SecretFileError>>()?;
    let unreachable = |error: ureq::Error| failure(wanted, error);
    // A pointer leads into JSON: an endpoint that could answer by text must not.
    let accept = if wanted.pointer.is_some() {
        "application/json"
    } else {
        ACCEPT
    };
    let response = match wanted.method {
        HttpMethod::Get => {
            let mut request = agent.get(url);
            for (name, value) in &fields {
                request = request.header(*name, value.expose());
            }
            request.header("accept", accept).call()
        }
        HttpMethod::Post => {
            let mut request = agent.post(url);
            for (name, value) in &fields {
                request = request.header(*name, value.expose());
            }
            request.header("accept", accept).send_empty()
        }
    }
    .map_err(unreachable)?;
    let status = response.status().as_u16();
    if !(200..300).contains(&status) {
        return Err(TokenError::Http {
            url: wanted.shown().to_owned(),
            status,
            retry_after: retry_after(&response),
        });
    }
    let mut bytes = Vec::new();
    response
        .into_body()
        .into_reader()
        .take(LONGEST_ANSWER as u64 + 1)
        .read_to_end(&mut bytes)
        // The time limit may end within the body too: the client's own error stands inside.
        .map_err(|error| failure(wanted, error.into()))?;
    if bytes.len() > LONGEST_ANSWER {
        return Err(TokenError::TooLong {
            source_name: wanted.shown().to_owned(),
        });
    }
    token_in(wanted, &bytes)
}

const ACCEPT: &str = "text/plain, application/json";

/// Tokens are secrets: in clear only within this machine.
fn check_url(wanted: &TokenEndpoint) -> Result<(), TokenError> {
    let url = &wanted.url;
    let why = if url.starts_with("https://") || url.starts_with("http://") && is_loopback(url) {
        return Ok(());
    } else if url.starts_with("http://") {
        "it would send tokens in clear over the network; use https://"
    } else {
        "it does not start with https://"
    };
    Err(TokenError::Url {
        url: wanted.shown().to_owned(),
        why,
    })
}

fn read_header(value: &HeaderValue) -> Result<Secret, SecretFileError> {
    match value {
        HeaderValue::Memory(secret) => Ok(secret.clone()),
        HeaderValue::File { prefix, path } => {
            let secret = secret_file::read(path)?;
            Ok(Secret::new(format!("{prefix}{}", secret.expose())))
        }
    }
}

fn failure(wanted: &TokenEndpoint, error: ureq::Error) -> TokenError {
    if matches!(error, ureq::Error::Timeout(_)) {
        return TokenError::TimeLimit {
            source_name: wanted.shown().to_owned(),
            limit: wanted.time_limit,
        };
    }
    TokenError::Unreachable {
        url: wanted.shown().to_owned(),
        fault: error.to_string(),
    }
}

/// Only the form in seconds; a date is as good as nothing here, since our clock may be wrong.
fn retry_after(response: &Response<Body>) -> Option<Duration> {
    let value = response.headers().get("retry-after")?.to_str().ok()?;
    value.trim().parse().ok().map(Duration::from_secs)
}

fn token_in(wanted: &TokenEndpoint, answer: &[u8]) -> Result<Secret, TokenError> {
    let missing = |why: String| TokenError::NoToken {
        source_name: wanted.shown().to_owned(),
        why,
    };
    let text = std::str::from_utf8(answer)
        .map_err(|_| missing("it is not UTF-8 text".to_owned()))?
        .trim();
    let pointer = match &wanted.pointer {
        Some(pointer) => pointer.as_str(),
        None if text.starts_with('{') => USUAL_POINTER,
        None => return Ok(Secret::new(text)),
    };
    let value: Value =
        serde_json::from_str(text).map_err(|_| missing("it is not JSON".to_owned()))?;
    match value.pointer(pointer) {
        Some(Value::String(token)) => Ok(Secret::new(token.as_str())),
        Some(_) => Err(missing(format!("what stands at `{pointer}` is no text"))),
        None => Err(missing(format!("nothing stands at `{pointer}`"))),
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::net::TcpListener;
    use std::sync::mpsc::{Receiver, channel};

    use super::*;

    fn endpoint(url: &str, pointer: Option<&str>) -> TokenEndpoint {
        TokenEndpoint {
            url: url.to_owned(),
            method: HttpMethod::Post,
            headers: Vec::new(),
            pointer: pointer.map(str::to_owned),
            ca_file: None,
            time_limit: Duration::from_secs(1),
        }
    }

    #[test]
    fn finds_the_token_in_text_and_in_json() {
        let plain = endpoint("https://x.example/token", None);
        let of = |wanted: &TokenEndpoint, answer: &str| {
            token_in(wanted, answer.as_bytes()).map(|token| token.expose().to_owned())
        };
        assert_eq!(of(&plain, " a.b.c\n").unwrap(), "a.b.c");
        assert_eq!(of(&plain, r#"{"token":"a.b.c"}"#).unwrap(), "a.b.c");
        let deep = endpoint("https://x.example/token", Some("/data/0/jwt"));
        assert_eq!(of(&deep, r#"{"data":[{"jwt":"d.e.f"}]}"#).unwrap(), "d.e.f");
        let told = of(&deep, r#"{"data":[]}"#).unwrap_err().to_string();
        assert!(told.contains("nothing stands at `/data/0/jwt`"), "{told}");
        let told = of(&deep, "a.b.c").unwrap_err().to_string();
        assert!(told.contains("not JSON"), "{told}");
        let told = of(&plain, r#"{"token":5}"#).unwrap_err().to_string();
        assert!(told.contains("is no text"), "{told}");
    }

    #[test]
    fn tokens_travel_in_clear_only_within_the_machine() {
        for url in [
            "https://a.example/t",
            "http://127.0.0.1:80/t",
            "http://[::1]/t",
        ] {
            check_url(&endpoint(url, None)).unwrap();
        }
        let told = check_url(&endpoint("http://a.example/t", None))
            .unwrap_err()
            .to_string();
        assert!(told.contains("in clear"), "{told}");
        assert!(check_url(&endpoint("ftp://a.example/t", None)).is_err());
    }

    #[test]
    fn a_key_in_the_query_is_not_shown() {
        let mut told = Vec::new();
        for url in [
            "http://a.example/t?key=hunter2",
            "http://127.0.0.1:1/t?key=hunter2",
            "https://127.0.0.1:1/ t?key=hunter2",
            "https:///t?key=hunter2",
        ] {
            let wanted = endpoint(url, None);
            told.push(format!("{wanted:?} {}", ask(&wanted).unwrap_err()));
        }
        for told in told {
            assert!(!told.contains("hunter2"), "{told}");
        }
    }

    /// A service that gives these bytes to its one caller and then is silent; it hands out what was asked.
    fn service(answer: Vec<u8>) -> (String, Receiver<String>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/token?of=7", listener.local_addr().unwrap());
        let (asked, questions) = channel();
        std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut question = Vec::new();
            let mut byte = [0];
            while !question.ends_with(b"\r\n\r\n") && stream.read(&mut byte).unwrap() == 1 {
                question.push(byte[0]);
            }
            asked.send(String::from_utf8(question).unwrap()).unwrap();
            // A caller that has read enough hangs up.
            let _ = stream.write_all(&answer);
            // Until the caller has had enough.
            let _ = stream.read(&mut byte);
        });
        (url, questions)
    }

    fn ok(head: &str, body: &str) -> Vec<u8> {
        format!("HTTP/1.1 200 OK\r\n{head}\r\n\r\n{body}").into_bytes()
    }

    #[test]
    fn gets_and_posts_with_fields_from_secret_files() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("bearer");
        std::fs::write(&path, "hunter2\n").unwrap();
        let owner = std::os::unix::fs::PermissionsExt::from_mode(0o600);
        std::fs::set_permissions(&path, owner).unwrap();
        for (method, line) in [
            (HttpMethod::Get, "GET /token?of=7 HTTP/1.1\r\n"),
            (HttpMethod::Post, "POST /token?of=7 HTTP/1.1\r\n"),
        ] {
            let body = r#"{"data":{"jwt":"d.e.f"}}"#;
            let (url, questions) = service(ok("content-length: 24", body));
            let mut wanted = endpoint(&url, Some("/data/jwt"));
            wanted.method = method;
            wanted.time_limit = Duration::from_secs(30);
            let prefix = "Bearer ".to_owned();
            let header = HeaderValue::File {
                prefix,
                path: path.clone(),
            };
            wanted.headers = vec![("Authorization".to_owned(), header)];
            assert_eq!(ask(&wanted).unwrap().expose(), "d.e.f");
            let question = questions.recv().unwrap();
            assert!(question.starts_with(line), "{question}");
            let fields = question.to_ascii_lowercase();
            assert!(
                fields.contains("\r\nauthorization: bearer hunter2\r\n"),
                "{question}"
            );
            // A pointer leads into JSON, so nothing else is asked for.
            assert!(
                fields.contains("\r\naccept: application/json\r\n"),
                "{question}"
            );
        }
    }

    #[test]
    fn an_answer_that_does_not_come_in_time_or_not_whole_is_told_as_that() {
        let begun = ok("content-length: 5", "a.b");
        for answer in [Vec::new(), begun] {
            let (url, _questions) = service(answer);
            let mut wanted = endpoint(&url, None);
            wanted.time_limit = Duration::from_millis(300);
            let told = ask(&wanted).unwrap_err();
            assert!(matches!(told, TokenError::TimeLimit { .. }), "{told}");
        }
    }

    #[test]
    fn no_more_is_read_than_a_token_can_be() {
        let fits = "a".repeat(LONGEST_ANSWER);
        let (url, _questions) = service(ok(&format!("content-length: {}", fits.len()), &fits));
        let mut wanted = endpoint(&url, None);
        wanted.time_limit = Duration::from_secs(30);
        assert_eq!(ask(&wanted).unwrap().expose(), fits);
        // The service goes on for ever, as far as it tells.
        let more = "a".repeat(LONGEST_ANSWER + 1);
        for head in ["content-length: 99999999", "x-length: unknown"] {
            let (url, _questions) = service(ok(head, &more));
            wanted.url = url;
            let told = ask(&wanted).unwrap_err();
            assert!(matches!(told, TokenError::TooLong { .. }), "{told}");
        }
    }

    #[test]
    fn a_refusal_says_when_to_come_back_and_no_redirect_is_followed() {
        let answers = [
            ("429 Slow Down\r\nretry-after: 7", 429, Some(7)),
            ("302 Found\r\nlocation: http://127.0.0.1:9/", 302, None),
        ];
        for (head, expected, after) in answers {
            let answer = format!("HTTP/1.1 {head}\r\ncontent-length: 0\r\n\r\n");
            let (url, _questions) = service(answer.into_bytes());
            let mut wanted = endpoint(&url, None);
            wanted.time_limit = Duration::from_secs(30);
            let told = ask(&wanted).unwrap_err();
            let TokenError::Http {
                status,
                retry_after,
                ..
            } = told
            else {
                panic!("{told}");
            };
            assert_eq!(status, expected);
            assert_eq!(retry_after, after.map(Duration::from_secs));
        }
    }
}
