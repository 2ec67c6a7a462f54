//! Every message of RFC 4475 and RFC 5118, thrown at the registrar.

use std::fmt::Write as _;
use std::io::Write as _;

use offhook_signaling::sip::message::HeaderName;
use sipx_testkit::{rfc4475, rfc5118};

use crate::sip::tests::phone::Phone;
use crate::sip::tests::torture_wanted::WANTED;
use crate::sip::tests::world::World;

/// Name, what is answered before and, for a registration, after it is proved whose it is (`-` is nothing), and a word about it where the
/// codes alone say too little. "deviation:" where the RFC would rather have something else.
#[rustfmt::skip] // one row a line
const DONE: &[(&str, &str, &str)] = &[
    ("wsinv", "481", "its To has a tag, and there is no such dialog"),
    ("intmeth", "405", ""),
    ("esc01", "407", "a call is challenged before its body is looked at"),
    ("escnull", "401 200", "a registration is challenged first; then both Contacts are kept"),
    ("esc02", "405", ""),
    ("lwsdisp", "200", ""),
    ("longreq", "407", "a call is challenged"),
    ("dblreq", "-", "deviation: on a datagram the second is noise; a WebSocket message holds one (RFC 7118, 5), so neither is taken"),
    ("semiuri", "200", ""),
    ("transports", "200", ""),
    ("mpart01", "407", "a MESSAGE is challenged like any other"),
    ("unreason", "-", "an answer to nobody's request"),
    ("noreason", "-", "an answer to nobody's request"),
    ("clerr", "400", ""),
    ("ncl", "400", ""),
    ("ltgtruri", "400", ""),
    ("lwsruri", "400", ""),
    ("lwsstart", "400", ""),
    ("trws", "400", ""),
    ("bigcode", "-", ""),
    ("badinv01", "400", ""),
    ("scalar02", "400", ""),
    ("scalarlg", "-", ""),
    ("quotbal", "400", ""),
    ("baddate", "407", "nothing here needs the Date; a call is challenged"),
    ("regbadct", "401 400", "its Contact is looked at once it is known whose it is"),
    ("badaspec", "400", ""),
    ("baddn", "400", ""),
    ("escruri", "400", ""),
    ("badvers", "505", ""),
    ("mismatch01", "400", ""),
    ("mismatch02", "400", ""),
    ("badbranch", "200", "its branch is taken for one of RFC 2543"),
    ("insuf", "-", "deviation: an answer without Call-ID, From and To would be matched by nobody, so there is none"),
    ("unkscm", "416", ""),
    ("novelsc", "416", ""),
    ("unksm2", "404", "an address that is not of SIP is none of its own"),
    ("bext01", "420", ""),
    ("invut", "407", "deviation: a call is challenged before its body is looked at, which is refused then"),
    ("regaut01", "401 200", "the challenge is answered by another Authorization beside its own"),
    ("multi01", "400", ""),
    ("mcl01", "400", ""),
    ("bcast", "-", ""),
    ("zeromf", "200", ""),
    ("cparam01", "401 200", ""),
    ("cparam02", "401 200", ""),
    ("regescrt", "401 200", ""),
    ("sdp01", "407", "deviation: a call is challenged; its Accept is not looked at, since the callee answers for itself"),
    ("inv2543", "407", "a call is challenged"),
    ("test", "-", "its first line has no version, so it is no message of SIP"),
    ("ipv6-good", "401 200", ""),
    ("ipv6-bad", "400", ""),
    ("port-ambiguous", "401 200", "valid, though not what was meant"),
    ("port-unambiguous", "401 200", ""),
    ("via-received-param-with-delim", "481", "a BYE for no dialog"),
    ("via-received-param-no-delim", "200", ""),
    ("ipv6-in-sdp", "407", "a call is challenged"),
    ("mult-ip-in-header", "481", "a BYE for no dialog"),
    ("mult-ip-in-sdp", "407", "a call is challenged"),
    ("ipv4-mapped-ipv6", "407", "a call is challenged"),
    ("ipv6-bug-abnf-3-colons", "200", ""),
    ("ipv6-correct-abnf-2-colons", "200", ""),
];

/// What is answered to a message on a connection that is registered; `-`: nothing.
fn answer_to(message: &[u8]) -> String {
    let mut world = World::new();
    let socket = world.registered("demo-1");
    world.send_bytes(socket, message);
    let texts = world.clients[&socket].texts.iter();
    let answers: Vec<&str> = texts
        .filter_map(|text| text.strip_prefix("SIP/2.0 ")?.get(..3))
        .collect();
    if answers.is_empty() {
        "-".to_owned()
    } else {
        answers.join(" ")
    }
}

/// The same registration by demo-1, who proves it: what is answered then, and with which Contacts.
fn answer_once_proved(message: &[u8]) -> (String, Vec<String>) {
    let text = String::from_utf8(message.to_vec()).expect("a registration is text");
    let whose = |line: &str| {
        let name = line.split(':').next().unwrap_or_default();
        name.trim().eq_ignore_ascii_case("to")
    };
    let says = |authorization: &str, try_number: u32| {
        let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
        for line in &mut lines {
            if whose(line) {
                *line = "To: <sip:demo-1@sandbox.example>".to_owned();
            } else {
                *line = line.replace(";branch=z9hG4bK", &format!(";branch=z9hG4bK{try_number}"));
            }
        }
        if !authorization.is_empty() {
            lines.insert(1, authorization.trim_end().to_owned());
        }
        lines.join("\r\n") + "\r\n"
    };
    let mut world = World::new();
    let socket = world.open();
    let answer = world.ask(socket, says, "demo-1");
    let contacts = answer.headers.all(&HeaderName::Contact).collect();
    (answer.status.to_string(), contacts)
}

fn all() -> Vec<(&'static str, &'static str, Vec<u8>)> {
    let torture = rfc4475::CASES
        .iter()
        .map(|case| (case.section, case.name, case.bytes.to_vec()));
    let addresses = rfc5118::CASES
        .iter()
        .map(|case| (case.section, case.name, case.wire().to_vec()));
    torture.chain(addresses).collect()
}

#[test]
fn every_message_is_answered_as_it_deserves() {
    let messages = all();
    assert_eq!(messages.len(), DONE.len());
    let mut table = "\nRFC 4475 and RFC 5118: what the RFC wants, and what the sandbox's registrar answers, then to who proved to be the user\n".to_owned();
    let mut wrong = Vec::new();
    for (section, name, message) in messages {
        let row = DONE.iter().find(|(known, _, _)| *known == name);
        let (_, codes, why) = row.unwrap_or_else(|| panic!("{name} has no row"));
        let wanted = WANTED.iter().find(|(known, _)| *known == name);
        let (_, wanted) = wanted.unwrap_or_else(|| panic!("nobody says what {name} deserves"));
        let mut got = answer_to(&message);
        if codes.contains(' ') {
            let (code, contacts) = answer_once_proved(&message);
            got = format!("{got} {code}");
            // RFC 4475, 3.3.12 to 3.3.14: what belongs to the URI stays with it, and nothing else comes to it.
            let kept = match name {
                "cparam01" => "<sip:+19725552222@gw1.example.net>",
                "cparam02" => "<sip:+19725552222@gw1.example.net;unknownparam>",
                "regescrt" => "<sip:user@example.com?Route=%3Csip:sip.example.com%3E>",
                _ => "",
            };
            let is_kept = contacts.iter().any(|contact| contact.starts_with(kept));
            if !kept.is_empty() && !is_kept {
                wrong.push(format!("{name}: {contacts:?} without {kept}"));
            }
        }
        writeln!(table, "{section:8} {name:29} {wanted:73} {got:8} {why}").unwrap();
        if got != *codes {
            wrong.push(format!("{name}: {got} instead of {codes}"));
        }
    }
    // In one piece, and past the test runner, who shows nothing of a test that passes.
    std::io::stdout()
        .lock()
        .write_all(table.as_bytes())
        .unwrap();
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn whatever_comes_the_registrar_lives_on() {
    let messages = all();
    assert!(messages.len() > 50);
    for (_, name, bytes) in &messages {
        let mut world = World::new();
        let phone = Phone::new(&mut world, "demo-1");
        let (mut dialog, _) = phone.call(&mut world, "9196");
        world.send_bytes(phone.socket, bytes);
        // Half, twice, and with each line missing once.
        world.send_bytes(phone.socket, bytes.get(..bytes.len() / 2).unwrap());
        world.send_bytes(phone.socket, &[bytes.as_slice(), bytes].concat());
        let lines: Vec<&[u8]> = bytes.split_inclusive(|byte| *byte == b'\n').collect();
        for gone in 0..lines.len() {
            let mut rest = lines.clone();
            rest.remove(gone);
            world.send_bytes(phone.socket, &rest.concat());
        }
        world.pass(std::time::Duration::from_secs(120));
        // The call is what it was.
        let texts = &mut world.clients.get_mut(&phone.socket).unwrap().texts;
        texts.clear();
        let bye = phone.ask(&mut world, &mut dialog, "BYE", "", None);
        assert_eq!(bye.status, 200, "{name}");
    }
}
