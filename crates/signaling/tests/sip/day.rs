//! A day in virtual time: not one message that no rule asks for, counted against arithmetic.

use std::collections::BTreeSet;
use std::time::Duration;

use offhook_signaling::call_id::CallId;
use offhook_signaling::command::Command;
use offhook_signaling::event::Event;
use offhook_signaling::sip::config::Config;
use offhook_signaling::sip::message::request::Request;
use offhook_signaling::sip::message::{HeaderName, Method};
use offhook_signaling::sip::session::contract::Input;

use crate::pair::{ANSWER, invite};
use crate::subscribing::{OPEN, PIDF, notify};
use crate::world::{FLOW, World, answer, config};

const DAY: u64 = 86_400;

/// How long each thing of the day holds, in seconds.
const REGISTRATION: u64 = 60;
const SESSION: u64 = 90;
const NONCE: u64 = 600;
const SILENCE: u64 = 25;
const PRESENCE: u64 = 120;
const MAILBOX: u64 = 150;

/// RFC 5627, 4.2 and RFC 6665, 4.1.2.2: at half of less than 64 s, else 32 s before the end (which 80 % would be later).
const fn refreshed_after(expires: u64) -> u64 {
    if expires < 64 {
        expires / 2
    } else {
        expires - 32
    }
}

/// A server of presence and mailboxes: it grants, and says each time how things are.
fn notifier(world: &mut World, subscribe: &Request, number: u32) {
    let event = subscribe
        .headers
        .get(&HeaderName::Event)
        .unwrap_or_default();
    let (expires, kind, body) = if event == "presence" {
        (PRESENCE, PIDF, OPEN)
    } else {
        let waiting = "Messages-Waiting: no\r\n";
        (MAILBOX, "application/simple-message-summary", waiting)
    };
    let expires = expires.to_string();
    let contact = "<sip:presence@192.0.2.5;transport=ws>";
    let lines = [
        (HeaderName::Expires, expires.as_str()),
        (HeaderName::Contact, contact),
    ];
    world.answer(subscribe, 200, &lines);
    let state = format!("active;expires={expires}");
    let text = notify(subscribe, "server-tag", number, &state, kind, body);
    world.say(FLOW, &text);
}

/// A registrar whose nonces go stale after [`NONCE`].
#[derive(Default)]
struct Registrar {
    /// Number and birth of the present nonce.
    nonce: Option<(u32, f64)>,
    /// How often it was shown.
    shown: u32,
    registers: u64,
    stale: u64,
}

impl Registrar {
    fn answer(&mut self, world: &mut World, register: &Request) {
        self.registers += 1;
        let now = world.seconds();
        let line = register.headers.get(&HeaderName::Authorization);
        let (number, born) = self.nonce.unwrap_or_default();
        let known = line
            .as_ref()
            .is_some_and(|line| line.contains(&format!("nonce=\"n{number}\"")));
        if known && now - born < NONCE as f64 {
            self.shown += 1;
            let count = format!("nc={:08x}", self.shown);
            let line = line.unwrap_or_default();
            assert!(line.contains(&count), "{count} is not in {line}");
            let expires = u32::try_from(REGISTRATION).expect("a minute");
            return world.grant(register, expires, &[]);
        }
        let stale = if known { ", stale=true" } else { "" };
        self.stale += u64::from(known);
        self.nonce = Some((number + 1, now));
        self.shown = 0;
        let line = format!(
            "Digest realm=\"example.com\", nonce=\"n{}\", qop=\"auth\", algorithm=SHA-256{stale}",
            number + 1
        );
        world.answer(register, 401, &[(HeaderName::WwwAuthenticate, &line)]);
    }
}

#[test]
fn twenty_four_hours_have_not_one_needless_message() {
    let config = Config {
        session_expires: Some(Duration::from_secs(SESSION)),
        ..config()
    };
    let mut registrar = Registrar::default();
    let mut world = World::new(config, 1);
    world.open(FLOW);
    for _ in 0..2 {
        let register = world.request();
        registrar.answer(&mut world, &register);
    }
    assert_eq!((registrar.registers, registrar.stale), (2, 0));
    // A call that is up all day; its far side leaves the refreshing to us.
    let call = CallId::from_wire("all-day").unwrap();
    world.command(invite(&call, "bob"));
    let request = world.request();
    let session = format!("{SESSION};refresher=uac");
    let lines = [
        (HeaderName::Contact, "<sip:bob@192.0.2.9;transport=ws>"),
        (HeaderName::Allow, "INVITE, ACK, BYE, UPDATE"),
        (HeaderName::SessionExpires, session.as_str()),
    ];
    let mut response = answer(&request, 200, &lines);
    response
        .content
        .set_body("application/sdp", ANSWER.to_owned());
    world.say(FLOW, &response.to_text());
    assert_eq!(world.request().method, Method::Ack);
    let channels = ["presence:bob@example.com", "message-summary"];
    world.command(Command::Subscribe {
        channels: channels.map(str::to_owned).to_vec(),
    });
    let mut subscribes = 0;
    while !world.requests.is_empty() {
        let request = world.request();
        assert_eq!(request.method, Method::Subscribe);
        subscribes += 1;
        notifier(&mut world, &request, subscribes);
    }
    assert_eq!(
        (subscribes, world.texts.len()),
        (2, 2),
        "each word has its answer"
    );
    world.take_events();
    world.doings.clear();
    world.texts.clear();
    registrar.registers = 0;
    world.spares_reader = true;
    let (mut updates, mut others, mut pings) = (0, Vec::new(), 0);
    world.pass(Duration::from_secs(DAY), |world| {
        while !world.requests.is_empty() {
            let request = world.request();
            if request.method == Method::Register {
                registrar.answer(world, &request);
            } else if request.method == Method::Update {
                updates += 1;
                assert!(request.body.is_empty(), "a refresh says nothing new");
                world.answer(&request, 200, &lines);
            } else if request.method == Method::Subscribe {
                subscribes += 1;
                notifier(world, &request, subscribes);
            } else {
                others.push(request.method.to_string());
            }
        }
        for doing in std::mem::take(&mut world.doings) {
            assert_eq!(doing, "ping flow 1");
            pings += 1;
            world.handle(Input::Pong(FLOW));
        }
    });
    // RFC 5627, 4.2: less than 64 s are refreshed at their half; each nonce that went stale costs one more.
    let refreshes = DAY / refreshed_after(REGISTRATION);
    let stale = DAY / NONCE;
    assert_eq!(registrar.stale, stale);
    assert_eq!(registrar.registers, refreshes + stale);
    // RFC 4028, 7.4: at half.
    assert_eq!(updates, DAY / (SESSION / 2));
    // Each subscription for itself; each refresh brings one NOTIFY, which has its answer.
    let presence = DAY / refreshed_after(PRESENCE);
    let mailbox = DAY / refreshed_after(MAILBOX);
    assert_eq!(u64::from(subscribes) - 2, presence + mailbox);
    assert_eq!(world.texts.len() as u64, presence + mailbox);
    // A ping goes into each silence of more than 25 s between all of these.
    let mut words = BTreeSet::from([0]);
    for every in [
        refreshed_after(REGISTRATION),
        SESSION / 2,
        refreshed_after(PRESENCE),
        refreshed_after(MAILBOX),
    ] {
        words.extend((1..=DAY / every).map(|number| number * every));
    }
    let after = words.iter().skip(1);
    let silences = words
        .iter()
        .zip(after)
        .filter(|(from, to)| *to - *from > SILENCE);
    assert_eq!(pings, silences.count());
    assert!(others.is_empty(), "{others:?}");
    // Nothing changed, and nothing but the notifier's words was told.
    let told = world.take_events();
    let expected = |event: &Event| matches!(event, Event::ChannelEvent { .. });
    assert!(told.iter().all(expected), "{told:?}");
}
