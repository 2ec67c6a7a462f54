//! `rsipstack`, as its documents say: a message is read untyped, and headers are typed one by one.

use std::hint::black_box;

use rsipstack::sip::SipMessage;
use rsipstack::sip::prelude::{HeadersExt, ToTypedHeader};

use crate::library::{Library, Writer};

pub(crate) const RSIPSTACK: Library = Library {
    name: "rsipstack",
    read: |text| {
        black_box(SipMessage::try_from(text.as_bytes()).expect("a message"));
    },
    read_ids: |text| match SipMessage::try_from(text.as_bytes()).expect("a message") {
        SipMessage::Request(message) => ids(&message),
        SipMessage::Response(message) => ids(&message),
    },
    writer,
};

fn ids(message: &impl HeadersExt) {
    black_box(
        message
            .via_header()
            .expect("a Via")
            .clone()
            .typed()
            .expect("a Via"),
    );
    black_box(
        message
            .from_header()
            .expect("a From")
            .clone()
            .typed()
            .expect("a From"),
    );
    black_box(
        message
            .to_header()
            .expect("a To")
            .clone()
            .typed()
            .expect("a To"),
    );
    black_box(
        message
            .cseq_header()
            .expect("a CSeq")
            .clone()
            .typed()
            .expect("a CSeq"),
    );
    black_box(message.call_id_header().expect("a Call-ID").clone());
}

fn writer(text: &str) -> Writer {
    let message = SipMessage::try_from(text.as_bytes()).expect("a message");
    Box::new(move || message.to_string())
}
