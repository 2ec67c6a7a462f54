//! Calls between two user agents: from the first ring to the last word, on good wires and bad ones.

use std::time::Duration;

use offhook_signaling::call_id::CallId;
use offhook_signaling::cause::Cause;
use offhook_signaling::command::Command;
use offhook_signaling::event::{EndedBy, Event};

use crate::pair::{ANSWER, OFFER, Pair, answer, bob_config, bye, invite};
use crate::world::config;

const fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn end(events: &[Event]) -> (EndedBy, Cause, bool) {
    let ends: Vec<_> = events
        .iter()
        .filter_map(|event| {
            if let Event::Ended {
                by,
                cause,
                elsewhere,
                ..
            } = event
            {
                Some((*by, cause.clone(), *elsewhere))
            } else {
                None
            }
        })
        .collect();
    assert_eq!(ends.len(), 1, "one end exactly: {events:?}");
    ends[0].clone()
}

fn ended(events: &[Event]) -> bool {
    events
        .iter()
        .any(|event| matches!(event, Event::Ended { .. }))
}

fn update(call: &CallId, sdp: &str) -> Command {
    Command::UpdateMedia {
        call: call.clone(),
        sdp: sdp.to_owned(),
    }
}

fn attach(call: &CallId, sdp: &str) -> Command {
    Command::Attach {
        call: call.clone(),
        sdp: sdp.to_owned(),
    }
}

#[test]
fn a_call_rings_is_answered_and_hung_up_by_the_callee() {
    let mut pair = Pair::new(1);
    let call = CallId::from_wire("call-of-alice").unwrap();
    pair.command(false, invite(&call, "bob"));
    let heard = pair.take(true);
    let Some(Event::Incoming {
        call: incoming,
        caller,
        sdp,
        said,
        ..
    }) = heard.first()
    else {
        panic!("bob does not ring: {heard:?}");
    };
    assert_eq!(caller.name, "Alice \"A\"");
    assert_eq!(caller.number, "alice");
    assert_eq!(sdp.as_deref(), Some(OFFER));
    assert!(
        said.headers
            .contains(&("X-Room".to_owned(), "12".to_owned()))
    );
    let rings =
        |event: &Event| matches!(event, Event::Ringing { call: known, .. } if *known == call);
    assert!(pair.take(false).iter().any(rings));
    pair.command(true, answer(incoming));
    let answered = pair.take(false);
    let Some(Event::Answered { sdp, said, .. }) = answered.first() else {
        panic!("alice heard no answer: {answered:?}");
    };
    assert_eq!(sdp.as_deref(), Some(ANSWER));
    assert!(
        said.headers
            .contains(&("X-Seat".to_owned(), "7".to_owned()))
    );
    pair.sent(true);
    pair.command(true, bye(incoming));
    assert_eq!(
        end(&pair.take(false)),
        (EndedBy::Remote, Cause::NORMAL_CLEARING, false)
    );
    assert_eq!(
        end(&pair.take(true)),
        (EndedBy::Local, Cause::NORMAL_CLEARING, false)
    );
    assert!(pair.sent(true)[0].starts_with("BYE sip:"));
    // Nothing of it is left: no copies, no timers.
    pair.sent(false);
    pair.pass(seconds(100));
    assert!(pair.sent(false).is_empty() && pair.sent(true).is_empty());
}

#[test]
fn a_cancelled_call_ends_on_both_sides_and_says_why() {
    let mut pair = Pair::new(2);
    let (call, _) = pair.ring();
    pair.command(false, bye(&call));
    assert_eq!(
        end(&pair.take(true)),
        (EndedBy::Remote, Cause::ORIGINATOR_CANCEL, false)
    );
    assert_eq!(end(&pair.take(false)).0, EndedBy::Local);
    let sent = pair.sent(false);
    assert!(
        sent.iter()
            .any(|line| line.starts_with("CANCEL sip:bob@example.com")),
        "{sent:?}"
    );
    assert!(
        sent.iter().any(|line| line.starts_with("ACK")),
        "the 487 has its ACK: {sent:?}"
    );
}

#[test]
fn a_cancel_waits_for_the_first_provisional_answer() {
    let mut pair = Pair::new(3);
    pair.stopped = true;
    let call = CallId::from_wire("hasty").unwrap();
    pair.command(false, invite(&call, "bob"));
    pair.command(false, bye(&call));
    assert!(
        !pair
            .sent(false)
            .iter()
            .any(|line| line.starts_with("CANCEL"))
    );
    pair.stopped = false;
    pair.settle();
    assert!(
        pair.sent(false)
            .iter()
            .any(|line| line.starts_with("CANCEL"))
    );
    assert_eq!(end(&pair.take(true)).0, EndedBy::Remote);
    assert_eq!(end(&pair.take(false)).0, EndedBy::Local);
}

#[test]
fn an_answer_that_crosses_the_cancel_is_acknowledged_and_ended() {
    let mut pair = Pair::new(4);
    let (call, bobs) = pair.ring();
    pair.stopped = true;
    pair.command(true, answer(&bobs));
    pair.command(false, bye(&call));
    pair.stopped = false;
    pair.settle();
    let sent = pair.sent(false);
    assert!(sent.iter().any(|line| line.starts_with("ACK")), "{sent:?}");
    assert!(sent.iter().any(|line| line.starts_with("BYE")), "{sent:?}");
    assert_eq!(end(&pair.take(true)).0, EndedBy::Remote);
    assert_eq!(end(&pair.take(false)).0, EndedBy::Local);
}

#[test]
fn a_refusal_says_its_cause() {
    for (cause, status) in [(Cause::USER_BUSY, "486"), (Cause::CALL_REJECTED, "603")] {
        let mut pair = Pair::new(5);
        let (_, bobs) = pair.ring();
        pair.sent(true);
        pair.command(
            true,
            Command::Bye {
                call: bobs,
                cause: Some(cause.clone()),
                sip_code: None,
                headers: Vec::new(),
            },
        );
        let sent = pair.sent(true);
        assert!(
            sent[0].starts_with(&format!("SIP/2.0 {status} ")),
            "{sent:?}"
        );
        assert_eq!(end(&pair.take(false)), (EndedBy::Remote, cause, false));
    }
}

#[test]
fn new_media_is_offered_and_answered_within_the_call_by_either_side() {
    let mut pair = Pair::new(6);
    let (alices, bobs) = pair.talk();
    for by_bob in [false, true] {
        let (own, other) = if by_bob {
            (&bobs, &alices)
        } else {
            (&alices, &bobs)
        };
        pair.command(by_bob, update(own, "new offer"));
        let offer = Event::Offer {
            call: other.clone(),
            sdp: Some("new offer".to_owned()),
        };
        assert_eq!(pair.take(!by_bob), [offer]);
        pair.command(!by_bob, attach(other, "new answer"));
        let updated = Event::MediaUpdated {
            call: own.clone(),
            sdp: "new answer".to_owned(),
        };
        assert_eq!(pair.take(by_bob), [updated]);
        assert_eq!(
            pair.take(!by_bob),
            [Event::Confirmed {
                call: other.clone()
            }]
        );
    }
}

#[test]
fn a_refused_offer_leaves_the_call_as_it_was() {
    let mut pair = Pair::new(7);
    let (alices, bobs) = pair.talk();
    pair.command(false, update(&alices, "what bob cannot do"));
    pair.take(true);
    pair.command(
        true,
        Command::RefuseOffer {
            call: bobs,
            status: 488,
        },
    );
    let heard = pair.take(false);
    assert!(
        matches!(heard.as_slice(), [Event::MediaUpdateFailed { .. }]),
        "{heard:?}"
    );
    // And the next one goes.
    pair.command(false, update(&alices, "another"));
    assert!(
        pair.take(true)
            .iter()
            .any(|event| matches!(event, Event::Offer { .. }))
    );
}

#[test]
fn offers_that_cross_are_both_answered_in_the_end() {
    for seed in 0..20 {
        let mut pair = Pair::new(seed);
        let (alices, bobs) = pair.talk();
        pair.stopped = true;
        pair.command(false, update(&alices, "of alice"));
        pair.command(true, update(&bobs, "of bob"));
        pair.stopped = false;
        pair.settle();
        assert!(
            pair.sent(false)
                .iter()
                .any(|line| line.starts_with("SIP/2.0 491"))
        );
        let mut updated = [false, false];
        for _ in 0..400 {
            pair.pass(Duration::from_millis(50));
            for bob in [false, true] {
                for event in pair.take(bob) {
                    if let Event::Offer { call, .. } = event {
                        pair.command(bob, attach(&call, "yes"));
                        // What was offered before it is void.
                        if !updated[usize::from(bob)] {
                            pair.command(bob, update(&call, "anew"));
                        }
                    } else if let Event::MediaUpdated { .. } = event {
                        updated[usize::from(bob)] = true;
                    } else {
                        assert!(matches!(event, Event::Confirmed { .. }), "{event:?}");
                    }
                }
            }
        }
        assert_eq!(updated, [true, true], "seed {seed}");
    }
}

#[test]
fn a_session_is_refreshed_at_half_of_its_interval_and_no_more() {
    let mut alice = config();
    alice.session_expires = Some(seconds(90));
    alice.expires = seconds(7200);
    let mut bob = bob_config();
    bob.expires = seconds(7200);
    let mut pair = Pair::with(alice, bob, 8);
    pair.talk();
    pair.pass(seconds(3600));
    let (alices, bobs) = (pair.sent(false), pair.sent(true));
    let requests: Vec<_> = alices
        .iter()
        .chain(&bobs)
        .filter(|line| !line.starts_with("SIP/2.0"))
        .collect();
    assert_eq!(requests.len(), 80, "3,600 s / 45 s");
    assert!(
        requests.iter().all(|line| line.starts_with("UPDATE ")),
        "{requests:?}"
    );
    assert!(!ended(&pair.take(false)) && !ended(&pair.take(true)));
}

#[test]
fn a_side_that_vanished_is_found_by_the_session_timer() {
    let mut alice = config();
    alice.session_expires = Some(seconds(90));
    let mut pair = Pair::with(alice, bob_config(), 9);
    pair.talk();
    // Nothing of the call gets through any more, though both sockets live.
    pair.loses = |_| true;
    pair.pass(seconds(125));
    for bob in [false, true] {
        let (by, _, _) = end(&pair.take(bob));
        assert_eq!(by, EndedBy::Timeout);
    }
}

#[test]
fn an_answer_without_its_ack_is_said_again_and_given_up_with_a_bye() {
    let mut pair = Pair::new(10);
    let (_, bobs) = pair.ring();
    pair.loses = |text| text.starts_with("ACK");
    pair.sent(true);
    pair.command(true, answer(&bobs));
    // Before the ACK the callee may not say BYE.
    pair.pass(seconds(31));
    let sent = pair.sent(true);
    // At 0.5, 1.5, 3.5, 7.5 and then every 4 s.
    let answers = sent.iter().filter(|line| line.starts_with("SIP/2.0 200"));
    assert_eq!(answers.count(), 1 + 4 + 5, "{sent:?}");
    assert!(!sent.iter().any(|line| line.starts_with("BYE")));
    pair.pass(seconds(2));
    assert!(pair.sent(true).iter().any(|line| line.starts_with("BYE")));
    assert_eq!(end(&pair.take(true)).0, EndedBy::Timeout);
    assert_eq!(end(&pair.take(false)).0, EndedBy::Remote);
}

#[test]
fn a_lost_socket_does_not_end_the_call_and_the_call_shows_that_it_lives() {
    for bob in [false, true] {
        let mut pair = Pair::new(11);
        let (alices, bobs) = pair.talk();
        pair.cut(bob);
        pair.pass(seconds(40));
        pair.take(bob);
        pair.sent(bob);
        pair.reconnect(bob);
        let sent = pair.sent(bob);
        assert!(
            sent.iter().any(|line| line.starts_with("UPDATE")),
            "{sent:?}"
        );
        let own = if bob { &bobs } else { &alices };
        pair.command(bob, bye(own));
        assert_eq!(end(&pair.take(!bob)).0, EndedBy::Remote);
    }
}

#[test]
fn an_offer_that_was_lost_with_its_socket_goes_again() {
    let mut pair = Pair::new(12);
    let (alices, bobs) = pair.talk();
    pair.stopped = true;
    pair.command(false, update(&alices, "in the air"));
    pair.wire_cut();
    pair.stopped = false;
    pair.cut(false);
    pair.reconnect(false);
    let offer = Event::Offer {
        call: bobs,
        sdp: Some("in the air".to_owned()),
    };
    assert!(pair.take(true).contains(&offer));
}

#[test]
fn without_any_connection_a_call_ends_after_its_limit() {
    // Without a session timer, which would end it earlier.
    let (mut alice, mut bob) = (config(), bob_config());
    (alice.session_expires, bob.session_expires) = (None, None);
    let mut pair = Pair::with(alice, bob, 13);
    pair.talk();
    pair.cut(false);
    // Its media may go on.
    pair.pass(seconds(30 * 60 - 1));
    assert!(!ended(&pair.take(false)));
    pair.pass(seconds(2));
    assert_eq!(end(&pair.take(false)).0, EndedBy::Network);
}

#[test]
fn a_bye_that_had_no_connection_is_said_over_the_next_one() {
    let mut pair = Pair::new(14);
    let (alices, _) = pair.talk();
    pair.cut(false);
    pair.command(false, bye(&alices));
    assert_eq!(end(&pair.take(false)).0, EndedBy::Local);
    assert!(!ended(&pair.take(true)));
    pair.reconnect(false);
    assert_eq!(end(&pair.take(true)).0, EndedBy::Remote);
}

#[test]
fn digits_go_one_after_the_other_and_texts_both_ways() {
    let mut pair = Pair::new(15);
    let (alices, bobs) = pair.talk();
    pair.command(
        false,
        Command::Dtmf {
            call: alices.clone(),
            digits: "1*D".to_owned(),
        },
    );
    let heard: String = pair
        .take(true)
        .iter()
        .map(|event| {
            let Event::Digit { digit, .. } = event else {
                panic!("{event:?}");
            };
            *digit
        })
        .collect();
    assert_eq!(heard, "1*D");
    assert_eq!(pair.take(false).len(), 3, "each told as sent");
    pair.command(
        true,
        Command::Message {
            id: 7,
            call: Some(bobs),
            to: String::new(),
            body: "grüße".to_owned(),
        },
    );
    let heard = pair.take(false);
    let [Event::Message { call, from, body }] = heard.as_slice() else {
        panic!("{heard:?}");
    };
    assert_eq!((call.as_ref(), body.as_str()), (Some(&alices), "grüße"));
    assert_eq!(from.number, "bob");
}

#[test]
fn strangers_neither_end_nor_move_a_call() {
    let mut pair = Pair::new(16);
    let (_, bobs) = pair.talk();
    let genuine = {
        pair.stopped = true;
        pair.command(
            false,
            update(&CallId::from_wire("call-of-alice").unwrap(), "x"),
        );
        let text = pair.alice.texts.last().cloned().unwrap();
        pair.wire_cut();
        pair.stopped = false;
        text
    };
    let tag = genuine
        .lines()
        .find(|line| line.starts_with("To:"))
        .and_then(|line| line.split("tag=").nth(1))
        .unwrap()
        .to_owned();
    let forged = |method: &str, cseq: u32, text: &str| {
        text.replace("INVITE sip", &format!("{method} sip"))
            .lines()
            .map(|line| match line {
                line if line.starts_with("CSeq") => format!("CSeq: {cseq} {method}\r\n"),
                line if line.starts_with("Via") => {
                    "Via: SIP/2.0/WS evil.invalid;branch=z9hG4bKevil\r\n".to_owned()
                }
                line => format!("{line}\r\n"),
            })
            .collect::<String>()
    };
    let answer_to = |pair: &mut Pair, text: &str| {
        pair.sent(true);
        pair.inject(true, text);
        pair.sent(true).first().cloned().unwrap_or_default()
    };
    let wrong_tag = forged("BYE", 100, &genuine.replace(&tag, "guessed"));
    assert!(answer_to(&mut pair, &wrong_tag).starts_with("SIP/2.0 481"));
    let backwards = forged("BYE", 1, &genuine);
    assert!(answer_to(&mut pair, &backwards).starts_with("SIP/2.0 500"));
    let cancel = forged("CANCEL", 1, &genuine);
    assert!(answer_to(&mut pair, &cancel).starts_with("SIP/2.0 481"));
    assert!(!ended(&pair.take(true)));
    pair.command(true, bye(&bobs));
    assert!(ended(&pair.take(true)));
    assert!(pair.seconds() < 1.0);
}
