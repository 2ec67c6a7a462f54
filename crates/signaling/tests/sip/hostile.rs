//! Bad input of every kind to a user agent that is idle, registered, a caller and a callee: refused with the code that says
//! why or dropped and counted, and no call answered, moved or ended by it.

use std::time::Duration;

use offhook_signaling::call_id::CallId;
use offhook_signaling::event::Event;
use offhook_signaling::sip::message::HeaderName;
use offhook_signaling::sip::session::contract::Input;

use crate::pair::{ANSWER, OFFER, answer as take, bye, invite};
use crate::world::{FLOW, World, answer, config};

pub(crate) const fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// Where a user agent may stand.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Stage {
    /// Connected; its REGISTER has no answer.
    Idle,
    Registered,
    /// Its call is out and rings.
    Calling,
    /// A call rings here.
    Ringing,
    /// In a call that it placed.
    Caller,
    /// In a call that it took.
    Callee,
}

pub(crate) const STAGES: [Stage; 6] = [
    Stage::Idle,
    Stage::Registered,
    Stage::Calling,
    Stage::Ringing,
    Stage::Caller,
    Stage::Callee,
];

/// The names of a call as the far side knows them.
#[derive(Clone, Debug)]
pub(crate) struct Names {
    pub(crate) call_id: String,
    /// From of the far side's requests.
    pub(crate) theirs: String,
    /// Our tag.
    pub(crate) ours: String,
    /// Branch of the far side's INVITE.
    pub(crate) branch: String,
}

pub(crate) struct Target {
    pub(crate) world: World,
    pub(crate) call: Option<CallId>,
    pub(crate) names: Names,
}

pub(crate) fn request(
    method: &str,
    names: &Names,
    branch: &str,
    cseq: u32,
    lines: &[&str],
    body: &str,
) -> String {
    let tag = match names.ours.as_str() {
        "" => String::new(),
        tag => format!(";tag={tag}"),
    };
    let lines: String = lines.iter().map(|line| format!("{line}\r\n")).collect();
    format!(
        "{method} sip:alice@example.com SIP/2.0\r\nVia: SIP/2.0/WS far.invalid;branch={branch}\r\n\
         Max-Forwards: 70\r\nFrom: <sip:bob@example.com>;tag={theirs}\r\nTo: <sip:alice@example.com>{tag}\r\n\
         Call-ID: {call_id}\r\nCSeq: {cseq} {method}\r\nContact: <sip:bob@10.0.0.1:5999;transport=ws>\r\n{lines}\
         Content-Length: {length}\r\n\r\n{body}",
        theirs = names.theirs,
        call_id = names.call_id,
        length = body.len(),
    )
}

/// Names of no call.
pub(crate) fn strangers(number: usize) -> Names {
    Names {
        call_id: format!("stranger-{number}"),
        theirs: "mallory".to_owned(),
        ours: String::new(),
        branch: String::new(),
    }
}

pub(crate) const SDP: &str = "Content-Type: application/sdp";

impl Target {
    pub(crate) fn at(stage: Stage) -> Self {
        let mut world = if stage == Stage::Idle {
            let mut world = World::new(config(), 1);
            world.open(FLOW);
            world
        } else {
            World::registered(config(), 1, 86_400)
        };
        let (mut call, mut names) = (None, strangers(0));
        match stage {
            Stage::Idle | Stage::Registered => {}
            Stage::Calling | Stage::Caller => {
                let id = CallId::from_wire("ours").expect("a name");
                world.command(invite(&id, "bob"));
                let sent = world.request();
                names = Names {
                    call_id: sent.ids.call_id.clone(),
                    theirs: "server-tag".to_owned(),
                    ours: sent.ids.from_tag().to_owned(),
                    branch: String::new(),
                };
                let lines = [(HeaderName::Contact, "<sip:bob@10.0.0.1:5999;transport=ws>")];
                let status = if stage == Stage::Caller { 200 } else { 180 };
                let mut response = answer(&sent, status, &lines);
                if stage == Stage::Caller {
                    response
                        .content
                        .set_body("application/sdp", ANSWER.to_owned());
                }
                world.say(FLOW, &response.to_text());
                call = Some(id);
            }
            Stage::Ringing | Stage::Callee => {
                names = Names {
                    call_id: "theirs".to_owned(),
                    theirs: "bobs".to_owned(),
                    ours: String::new(),
                    branch: "z9hG4bKinvite".to_owned(),
                };
                world.say(
                    FLOW,
                    &request("INVITE", &names, &names.branch.clone(), 1, &[SDP], OFFER),
                );
                names.ours = answered(&mut world)[0].1.clone();
                for event in world.take_events() {
                    if let Event::Incoming { call: id, .. } = event {
                        call = Some(id);
                    }
                }
                if stage == Stage::Callee {
                    world.command(take(call.as_ref().expect("it rings")));
                    world.say(FLOW, &request("ACK", &names, "z9hG4bKack", 1, &[], ""));
                }
            }
        }
        world.take_events();
        world.requests.clear();
        world.texts.clear();
        world.doings.clear();
        world.spares_reader = true;
        Self { world, call, names }
    }

    /// Says it, and gives back the codes of what is answered.
    pub(crate) fn hears(&mut self, bytes: &[u8]) -> Vec<u16> {
        self.world.handle(Input::Message(FLOW, bytes));
        let answers = answered(&mut self.world);
        answers.into_iter().map(|(status, _)| status).collect()
    }

    /// Nothing has changed, and the user is still its own master.
    pub(crate) fn stays_unmoved(mut self, what: &str, stage: Stage) {
        let told = self.world.take_events();
        assert!(told.is_empty(), "{what}, {stage:?}: {told:?}");
        assert!(self.world.requests.is_empty(), "{what}, {stage:?}");
        assert!(
            self.world.doings.is_empty(),
            "{what}, {stage:?}: {:?}",
            self.world.doings
        );
        if let Some(call) = &self.call {
            self.world.command(bye(call));
            let told = self.world.take_events();
            let ended = |event: &&Event| matches!(event, Event::Ended { .. });
            assert_eq!(told.iter().filter(ended).count(), 1, "{what}, {stage:?}");
        }
    }
}

/// Codes and To tags of all answers; also of those that copy what no reader takes.
pub(crate) fn answered(world: &mut World) -> Vec<(u16, String)> {
    std::mem::take(&mut world.texts)
        .into_iter()
        .filter_map(|(_, text)| {
            let status = text.strip_prefix("SIP/2.0 ")?.get(..3)?.parse().ok()?;
            let to = text.lines().find(|line| line.starts_with("To:"))?;
            let tag = to.split(";tag=").nth(1).unwrap_or_default();
            Some((status, tag.to_owned()))
        })
        .collect()
}

/// Says something wrong at every stage; `codes` are the answers that are right there.
fn at_every_stage(what: &str, codes: &[u16], counted: bool, text: impl Fn(&Names) -> Vec<u8>) {
    for stage in STAGES {
        let mut target = Target::at(stage);
        let before = target.world.session.malformed();
        let message = text(&target.names);
        let got = target.hears(&message);
        assert_eq!(got, codes, "{what}, {stage:?}");
        let news = target.world.session.malformed() - before;
        assert_eq!(news > 0, counted, "{what}, {stage:?}: {news} counted");
        target.stays_unmoved(what, stage);
    }
}

pub(crate) fn options(number: usize) -> String {
    request("OPTIONS", &strangers(number), "z9hG4bKo", 1, &[], "")
}

#[test]
fn two_messages_in_one_frame_are_none() {
    at_every_stage("two requests", &[], true, |_| {
        (options(1) + &options(2)).into_bytes()
    });
    at_every_stage("an answer behind a request", &[], true, |_| {
        (options(1) + "SIP/2.0 200 OK\r\nCSeq: 1 INVITE\r\n\r\n").into_bytes()
    });
    at_every_stage("a BYE behind an OPTIONS", &[], true, |names| {
        (options(1) + &request("BYE", names, "z9hG4bKb", 9, &[], "")).into_bytes()
    });
}

#[test]
fn half_a_message_is_none() {
    let whole = options(1);
    let end = whole.len();
    for cut in [1, 10, 40, 90, 150, 200, end - 20, end - 5, end - 3] {
        for stage in STAGES {
            let mut target = Target::at(stage);
            let got = target.hears(&whole.as_bytes()[..cut]);
            assert!(got.is_empty() || got == [400], "{cut}: {got:?}");
            target.stays_unmoved("half a message", stage);
        }
    }
}

#[test]
fn a_body_that_is_shorter_than_it_says_is_refused_and_a_longer_one_is_cut() {
    at_every_stage("too short a body", &[400], true, |names| {
        let text = request(
            "BYE",
            names,
            "z9hG4bKb",
            9,
            &["Content-Type: text/plain"],
            "12345",
        );
        text.replace("Content-Length: 5", "Content-Length: 500")
            .into_bytes()
    });
    for (length, codes) in [
        ("-1", &[400_u16][..]),
        ("5 5", &[400]),
        ("abc", &[400]),
        ("99999999999999999999", &[400]),
    ] {
        at_every_stage("a length that is none", codes, true, |names| {
            let text = request(
                "BYE",
                names,
                "z9hG4bKb",
                9,
                &["Content-Type: text/plain"],
                "12345",
            );
            let line = format!("Content-Length: {length}");
            text.replace("Content-Length: 5", &line).into_bytes()
        });
    }
    at_every_stage("too long a body", &[200], false, |_| {
        (options(1) + "whatever else").into_bytes()
    });
}

#[test]
fn a_header_of_64_kib_ten_thousand_headers_and_one_long_line_are_dropped_unread() {
    at_every_stage("64 KiB", &[], true, |names| {
        let long = format!("X-Long: {}", "x".repeat(64 * 1024));
        request("BYE", names, "z9hG4bKb", 9, &[&long], "").into_bytes()
    });
    at_every_stage("10,000 headers", &[], true, |names| {
        request("BYE", names, "z9hG4bKb", 9, &["X: 1"; 10_000], "").into_bytes()
    });
    at_every_stage("300 headers", &[], true, |names| {
        request("BYE", names, "z9hG4bKb", 9, &["X: 1"; 300], "").into_bytes()
    });
    at_every_stage("9 KiB in one line", &[], true, |names| {
        let long = format!("X-Long: {}", "x".repeat(9 * 1024));
        request("BYE", names, "z9hG4bKb", 9, &[&long], "").into_bytes()
    });
    at_every_stage("9 KiB in folded lines", &[], true, |names| {
        let long = format!("X-Long: a{}", "\r\n xxxxxxxxxxxxxxxx".repeat(500));
        request("BYE", names, "z9hG4bKb", 9, &[&long], "").into_bytes()
    });
}

#[test]
fn parts_within_parts_are_not_looked_into() {
    let body = "--a\r\nContent-Type: multipart/mixed;boundary=b\r\n\r\n--b\r\nContent-Type: application/sdp\r\n\r\nv=0\r\n--b--\r\n--a--\r\n";
    let deep = |names: &Names, method: &str| {
        let kind = "Content-Type: multipart/mixed;boundary=a";
        request(method, names, "z9hG4bKdeep", 9, &[kind], body)
    };
    for stage in STAGES {
        let mut target = Target::at(stage);
        let got = target.hears(deep(&strangers(1), "INVITE").as_bytes());
        // The inner one is found as text, or nothing is: it never rings without a description that was meant.
        assert!(got == [415] || got == [180], "{stage:?}: {got:?}");
        if got == [415] {
            target.stays_unmoved("a multipart within a multipart", stage);
        }
    }
    // A hundred levels are a hundred lines of text, and no recursion.
    let many = "--a\r\nContent-Type: multipart/mixed;boundary=a\r\n\r\n".repeat(500) + "--a--";
    at_every_stage("five hundred levels", &[415], false, |_| {
        let kind = "Content-Type: multipart/mixed;boundary=a";
        request("INVITE", &strangers(1), "z9hG4bKdeep", 1, &[kind], &many).into_bytes()
    });
}

#[test]
fn a_body_in_a_wrong_charset_is_no_description() {
    at_every_stage("SDP in UTF-16", &[415], false, |_| {
        let text = request(
            "INVITE",
            &strangers(1),
            "z9hG4bKwide",
            1,
            &[SDP],
            "??v=0 xx",
        );
        let mut bytes = text.into_bytes();
        let end = bytes.len();
        bytes[end - 8..].copy_from_slice(&[0xff, 0xfe, b'v', 0, b'=', 0, b'0', 0]);
        bytes
    });
    for stage in STAGES {
        let mut target = Target::at(stage);
        let text = request("OPTIONS", &strangers(1), "z9hG4bKo", 1, &["X-Name: ??"], "");
        let mut bytes = text.into_bytes();
        let at = bytes
            .windows(2)
            .position(|two| two == b"??")
            .expect("it is there");
        bytes[at..at + 2].copy_from_slice(&[0xff, 0xfe]);
        let got = target.hears(&bytes);
        assert!(got == [200] || got == [400], "{got:?}");
        target.stays_unmoved("a header that is no UTF-8", stage);
    }
}

#[test]
fn a_branch_that_was_used_before_changes_nothing() {
    // Another's INVITE with the branch of the one that rings or is answered: a copy of that, which gets its answer again.
    for stage in [Stage::Ringing, Stage::Callee] {
        let mut target = Target::at(stage);
        let branch = target.names.branch.clone();
        let got =
            target.hears(request("INVITE", &strangers(1), &branch, 1, &[SDP], OFFER).as_bytes());
        let again = if stage == Stage::Ringing { 180 } else { 200 };
        assert_eq!(got, [again]);
        target.stays_unmoved("a reused branch", stage);
    }
    at_every_stage("one branch for everything", &[481], false, |names| {
        let nobody = Names {
            ours: "guessed".to_owned(),
            ..names.clone()
        };
        request("BYE", &nobody, "z9hG4bKinvite", 9, &[], "").into_bytes()
    });
}

#[test]
fn numbers_that_go_back_are_refused() {
    for stage in [Stage::Caller, Stage::Callee] {
        let mut target = Target::at(stage);
        let names = target.names.clone();
        let info = |cseq: u32| {
            let kind = "Content-Type: application/x-nothing";
            request(
                "INFO",
                &names,
                &format!("z9hG4bK{cseq}"),
                cseq,
                &[kind],
                "x",
            )
        };
        assert_eq!(target.hears(info(70).as_bytes()), [415], "{stage:?}");
        for back in [70, 69, 1] {
            let text = request("BYE", &names, &format!("z9hG4bKb{back}"), back, &[], "");
            assert_eq!(target.hears(text.as_bytes()), [500], "{stage:?} {back}");
        }
        assert_eq!(target.world.session.malformed(), 3);
        target.stays_unmoved("a number that goes back", stage);
    }
    at_every_stage("a number beyond 2^31", &[400], true, |names| {
        request("BYE", names, "z9hG4bKb", 4_294_967_295, &[], "").into_bytes()
    });
}

#[test]
fn forged_tags_name_no_call() {
    for method in [
        "BYE", "INFO", "UPDATE", "MESSAGE", "NOTIFY", "PRACK", "INVITE", "REFER",
    ] {
        at_every_stage(method, &[481], false, |names| {
            let forged = Names {
                ours: "guessed".to_owned(),
                ..names.clone()
            };
            let forged = Names {
                theirs: "x".to_owned(),
                ..forged
            };
            request(method, &forged, "z9hG4bKforged", 9, &["Event: refer"], "").into_bytes()
        });
    }
    // The far side's tag is wrong, and ours right.
    for stage in [Stage::Ringing, Stage::Caller, Stage::Callee] {
        let mut target = Target::at(stage);
        let forged = Names {
            theirs: "mallory".to_owned(),
            ..target.names.clone()
        };
        let got = target.hears(request("BYE", &forged, "z9hG4bKf", 9, &[], "").as_bytes());
        assert_eq!(got, [481], "{stage:?}");
        target.stays_unmoved("a BYE of a stranger", stage);
    }
}

#[test]
fn a_cancel_of_a_stranger_cancels_nothing() {
    at_every_stage("CANCEL without its INVITE", &[481], false, |names| {
        let named = Names {
            ours: String::new(),
            ..names.clone()
        };
        request("CANCEL", &named, "z9hG4bKguessed", 1, &[], "").into_bytes()
    });
    // It knows the branch, and comes from elsewhere.
    for stage in [Stage::Ringing, Stage::Callee] {
        let mut target = Target::at(stage);
        let text = request("CANCEL", &target.names, "z9hG4bKinvite", 1, &[], "");
        let text = text.replace("far.invalid", "evil.invalid");
        assert_eq!(target.hears(text.as_bytes()), [481], "{stage:?}");
        target.stays_unmoved("a CANCEL from elsewhere", stage);
    }
}

#[test]
fn an_ack_of_a_stranger_confirms_nothing() {
    for stage in STAGES {
        let mut target = Target::at(stage);
        let forged = Names {
            theirs: "mallory".to_owned(),
            ours: "x".to_owned(),
            ..target.names.clone()
        };
        assert!(
            target
                .hears(request("ACK", &forged, "z9hG4bKa", 1, &[], "").as_bytes())
                .is_empty()
        );
        let names = Names {
            ours: "x".to_owned(),
            ..target.names.clone()
        };
        assert!(
            target
                .hears(request("ACK", &names, "z9hG4bKa", 7, &[], "").as_bytes())
                .is_empty()
        );
        target.stays_unmoved("a stray ACK", stage);
    }
}

#[test]
fn answers_to_requests_that_were_never_sent_are_dropped() {
    let response = |status: u16, names: &Names, via: &str, method: &str| {
        format!(
            "SIP/2.0 {status} X\r\nVia: SIP/2.0/WSS {via}\r\nFrom: <sip:alice@example.com>;tag={}\r\n\
             To: <sip:bob@example.com>;tag={}\r\nCall-ID: {}\r\nCSeq: 1 {method}\r\n\
             Contact: <sip:evil@192.0.2.66>\r\nContent-Length: 0\r\n\r\n",
            names.ours, names.theirs, names.call_id,
        )
    };
    for status in [100, 180, 200, 302, 401, 486, 503] {
        for method in ["INVITE", "REGISTER", "BYE"] {
            at_every_stage("somebody else's answer", &[], true, |names| {
                response(status, names, "other.invalid;branch=z9hG4bKx", method).into_bytes()
            });
        }
    }
}
