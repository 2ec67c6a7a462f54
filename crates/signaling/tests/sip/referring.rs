//! The far side asks us to call somebody else (RFC 3515, 3891, 3892, 4488, 4538, 7647).

use std::time::Duration;

use offhook_signaling::call_id::CallId;
use offhook_signaling::command::Command;
use offhook_signaling::event::{Event, Party};
use offhook_signaling::sip::config::Config;
use offhook_signaling::sip::message::request::Request;
use offhook_signaling::sip::message::{HeaderName, Method};

use crate::called::{Script, answer_to, responses, statuses, talking};
use crate::pair::{ANSWER, OFFER, bye, invite};
use crate::world::{FLOW, World, answer, config};

pub(crate) const CONTACT: (HeaderName, &str) =
    (HeaderName::Contact, "<sip:dave@192.0.2.9;transport=ws>");
const BY: &str = "Referred-By: \"Carol\" <sip:carol@example.com>;cid=\"1@x\"";

const fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn refer(tag: &str, cseq: u32, to: &str) -> Script {
    Script::new("REFER")
        .within(tag, cseq)
        .header(&format!("Refer-To: {to}"))
        .header(BY)
}

/// The user does what the far side wants.
pub(crate) fn carry(name: &CallId, call: &str) -> (Command, CallId) {
    let call = CallId::from_wire(call).expect("a name");
    let Command::Invite {
        caller_name,
        caller_number,
        headers,
        client_state,
        codecs,
        user_variables,
        replaces,
        ..
    } = invite(&call, "nobody looks at this")
    else {
        panic!("an invite");
    };
    let command = Command::Invite {
        call: call.clone(),
        to: "nobody looks at this".to_owned(),
        sdp: OFFER.to_owned(),
        caller_name,
        caller_number,
        headers,
        client_state,
        codecs,
        user_variables,
        refer: Some(name.clone()),
        replaces,
        trickle: None,
    };
    (command, call)
}

/// A NOTIFY of ours about a REFER: its status line and state; it is answered.
fn notice(world: &mut World) -> (String, String) {
    let request = unanswered_notice(world);
    world.answer(&request, 200, &[]);
    shown(&request)
}

fn unanswered_notice(world: &mut World) -> Request {
    let request = world.request();
    assert_eq!(request.method, Method::Notify);
    assert_eq!(
        request.content_type().as_deref(),
        Some("message/sipfrag"),
        "{request:?}"
    );
    request
}

fn shown(request: &Request) -> (String, String) {
    let body = String::from_utf8_lossy(&request.body).trim_end().to_owned();
    let state = request.headers.get(&HeaderName::SubscriptionState);
    (body, state.unwrap_or_default())
}

pub(crate) const OVER: &str = "terminated;reason=noresource";

/// Carol wants us to call dave; the first word has gone out.
fn referred(to: &str) -> (World, CallId, String) {
    let (mut world, call, tag) = talking();
    assert_eq!(answer_to(&mut world, &refer(&tag, 2, to)).status, 200);
    assert_eq!(notice(&mut world).0, "SIP/2.0 100 Trying");
    world.take_events();
    (world, call, tag)
}

#[test]
fn a_referral_is_asked_about_carried_out_and_told_of() {
    let (mut world, call, tag) = talking();
    let to = "<sip:dave@example.com?Replaces=x%40y%3Bto-tag%3D1%3Bfrom-tag%3D2&Route=%3Csip:evil.example%3E&X-Room=9>";
    let taken = answer_to(&mut world, &refer(&tag, 2, to));
    assert_eq!(taken.status, 200);
    assert!(taken.headers.has(&HeaderName::Contact));
    let asked = Event::Referred {
        call: call.clone(),
        within: true,
        to: "sip:dave@example.com".to_owned(),
        referred_by: Some(Party {
            name: "Carol".to_owned(),
            number: "carol".to_owned(),
        }),
        replaces: true,
    };
    assert_eq!(world.take_events(), [asked]);
    let first = unanswered_notice(&mut world);
    assert_eq!(shown(&first).0, "SIP/2.0 100 Trying");
    assert_eq!(shown(&first).1, "active;expires=242");
    assert_eq!(
        first.headers.get(&HeaderName::Event).as_deref(),
        Some("refer")
    );
    assert_eq!(first.ids.to_tag(), "carols");
    world.answer(&first, 200, &[]);

    let (command, new) = carry(&call, "the-new-call");
    world.command(command);
    let invite = world.request();
    assert_eq!(invite.uri.to_string(), "sip:dave@example.com");
    let header = |name: &HeaderName| invite.headers.get(name);
    assert_eq!(
        header(&HeaderName::Replaces).as_deref(),
        Some("x@y;to-tag=1;from-tag=2")
    );
    assert_eq!(
        header(&HeaderName::ReferredBy).as_deref(),
        BY.strip_prefix("Referred-By: ")
    );
    assert_eq!(header(&HeaderName::Route), None);
    assert!(
        invite
            .headers
            .others()
            .contains(&("X-Room".into(), "9".into()))
    );

    world.answer(&invite, 100, &[]);
    world.answer(&invite, 180, &[CONTACT]);
    let (body, state) = notice(&mut world);
    assert_eq!(body, "SIP/2.0 180 Ringing");
    assert!(state.starts_with("active"));
    // The same again says nothing.
    world.answer(&invite, 180, &[CONTACT]);
    assert!(world.requests.is_empty());
    let mut response = answer(&invite, 200, &[CONTACT]);
    response
        .content
        .set_body("application/sdp", ANSWER.to_owned());
    world.say(FLOW, &response.to_text());
    assert_eq!(world.request().method, Method::Ack);
    assert_eq!(notice(&mut world), ("SIP/2.0 200 OK".into(), OVER.into()));
    let events = world.take_events();
    assert!(
        events
            .iter()
            .any(|event| matches!(event, Event::Answered { call, .. } if *call == new))
    );
    // Who referred hangs up; the new call stays, and nothing more is said.
    let goodbye = Script::new("BYE").within(&tag, 3);
    assert_eq!(answer_to(&mut world, &goodbye).status, 200);
    world.pass(seconds(600), |_| ());
    assert!(
        world
            .requests
            .iter()
            .all(|(_, it)| it.method != Method::Notify)
    );
}

#[test]
fn a_user_who_does_not_want_to_says_so_and_one_who_says_nothing_does_too() {
    let (mut world, call, _) = referred("<sip:dave@example.com>");
    let refuse = |status| Command::RefuseRefer {
        call: call.clone(),
        status,
    };
    world.command(refuse(603));
    assert_eq!(
        notice(&mut world),
        ("SIP/2.0 603 Decline".into(), OVER.into())
    );
    assert!(world.take_events().is_empty());
    world.command(refuse(603));
    assert!(matches!(
        world.take_events()[..],
        [Event::CommandFailed { .. }]
    ));

    let (mut world, call, _) = referred("<sip:dave@example.com>");
    world.pass(seconds(29), |_| ());
    assert!(world.requests.is_empty());
    world.pass(seconds(2), |_| ());
    let unavailable = "SIP/2.0 480 Temporarily Unavailable";
    assert_eq!(notice(&mut world), (unavailable.into(), OVER.into()));
    assert_eq!(
        world.take_events(),
        [Event::ReferLapsed { call: call.clone() }]
    );
    let (command, new) = carry(&call, "too-late");
    world.command(command);
    assert!(world.requests.is_empty());
    assert!(matches!(&world.take_events()[..], [Event::Ended { call, .. }] if *call == new));
}

#[test]
fn a_referral_that_fails_is_told_with_the_status_that_it_met() {
    let (mut world, call, _) = referred("<sip:dave@example.com>");
    let (command, _) = carry(&call, "the-new-call");
    world.command(command);
    let invite = world.request();
    world.answer(&invite, 486, &[]);
    assert_eq!(world.request().method, Method::Ack);
    assert_eq!(
        notice(&mut world),
        ("SIP/2.0 486 Busy Here".into(), OVER.into())
    );

    // Our user thinks again.
    let (mut world, call, _) = referred("<sip:dave@example.com>");
    let (command, new) = carry(&call, "the-new-call");
    world.command(command);
    let invite = world.request();
    world.answer(&invite, 180, &[CONTACT]);
    notice(&mut world);
    world.command(bye(&new));
    assert_eq!(world.request().method, Method::Cancel);
    assert_eq!(notice(&mut world).0, "SIP/2.0 487 Request Terminated");

    // Nobody answers at all.
    let (mut world, call, _) = referred("<sip:dave@example.com>");
    let (command, _) = carry(&call, "the-new-call");
    world.command(command);
    world.request();
    world.pass(seconds(33), |world| {
        world.handle(offhook_signaling::sip::session::contract::Input::Pong(FLOW));
    });
    assert_eq!(notice(&mut world).0, "SIP/2.0 408 Request Timeout");
}

#[test]
fn what_cannot_be_carried_out_is_refused_with_its_code() {
    let (mut world, call, tag) = talking();
    let loops = format!(
        "<sip:alice@example.com?Replaces=call-of-carol%3Bto-tag%3D{tag}%3Bfrom-tag%3Dcarols>"
    );
    for (cseq, (to, status)) in (2..).zip([
        ("<file:///etc/passwd>", 416),
        ("<tel:+12015550123>", 416),
        ("<mailto:dave@example.com>", 416),
        ("<sip:dave@example.com;method=BYE>", 501),
        ("<sip:dave@example.com>, <sip:erin@example.com>", 400),
        ("<sip:dave@example.com?Replaces=x>", 400),
        (loops.as_str(), 482),
    ]) {
        let refused = answer_to(&mut world, &refer(&tag, cseq, to));
        assert_eq!(refused.status, status, "{to}");
    }
    let bare = Script::new("REFER").within(&tag, 20);
    assert_eq!(answer_to(&mut world, &bare).status, 400);
    let two = refer(&tag, 21, "<sip:a@example.com>").header("Refer-To: <sip:b@example.com>");
    assert_eq!(answer_to(&mut world, &two).status, 400);
    assert!(world.take_events().is_empty());
    assert!(world.requests.is_empty());
    // The call itself goes on, and each that is taken has a name of its own by now.
    let good = refer(&tag, 22, "<sip:dave@example.com>");
    assert_eq!(answer_to(&mut world, &good).status, 200);
    let first = unanswered_notice(&mut world);
    assert_eq!(
        first.headers.get(&HeaderName::Event).as_deref(),
        Some("refer;id=22")
    );
    assert!(
        matches!(&world.take_events()[..], [Event::Referred { call: known, .. }] if *known == call)
    );
}

/// Carol wants us to call that many; their names, each told of by its own event.
fn referred_to(world: &mut World, tag: &str, cseqs: std::ops::Range<u32>) -> Vec<CallId> {
    cseqs
        .map(|cseq| {
            let to = format!("<sip:friend-{cseq}@example.com>");
            assert_eq!(answer_to(world, &refer(tag, cseq, &to)).status, 200);
            let events = world.take_events();
            let [
                Event::Referred {
                    call, within: true, ..
                },
            ] = &events[..]
            else {
                panic!("{events:?}");
            };
            call.clone()
        })
        .collect()
}

fn event_of(request: &Request) -> String {
    request.headers.get(&HeaderName::Event).unwrap_or_default()
}

/// RFC 3515, 2.4.6.
#[test]
fn several_referrals_of_a_call_are_told_apart_by_their_numbers() {
    let (mut world, call, tag) = talking();
    let names = referred_to(&mut world, &tag, 2..4);
    assert_eq!(names[0], call);
    assert_ne!(names[1], call);
    let mut last = 0;
    for event in ["refer", "refer;id=3"] {
        let first = unanswered_notice(&mut world);
        assert_eq!(event_of(&first), event);
        assert!(first.ids.cseq > last);
        last = first.ids.cseq;
        world.answer(&first, 200, &[]);
    }
    // The second is carried out and the first refused, each with its word.
    let (command, _) = carry(&names[1], "the-new-call");
    world.command(command);
    let invite = world.request();
    assert_eq!(invite.uri.to_string(), "sip:friend-3@example.com");
    world.command(Command::RefuseRefer {
        call: names[0].clone(),
        status: 603,
    });
    let refused = unanswered_notice(&mut world);
    assert_eq!(event_of(&refused), "refer");
    assert_eq!(shown(&refused), ("SIP/2.0 603 Decline".into(), OVER.into()));
    world.answer(&refused, 200, &[]);
    // Who referred hangs up, and hears the rest, in the order of its numbers.
    let goodbye = Script::new("BYE").within(&tag, 4);
    assert_eq!(answer_to(&mut world, &goodbye).status, 200);
    world.answer(&invite, 486, &[]);
    assert_eq!(world.request().method, Method::Ack);
    let busy = unanswered_notice(&mut world);
    assert_eq!(event_of(&busy), "refer;id=3");
    assert_eq!(shown(&busy), ("SIP/2.0 486 Busy Here".into(), OVER.into()));
    assert!(busy.ids.cseq > refused.ids.cseq);
}

#[test]
fn the_numbers_of_referrals_go_on_together_when_their_call_is_over() {
    let (mut world, _, tag) = talking();
    let names = referred_to(&mut world, &tag, 2..5);
    let goodbye = Script::new("BYE").within(&tag, 5);
    assert_eq!(answer_to(&mut world, &goodbye).status, 200);
    world.take_events();
    let mut last = 0;
    let mut heard = Vec::new();
    for name in names.into_iter().rev() {
        world.command(Command::RefuseRefer {
            call: name,
            status: 603,
        });
        while !world.requests.is_empty() {
            let notice = unanswered_notice(&mut world);
            assert!(notice.ids.cseq > last, "{} {last}", notice.ids.cseq);
            last = notice.ids.cseq;
            heard.push((event_of(&notice), shown(&notice).0));
            world.answer(&notice, 200, &[]);
        }
    }
    for event in ["refer", "refer;id=3", "refer;id=4"] {
        assert!(heard.contains(&(event.to_owned(), "SIP/2.0 603 Decline".to_owned())));
    }
    assert!(world.session.census().referrals == 0);
}

#[test]
fn a_call_has_no_more_than_four_referrals_at_a_time() {
    let (mut world, _, tag) = talking();
    let names = referred_to(&mut world, &tag, 2..6);
    let more = answer_to(&mut world, &refer(&tag, 6, "<sip:dave@example.com>"));
    assert_eq!(more.status, 500);
    assert!(more.headers.retry_after().is_some());
    assert!(world.take_events().is_empty());
    for _ in 0..4 {
        notice(&mut world);
    }
    world.command(Command::RefuseRefer {
        call: names[2].clone(),
        status: 603,
    });
    notice(&mut world);
    referred_to(&mut world, &tag, 7..8);
}

#[test]
fn a_chain_of_referrals_ends() {
    let (mut world, mut name, _) = referred("<sip:dave@example.com>");
    for step in 1..=5 {
        let (command, new) = carry(&name, &format!("call-{step}"));
        world.command(command);
        let invite = world.request();
        let mut response = answer(&invite, 200, &[CONTACT]);
        response
            .content
            .set_body("application/sdp", ANSWER.to_owned());
        world.say(FLOW, &response.to_text());
        assert_eq!(world.request().method, Method::Ack);
        assert_eq!(notice(&mut world).0, "SIP/2.0 200 OK");
        world.take_events();
        let mut next = refer(invite.ids.from_tag(), 1, "<sip:dave@example.com>");
        next.from = "sip:dave@example.com";
        next.from_tag = "server-tag";
        next.call_id = Box::leak(invite.ids.call_id.clone().into_boxed_str());
        next.branch = format!("z9hG4bKchain{step}");
        let status = answer_to(&mut world, &next).status;
        if step == 5 {
            assert_eq!(status, 482);
        } else {
            assert_eq!(status, 200, "step {step}");
            notice(&mut world);
        }
        world.take_events();
        name = new;
    }
}

#[test]
fn strangers_refer_us_only_where_the_configuration_lets_them() {
    let outside = Script::new("REFER").header("Refer-To: <sip:dave@example.com>");
    let mut world = World::registered(config(), 1, 7200);
    world.texts.clear();
    assert_eq!(answer_to(&mut world, &outside).status, 603);
    assert!(world.take_events().is_empty());

    let open = Config {
        refer_out_of_dialog: true,
        ..config()
    };
    let mut world = World::registered(open, 1, 7200);
    world.texts.clear();
    let taken = answer_to(&mut world, &outside);
    assert_eq!(taken.status, 200);
    let events = world.take_events();
    let [
        Event::Referred {
            call,
            within: false,
            referred_by: None,
            ..
        },
    ] = &events[..]
    else {
        panic!("{events:?}");
    };
    let first = unanswered_notice(&mut world);
    assert_eq!(first.ids.from_tag(), taken.ids.to_tag());
    assert_eq!(first.ids.call_id, "call-of-carol");
    assert_eq!(first.uri.to_string(), "sip:carol@192.0.2.7;transport=ws");
    world.answer(&first, 200, &[]);
    let (command, _) = carry(call, "the-new-call");
    world.command(command);
    let invite = world.request();
    assert_eq!(invite.method, Method::Invite);
    // Its subscription can be ended, and the call goes on.
    let unsubscribe = Script::new("SUBSCRIBE")
        .within(taken.ids.to_tag(), 2)
        .header("Event: refer")
        .header("Expires: 0");
    assert_eq!(answer_to(&mut world, &unsubscribe).status, 200);
    assert_eq!(notice(&mut world).1, "terminated;reason=timeout");
    world.answer(&invite, 180, &[CONTACT]);
    assert!(world.requests.is_empty());
}

#[test]
fn a_flood_of_referrals_is_bounded() {
    let open = Config {
        refer_out_of_dialog: true,
        ..config()
    };
    let mut world = World::registered(open, 1, 7200);
    world.texts.clear();
    for number in 0..100 {
        let script = Script {
            branch: format!("z9hG4bKflood{number}"),
            call_id: Box::leak(format!("flood-{number}").into_boxed_str()),
            ..Script::new("REFER").header("Refer-To: <sip:dave@example.com>")
        };
        world.say(FLOW, &script.text());
    }
    let all = statuses(&mut world);
    assert_eq!(all.iter().filter(|status| **status == 200).count(), 16);
    assert_eq!(all.iter().filter(|status| **status == 486).count(), 84);
}

#[test]
fn target_dialog_lets_the_far_side_refer_from_outside_and_nobody_else() {
    let (mut world, call, tag) = talking();
    let outside = |from, name: &str| Script {
        from,
        from_tag: "another",
        call_id: "another-call",
        branch: format!("z9hG4bK{}", name.len()),
        ..Script::new("REFER")
            .header("Refer-To: <sip:dave@example.com>")
            .header("Require: tdialog")
            .header(&format!("Target-Dialog: {name}"))
    };
    let right = format!("call-of-carol;local-tag={tag};remote-tag=carols");
    let wrong = format!("call-of-carol;local-tag={tag};remote-tag=x");
    let carol = "sip:carol@example.com";
    let mallory = "sip:mallory@example.com";
    for (from, name, status) in [
        (carol, wrong.as_str(), 603),
        (mallory, right.as_str(), 603),
        (carol, "nonsense", 400),
    ] {
        assert_eq!(answer_to(&mut world, &outside(from, name)).status, status);
    }
    assert!(world.take_events().is_empty());
    let taken = answer_to(&mut world, &outside(carol, &right));
    assert_eq!(taken.status, 200);
    let events = world.take_events();
    assert!(
        matches!(&events[..], [Event::Referred { call: known, within: true, .. }] if *known == call),
        "{events:?}"
    );
    // Word of it goes into the dialog that the REFER made.
    let first = unanswered_notice(&mut world);
    assert_eq!(first.ids.call_id, "another-call");
    assert_eq!(first.ids.from_tag(), taken.ids.to_tag());
}

#[test]
fn who_wants_no_subscription_hears_the_users_word_in_the_answer() {
    let quiet =
        |tag: &str, cseq| refer(tag, cseq, "<sip:dave@example.com>").header("Refer-Sub: false");
    let (mut world, call, tag) = talking();
    world.texts.clear();
    world.say(FLOW, &quiet(&tag, 2).text());
    assert!(statuses(&mut world).is_empty());
    world.pass(seconds(4), |_| ());
    assert_eq!(statuses(&mut world), [100]);
    let (command, _) = carry(&call, "the-new-call");
    world.command(command);
    let taken = responses(&mut world).remove(0);
    assert_eq!(taken.status, 200);
    assert_eq!(
        taken.headers.get(&HeaderName::ReferSub).as_deref(),
        Some("false")
    );
    let invite = world.request();
    assert_eq!(invite.method, Method::Invite);
    world.answer(&invite, 486, &[]);
    assert_eq!(world.request().method, Method::Ack);
    assert!(world.requests.is_empty());

    let (mut world, call, tag) = talking();
    world.texts.clear();
    world.say(FLOW, &quiet(&tag, 2).text());
    world.command(Command::RefuseRefer { call, status: 606 });
    assert_eq!(statuses(&mut world), [606]);
    assert!(world.requests.is_empty());
}

#[test]
fn who_refers_and_hangs_up_at_once_is_told_all_the_same() {
    let (mut world, call, tag) = talking();
    let to = refer(&tag, 2, "<sip:dave@example.com>");
    assert_eq!(answer_to(&mut world, &to).status, 200);
    let first = unanswered_notice(&mut world);
    world.answer(&first, 200, &[]);
    let goodbye = Script::new("BYE").within(&tag, 3);
    assert_eq!(answer_to(&mut world, &goodbye).status, 200);
    let (command, _) = carry(&call, "the-new-call");
    world.command(command);
    let invite = world.request();
    world.answer(&invite, 404, &[]);
    world.request();
    let last = unanswered_notice(&mut world);
    assert_eq!(shown(&last).0, "SIP/2.0 404 Not Found");
    assert!(last.ids.cseq > first.ids.cseq);
    assert_eq!(last.ids.call_id, first.ids.call_id);
    assert_eq!(last.ids.from_tag(), first.ids.from_tag());
    // 481: nobody listens any more, and that is that.
    world.answer(&last, 481, &[]);
    assert!(world.requests.is_empty());
}

#[test]
fn word_of_a_referral_survives_a_lost_connection_and_a_challenge() {
    let (mut world, call, _) = referred("<sip:dave@example.com>");
    world.command(Command::RefuseRefer { call, status: 603 });
    let lost = unanswered_notice(&mut world);
    world.close(FLOW);
    world.command(Command::Reconnect);
    world.open(FLOW);
    let register = world.request();
    world.grant(&register, 7200, &[]);
    let mut again = world.request();
    while again.method != Method::Notify {
        again = world.request();
    }
    assert_eq!(shown(&again), shown(&lost));
    assert!(again.ids.cseq > lost.ids.cseq);
    let challenge = r#"Digest realm="x", nonce="a", qop="auth""#;
    world.answer(&again, 407, &[(HeaderName::ProxyAuthenticate, challenge)]);
    world.requests.retain(|(_, it)| it.method == Method::Notify);
    let signed = unanswered_notice(&mut world);
    assert!(signed.headers.has(&HeaderName::ProxyAuthorization));
    assert_eq!(shown(&signed), shown(&lost));
}

/// RFC 3515, 2.4.6: who referred once may name that by its number as well.
#[test]
fn the_first_referral_is_subscribed_to_by_its_number_as_well() {
    for (event, status) in [("refer;id=2", 200), ("refer", 200), ("refer;id=3", 403)] {
        let (mut world, _, tag) = referred("<sip:dave@example.com>");
        let longer = Script::new("SUBSCRIBE")
            .within(&tag, 3)
            .header(&format!("Event: {event}"))
            .header("Expires: 600");
        assert_eq!(answer_to(&mut world, &longer).status, status, "{event}");
        if status == 200 {
            // Its own word names it as before.
            let word = unanswered_notice(&mut world);
            assert_eq!(event_of(&word), "refer");
            assert_eq!(shown(&word).1, "active;expires=600");
        }
    }
}
