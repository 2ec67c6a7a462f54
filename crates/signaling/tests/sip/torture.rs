//! The torture messages of RFC 4475 and RFC 5118, thrown at a user agent in every state that it can be in.

use std::fmt::Write as _;
use std::io::Write as _;

use offhook_signaling::call_id::CallId;
use offhook_signaling::event::Event;
use offhook_signaling::sip::config::Config;
use offhook_signaling::sip::message::HeaderName;
use offhook_signaling::sip::message::read::{self, Incoming};
use offhook_signaling::sip::message::uri::{Uri, escape_user};
use offhook_signaling::sip::session::contract::Input;
use sipx_testkit::{rfc4475, rfc5118};

use crate::called::Script;
use crate::pair::{ANSWER, answer, bye, invite};
use crate::torture_wanted::WANTED;
use crate::world::{self, FLOW, World, config};

/// What the user agent is doing when the message comes.
#[derive(Clone, Copy, Debug)]
enum State {
    /// Connected, and not registered.
    Idle,
    /// Registered, without a call.
    Registered,
    /// Its call waits for an answer.
    Calling,
    /// In a call that it placed.
    Caller,
    /// In a call that it took.
    Callee,
}

const STATES: [State; 5] = [
    State::Idle,
    State::Registered,
    State::Calling,
    State::Caller,
    State::Callee,
];

/// Brings a user agent there; gives back its call, if it has one.
fn in_state(state: State, config: Config) -> (World, Option<CallId>) {
    if matches!(state, State::Idle) {
        let registers = false;
        let mut world = World::new(
            Config {
                registers,
                ..config
            },
            1,
        );
        world.open(FLOW);
        return (world, None);
    }
    let own = config.aor.to_string();
    let mut world = World::registered(config, 1, 7200);
    world.spares_reader = true;
    let call = CallId::from_wire("a-call").expect("a name");
    match state {
        State::Idle | State::Registered => return (world, None),
        State::Calling => world.command(invite(&call, "bob")),
        State::Caller => {
            world.command(invite(&call, "bob"));
            let request = world.request();
            let contact = (HeaderName::Contact, "<sip:bob@192.0.2.9;transport=ws>");
            let mut response = world::answer(&request, 200, &[contact]);
            response
                .content
                .set_body("application/sdp", ANSWER.to_owned());
            world.say(FLOW, &response.to_text());
        }
        State::Callee => {
            let say = |world: &mut World, script: &Script| {
                let text = script.text().replace("sip:alice@example.com", &own);
                world.say(FLOW, &text);
            };
            say(&mut world, &Script::invite());
            let told = world.take_events();
            let [Event::Incoming { call, .. }] = told.as_slice() else {
                panic!("{told:?}");
            };
            world.command(answer(call));
            let (_, text) = world.texts.pop().expect("a 200");
            let Ok(Incoming::Response(taken)) = read::read(text.as_bytes()) else {
                panic!("{text}");
            };
            let tag = taken.ids.to_tag().to_owned();
            say(&mut world, &Script::new("ACK").within(&tag, 1));
            return (world, Some(call.clone()));
        }
    }
    (world, Some(call))
}

/// What the user agent answers to a message that is for it; `-`: nothing. A call that it has goes on.
fn answer_to(name: &str, message: &[u8], state: State) -> String {
    let mut config = config();
    // The messages are for many users: be the one that this one is for.
    if let Ok(Incoming::Request(request)) = read::read(message)
        && let Some(user) = request.uri.user().filter(|_| request.uri.is_sip())
    {
        let own = format!("sip:{}@example.com", escape_user(&user));
        config.aor = Uri::parse(&own).unwrap_or(config.aor);
    }
    let (mut world, call) = in_state(state, config);
    world.texts.clear();
    world.requests.clear();
    world.take_events();
    world.spares_reader = true;
    world.handle(Input::Message(FLOW, message));
    let answers: Vec<_> = world
        .texts
        .iter()
        .map(|(_, text)| text.lines().next().unwrap_or_default())
        .map(|line| line.get(8..11).unwrap_or_default().to_owned())
        .collect();
    assert!(world.requests.is_empty(), "{name} made it ask, {state:?}");
    if let Some(call) = call {
        let its_end =
            |event: &Event| matches!(event, Event::Ended { call: ended, .. } if *ended == call);
        let told = world.take_events();
        assert!(!told.iter().any(its_end), "{name} ended a call, {state:?}");
        world.command(bye(&call));
        let ended = world
            .take_events()
            .iter()
            .filter(|told| its_end(told))
            .count();
        assert_eq!(ended, 1, "{name}: the call was ours to end, {state:?}");
    }
    if answers.is_empty() {
        "-".to_owned()
    } else {
        answers.join("+")
    }
}

/// Name, what we do in every state (a code, or `-` for nothing), and a word about it where the code alone says too little.
/// "deviation:" where the RFC would rather have something else.
#[rustfmt::skip] // one row a line
const DONE: &[(&str, &str, &str)] = &[
    ("wsinv", "481", "its To has a tag, and there is no such dialog"),
    ("intmeth", "405", ""),
    ("esc01", "180", "the escapes are undone, and it rings"),
    ("escnull", "405", "a user agent is no registrar"),
    ("esc02", "405", ""),
    ("lwsdisp", "200", ""),
    ("longreq", "180", "it rings"),
    ("dblreq", "-", "deviation: on a datagram the second is noise; a WebSocket message holds one (RFC 7118, 5), so neither is taken"),
    ("semiuri", "200", ""),
    ("transports", "200", ""),
    ("mpart01", "200", "the part that is text is told"),
    ("unreason", "-", "an answer to nobody's request"),
    ("noreason", "-", "an answer to nobody's request"),
    ("badinv01", "400", ""),
    ("clerr", "400", ""),
    ("ncl", "400", ""),
    ("scalar02", "400", ""),
    ("scalarlg", "-", ""),
    ("quotbal", "400", ""),
    ("ltgtruri", "400", ""),
    ("lwsruri", "400", ""),
    ("lwsstart", "400", ""),
    ("trws", "400", ""),
    ("escruri", "400", ""),
    ("baddate", "180", "nothing of ours needs the Date, and it rings"),
    ("regbadct", "405", "a user agent is no registrar"),
    ("badaspec", "400", ""),
    ("baddn", "400", ""),
    ("badvers", "505", ""),
    ("mismatch01", "400", ""),
    ("mismatch02", "400", ""),
    ("bigcode", "-", ""),
    ("badbranch", "200", "its branch is taken for one of RFC 2543"),
    ("insuf", "-", "deviation: an answer without Call-ID, From and To would be matched by nobody, so there is none"),
    ("unkscm", "416", ""),
    ("novelsc", "416", ""),
    ("unksm2", "405", "a user agent is no registrar"),
    ("bext01", "420", ""),
    ("invut", "415", ""),
    ("regaut01", "405", "a user agent is no registrar"),
    ("multi01", "400", ""),
    ("mcl01", "400", ""),
    ("bcast", "-", ""),
    ("zeromf", "200", ""),
    ("cparam01", "405", "a user agent is no registrar"),
    ("cparam02", "405", "a user agent is no registrar"),
    ("regescrt", "405", "a user agent is no registrar"),
    ("sdp01", "406", ""),
    ("inv2543", "180", "it rings"),
    ("test", "-", "its first line has no version, so it is no message of SIP"),
    ("ipv6-good", "405", "a user agent is no registrar"),
    ("ipv6-bad", "400", ""),
    ("port-ambiguous", "405", "a user agent is no registrar"),
    ("port-unambiguous", "405", "a user agent is no registrar"),
    ("via-received-param-with-delim", "481", "a BYE for no dialog of ours"),
    ("via-received-param-no-delim", "200", ""),
    ("ipv6-in-sdp", "180", "it rings"),
    ("mult-ip-in-header", "481", "a BYE for no dialog of ours"),
    ("mult-ip-in-sdp", "180", "it rings"),
    ("ipv4-mapped-ipv6", "180", "it rings"),
    ("ipv6-bug-abnf-3-colons", "200", ""),
    ("ipv6-correct-abnf-2-colons", "200", ""),
];

fn compare<'a>(title: &str, cases: impl Iterator<Item = (&'a str, &'a str, Vec<u8>)>) -> usize {
    let mut table = format!(
        "\n{title}: what the RFC wants, and what a user agent does that is idle, registered, calling, in a call as caller, as callee\n"
    );
    let mut wrong = Vec::new();
    let mut seen = 0;
    for (section, name, message) in cases {
        let done = DONE.iter().find(|(known, _, _)| *known == name);
        let (_, code, why) = done.unwrap_or_else(|| panic!("{name} has no row"));
        let wanted = WANTED.iter().find(|(known, _)| *known == name);
        let (_, wanted) = wanted.unwrap_or_else(|| panic!("nobody says what {name} deserves"));
        let got = STATES.map(|state| answer_to(name, &message, state));
        let shown = got.join(" ");
        writeln!(table, "{section:8} {name:29} {wanted:73} {shown:19} {why}").expect("a string");
        if got.iter().any(|got| got != code) {
            wrong.push(format!("{name}: {shown} instead of {code}"));
        }
        seen += 1;
    }
    // In one piece, and past the test runner, who shows nothing of a test that passes.
    let mut output = std::io::stdout().lock();
    output.write_all(table.as_bytes()).expect("standard output");
    assert!(wrong.is_empty(), "{wrong:#?}");
    seen
}

#[test]
fn every_message_of_both_rfcs() {
    let cases = rfc4475::CASES.iter();
    let seen = compare(
        "RFC 4475",
        cases.map(|case| (case.section, case.name, case.bytes.to_vec())),
    );
    let cases = rfc5118::CASES.iter();
    let seen = seen
        + compare(
            "RFC 5118",
            cases.map(|case| (case.section, case.name, case.wire().to_vec())),
        );
    assert_eq!(seen, DONE.len(), "every row has its message");
    assert_eq!(seen, WANTED.len(), "every wish has its message");
}

/// The same messages, all of them, in the middle of one call change nothing about it.
#[test]
fn a_call_outlives_every_torture_message() {
    let mut pair = crate::pair::Pair::new(77);
    let (_, bobs) = pair.talk();
    pair.spares_reader = true;
    let all = rfc4475::CASES.iter().map(|case| case.bytes.to_vec());
    for message in all.chain(rfc5118::CASES.iter().map(|case| case.wire().to_vec())) {
        pair.input(true, Input::Message(FLOW, &message));
    }
    pair.take(true);
    pair.command(true, bye(&bobs));
    let ended = |event: &Event| matches!(event, Event::Ended { .. });
    assert_eq!(pair.take(false).into_iter().filter(ended).count(), 1);
}
