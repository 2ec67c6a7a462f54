//! offhook's own messages.

use std::hint::black_box;

use offhook_signaling::sip::message::HeaderName;
use offhook_signaling::sip::message::outgoing::{Content, OutgoingRequest, OutgoingResponse};
use offhook_signaling::sip::message::read::{self, Incoming};

use crate::library::{Library, Writer};

pub(crate) const OURS: Library = Library {
    name: "offhook",
    read: |text| {
        black_box(read::read(text.as_bytes()).expect("a message"));
    },
    // Via, From, To, Call-ID and CSeq are parsed with every message.
    read_ids: |text| {
        black_box(read::read(text.as_bytes()).expect("a message"));
    },
    writer,
};

fn writer(text: &str) -> Writer {
    let content = |lines: &mut dyn Iterator<Item = (&HeaderName, String)>, body: &[u8]| {
        let mut content = Content::default();
        let mut kind = None;
        for (name, value) in lines {
            match name {
                HeaderName::ContentLength => {}
                HeaderName::ContentType => kind = Some(value),
                name => content.push(name, value),
            }
        }
        if let Some(kind) = kind {
            content.set_body(&kind, String::from_utf8(body.to_vec()).expect("text"));
        }
        content
    };
    match read::read(text.as_bytes()).expect("a message") {
        Incoming::Request(request) => {
            let request = OutgoingRequest {
                content: content(&mut request.headers.lines(), &request.body),
                method: request.method,
                uri: request.uri,
                secure: false,
            };
            Box::new(move || request.to_text())
        }
        Incoming::Response(response) => {
            let response = OutgoingResponse {
                content: content(&mut response.headers.lines(), &response.body),
                status: response.status,
                reason: response.reason,
            };
            Box::new(move || response.to_text())
        }
        other => panic!("{other:?} is no message"),
    }
}
