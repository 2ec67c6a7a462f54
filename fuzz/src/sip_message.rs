//! SIP messages of strangers: read, asked for everything that the user agent acts on, and answered.

use offhook_signaling::sip::auth::challenge::{Asker, challenges};
use offhook_signaling::sip::message::address::NameAddr;
use offhook_signaling::sip::message::bare::Bare;
use offhook_signaling::sip::message::headers::Headers;
use offhook_signaling::sip::message::outgoing::OutgoingResponse;
use offhook_signaling::sip::message::params::Params;
use offhook_signaling::sip::message::read::{Incoming, read};
use offhook_signaling::sip::message::uri::Uri;
use offhook_signaling::sip::message::{HeaderName, Method};

/// The data is one WebSocket message; or, when its first byte is below eight, the rest is for one of the smaller readers.
///
/// # Panics
/// When what was read and written is not read again.
pub fn run(data: &[u8]) {
    let Some((&first, rest)) = data.split_first() else {
        return;
    };
    if first < 8 {
        return small(first, &String::from_utf8_lossy(rest));
    }
    match read(data) {
        Ok(Incoming::Request(request)) => {
            look(&request.headers);
            let _ = (request.sdp(), request.content_type(), request.uri.user());
            let bare = Bare::from(&*request);
            if bare.method != Method::Ack {
                answer(&bare);
            }
        }
        Ok(Incoming::Response(response)) => {
            look(&response.headers);
            let _ = (response.sdp(), response.content_type());
        }
        Ok(_) => {}
        Err(malformed) => {
            if let Some((status, bare)) = malformed.answer {
                assert!((400..700).contains(&status));
                let _ = OutgoingResponse::to(&bare, status, "tag").to_text();
            }
        }
    }
}

fn answer(bare: &Bare) {
    let text = OutgoingResponse::to(bare, 200, "tag").to_text();
    let again = read(text.as_bytes());
    assert!(
        matches!(again, Ok(Incoming::Response(_))),
        "{text:?}: {again:?}"
    );
}

fn look(headers: &Headers) {
    for name in [
        HeaderName::Contact,
        HeaderName::RecordRoute,
        HeaderName::PAssertedIdentity,
        HeaderName::ReferTo,
    ] {
        let _ = headers.addresses(&name);
        let _ = headers.address(&name);
    }
    for name in [HeaderName::Require, HeaderName::Allow, HeaderName::Reason] {
        let _ = headers.tokens(&name);
        let _ = headers.parametrised(&name);
    }
    let _ = (headers.retry_after(), headers.vias(), headers.others());
    for asker in [Asker::Server, Asker::Proxy] {
        let _ = challenges(headers, asker);
    }
}

fn small(which: u8, text: &str) {
    match which {
        0 | 1 => {
            if let Ok(uri) = Uri::parse(text) {
                assert_eq!(uri.to_string(), text);
                let _ = (uri.user(), uri.host(), uri.headers(), uri.is_gruu());
                let _ = uri.is_same(&uri);
            }
        }
        2 | 3 => {
            if let Ok(address) = NameAddr::parse(text) {
                let written = address.to_string();
                assert!(NameAddr::parse(&written).is_ok(), "{written:?}");
            }
        }
        4 => {
            let params = Params::read(text);
            let _ = params.to_string();
        }
        5 => {
            let _ = NameAddr::parse_list(text);
        }
        _ => {
            let message = format!(
                "SIP/2.0 401 Unauthorized\r\nVia: SIP/2.0/WS a.invalid;branch=z9hG4bKa\r\nFrom: <sip:a@b>;tag=c\r\n\
                 To: <sip:a@b>;tag=d\r\nCall-ID: e\r\nCSeq: 1 REGISTER\r\nWWW-Authenticate: {}\r\n\r\n",
                text.replace(['\r', '\n'], " ")
            );
            if let Ok(Incoming::Response(response)) = read(message.as_bytes()) {
                let _ = challenges(&response.headers, Asker::Server);
            }
        }
    }
}
