//! The torture messages of RFC 4475 and RFC 5118, thrown at a registered user agent.

use offhook_signaling::sip::message::read::{self, Incoming};
use offhook_signaling::sip::message::uri::{Uri, escape_user};
use offhook_signaling::sip::session::contract::Input;
use sipx_testkit::{rfc4475, rfc5118};

use crate::world::{FLOW, World, config};

/// What the user agent answers to a message that is for it; `-`: nothing.
fn answer_to(message: &[u8]) -> String {
    let mut config = config();
    // The messages are for many users: be the one that this one is for.
    if let Ok(Incoming::Request(request)) = read::read(message)
        && let Some(user) = request.uri.user().filter(|_| request.uri.is_sip())
    {
        let own = format!("sip:{}@example.com", escape_user(&user));
        config.aor = Uri::parse(&own).unwrap_or(config.aor);
    }
    let mut world = World::registered(config, 1, 600);
    world.texts.clear();
    world.handle(Input::Message(FLOW, message));
    let answers: Vec<_> = world
        .texts
        .iter()
        .map(|(_, text)| text.lines().next().unwrap_or_default())
        .map(|line| line.get(8..11).unwrap_or_default().to_owned())
        .collect();
    if answers.is_empty() {
        "-".to_owned()
    } else {
        answers.join(" ")
    }
}

/// Name, what we do, and why that is what the RFC wants. Codes are our answers; `-` is none.
const RFC_4475: &[(&str, &str, &str)] = &[
    (
        "wsinv",
        "481",
        "valid: its To has a tag, and we have no such dialog",
    ),
    ("intmeth", "405", "valid: an unknown method"),
    (
        "esc01",
        "180",
        "valid: escapes in the user name are undone, and it rings",
    ),
    (
        "escnull",
        "405",
        "valid: an escaped NUL in a URI; a user agent is no registrar",
    ),
    (
        "esc02",
        "405",
        "valid: a method with percent signs is no REGISTER",
    ),
    ("lwsdisp", "200", "valid: no space before the angle bracket"),
    (
        "longreq",
        "180",
        "valid: long values, folded lines; it rings",
    ),
    (
        "dblreq",
        "-",
        "two messages: on a datagram the second is noise; in a WebSocket message (RFC 7118, 5) neither is taken",
    ),
    ("semiuri", "200", "valid: semicolons in the user part"),
    ("transports", "200", "valid: unknown transports in Via"),
    (
        "mpart01",
        "415",
        "valid: a multipart body without text that we show",
    ),
    ("unreason", "-", "valid: an answer to nobody's request"),
    (
        "noreason",
        "-",
        "valid: an answer to nobody's request, without a reason phrase",
    ),
    ("badinv01", "400", "stray separators in Via and Contact"),
    ("clerr", "400", "Content-Length beyond the message"),
    ("ncl", "400", "negative Content-Length"),
    ("scalar02", "400", "numbers beyond their range"),
    (
        "scalarlg",
        "-",
        "an answer with numbers beyond their range is dropped",
    ),
    ("quotbal", "400", "a quoted string without its end"),
    ("ltgtruri", "400", "angle brackets around the Request-URI"),
    ("lwsruri", "400", "space within the Request-URI"),
    ("lwsstart", "400", "more than one space in the start line"),
    ("trws", "400", "space behind the start line"),
    ("escruri", "400", "headers in the Request-URI"),
    (
        "baddate",
        "180",
        "a Date that is none: we do not need it, and it rings",
    ),
    ("regbadct", "405", "a user agent is no registrar"),
    ("badaspec", "400", "space within the URI of To"),
    ("baddn", "400", "a display name that is no token"),
    ("badvers", "505", "an unknown version"),
    ("mismatch01", "400", "methods of start line and CSeq differ"),
    (
        "mismatch02",
        "400",
        "methods of start line and CSeq differ, and are unknown",
    ),
    (
        "bigcode",
        "-",
        "an answer with an impossible code is dropped",
    ),
    (
        "badbranch",
        "200",
        "valid: a branch with nothing behind the cookie is taken for one of RFC 2543",
    ),
    (
        "insuf",
        "-",
        "without Call-ID, From and To there is no way to answer",
    ),
    ("unkscm", "416", "valid: an unknown scheme"),
    ("novelsc", "416", "valid: a scheme that is not for calls"),
    ("unksm2", "405", "a user agent is no registrar"),
    ("bext01", "420", "an unknown extension is required"),
    ("invut", "415", "an unknown kind of body"),
    ("regaut01", "405", "a user agent is no registrar"),
    ("multi01", "400", "single headers twice"),
    ("mcl01", "400", "two different Content-Lengths"),
    ("bcast", "-", "an answer with a broadcast Via is not for us"),
    ("zeromf", "200", "valid: Max-Forwards is for proxies"),
    ("cparam01", "405", "a user agent is no registrar"),
    ("cparam02", "405", "a user agent is no registrar"),
    ("regescrt", "405", "a user agent is no registrar"),
    (
        "sdp01",
        "406",
        "the caller cannot read the SDP that it asks for",
    ),
    ("inv2543", "180", "valid: an INVITE of RFC 2543 rings"),
    ("test", "-", "of the archive alone; no section speaks of it"),
];

const RFC_5118: &[(&str, &str, &str)] = &[
    ("ipv6-good", "405", "valid: a user agent is no registrar"),
    ("ipv6-bad", "400", "an IPv6 address without brackets"),
    (
        "port-ambiguous",
        "405",
        "valid, though not what was meant; a user agent is no registrar",
    ),
    (
        "port-unambiguous",
        "405",
        "valid: a user agent is no registrar",
    ),
    (
        "via-received-param-with-delim",
        "481",
        "valid: a BYE for a dialog that we do not have",
    ),
    ("via-received-param-no-delim", "200", "valid: OPTIONS"),
    ("ipv6-in-sdp", "180", "valid: it rings"),
    (
        "mult-ip-in-header",
        "481",
        "valid: a BYE for a dialog that we do not have",
    ),
    ("mult-ip-in-sdp", "180", "valid: it rings"),
    ("ipv4-mapped-ipv6", "180", "valid: it rings"),
    (
        "ipv6-bug-abnf-3-colons",
        "200",
        "the extra colon of RFC 3261's own grammar is forgiven",
    ),
    ("ipv6-correct-abnf-2-colons", "200", "valid: OPTIONS"),
];

#[expect(clippy::print_stdout, reason = "the table, message by message")]
fn compare<'a>(
    title: &str,
    table: &[(&str, &str, &str)],
    cases: impl Iterator<Item = (&'a str, Vec<u8>)>,
) {
    println!("{title}");
    let mut wrong = Vec::new();
    let mut seen = 0;
    for (name, message) in cases {
        let row = table.iter().find(|(known, _, _)| *known == name);
        let (_, wanted, why) = row.unwrap_or_else(|| panic!("{name} has no row"));
        let got = answer_to(&message);
        println!("  {name:30} {got:4} {why}");
        if got != *wanted {
            wrong.push(format!("{name}: {got} instead of {wanted}"));
        }
        seen += 1;
    }
    assert_eq!(seen, table.len(), "every row has its message");
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn every_message_of_rfc_4475() {
    let cases = rfc4475::CASES.iter();
    compare(
        "RFC 4475",
        RFC_4475,
        cases.map(|case| (case.name, case.bytes.to_vec())),
    );
}

#[test]
fn every_message_of_rfc_5118() {
    let cases = rfc5118::CASES.iter();
    compare(
        "RFC 5118",
        RFC_5118,
        cases.map(|case| (case.name, case.wire().to_vec())),
    );
}

/// The same messages in the middle of a call change nothing about it.
#[test]
fn a_call_outlives_every_torture_message() {
    let mut pair = crate::pair::Pair::new(77);
    let (_, bobs) = pair.talk();
    let all = rfc4475::CASES.iter().map(|case| case.bytes.to_vec());
    for message in all.chain(rfc5118::CASES.iter().map(|case| case.wire().to_vec())) {
        pair.input(true, Input::Message(FLOW, &message));
    }
    pair.take(true);
    pair.command(true, crate::pair::bye(&bobs));
    let ended = |event: &offhook_signaling::event::Event| {
        matches!(event, offhook_signaling::event::Event::Ended { .. })
    };
    assert_eq!(pair.take(false).into_iter().filter(ended).count(), 1);
}
