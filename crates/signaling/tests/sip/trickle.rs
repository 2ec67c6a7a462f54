//! Candidates that follow their description by INFO (RFC 8840): off unless asked for, one INFO at a time, each with all.

use std::time::Duration;

use offhook_signaling::call_id::CallId;
use offhook_signaling::command::Command;
use offhook_signaling::event::Event;
use offhook_signaling::sip::config::Config;

use crate::pair::{Pair, bob_config, bye, invite};
use crate::world::config;

const OFFER: &str = "v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\na=ice-options:trickle ice2\r\nm=audio 9 UDP/TLS/RTP/SAVPF 111\r\na=mid:a0\r\na=ice-ufrag:alic\r\na=ice-pwd:alices-password-of-22\r\n";
const ANSWER: &str = "v=0\r\no=- 2 1 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\na=ice-options:trickle ice2\r\nm=audio 9 UDP/TLS/RTP/SAVPF 111\r\na=mid:a0\r\na=ice-ufrag:bobb\r\na=ice-pwd:bobs-password-of-22-ch\r\n";

fn line(number: u32) -> String {
    format!("candidate:{number} 1 udp 2122260223 192.0.2.{number} 5000{number} typ host")
}

fn candidate(call: &CallId, line: &str) -> Command {
    Command::Candidate {
        call: call.clone(),
        candidate: line.to_owned(),
    }
}

fn end(call: &CallId) -> Command {
    Command::EndOfCandidates { call: call.clone() }
}

fn trickling(config: Config) -> Config {
    Config {
        trickle: true,
        ..config
    }
}

/// A call between two that may or may not trickle.
fn talking(alice: Config, bob: Config) -> (Pair, CallId, CallId) {
    let mut pair = Pair::with(alice, bob, 1);
    let alices = CallId::from_wire("call-of-alice").expect("a name");
    let mut call = invite(&alices, "bob");
    if let Command::Invite { sdp, .. } = &mut call {
        *sdp = OFFER.to_owned();
    }
    pair.command(false, call);
    let bobs = pair.take(true).into_iter().find_map(|event| {
        if let Event::Incoming { call, .. } = event {
            Some(call)
        } else {
            None
        }
    });
    let bobs = bobs.expect("bob rings");
    pair.command(
        true,
        Command::Answer {
            call: bobs.clone(),
            sdp: ANSWER.to_owned(),
            headers: Vec::new(),
            client_state: None,
            trickle: None,
        },
    );
    for bob in [false, true] {
        pair.take(bob);
    }
    (pair, alices, bobs)
}

fn infos(texts: &[String]) -> Vec<String> {
    let infos = texts.iter().filter(|text| text.starts_with("INFO "));
    infos.cloned().collect()
}

#[test]
fn who_does_not_ask_for_it_neither_says_nor_does_it() {
    let (mut pair, alices, bobs) = talking(config(), bob_config());
    assert!(
        !pair
            .alice
            .texts
            .iter()
            .any(|text| text.contains("trickle-ice"))
    );
    pair.command(false, candidate(&alices, &line(1)));
    let told = pair.take(false);
    assert!(
        matches!(told.as_slice(), [Event::CommandFailed { .. }]),
        "{told:?}"
    );
    assert!(pair.take(true).is_empty());
    pair.command(true, bye(&bobs));
}

#[test]
fn candidates_of_both_sides_arrive_each_once_and_end_once() {
    let (mut pair, alices, bobs) = talking(trickling(config()), trickling(bob_config()));
    let first = &pair.alice.texts[0];
    assert!(
        first.contains("Recv-Info: trickle-ice") && first.contains(", trickle-ice\r\n"),
        "{first}"
    );
    for (by_bob, own, other) in [(false, &alices, &bobs), (true, &bobs, &alices)] {
        for number in 1..=3 {
            pair.command(by_bob, candidate(own, &line(number)));
        }
        // The same again is not said again.
        pair.command(by_bob, candidate(own, &line(3)));
        pair.command(by_bob, end(own));
        let told = pair.take(!by_bob);
        let mut wanted: Vec<_> = (1..=3)
            .map(|number| Event::RemoteCandidate {
                call: other.clone(),
                candidate: line(number),
            })
            .collect();
        wanted.push(Event::RemoteEndOfCandidates {
            call: other.clone(),
        });
        assert_eq!(told, wanted);
        assert!(pair.take(by_bob).is_empty());
        let infos = infos(&pair.side(by_bob).texts);
        let last = infos.last().expect("an INFO");
        for part in [
            "Info-Package: trickle-ice\r\n",
            "Content-Disposition: Info-Package\r\n",
            "Content-Type: application/trickle-ice-sdpfrag\r\n",
            "a=ice-pwd:",
            "a=ice-ufrag:",
            "m=audio 9 RTP/AVP 0\r\na=mid:a0\r\na=candidate:1 ",
            "a=candidate:3 ",
            "a=end-of-candidates\r\n",
        ] {
            assert!(last.contains(part), "{part} is not in {last}");
        }
    }
}

#[test]
fn only_one_info_is_under_way_and_the_next_says_all_that_came_meanwhile() {
    let (mut pair, alices, _) = talking(trickling(config()), trickling(bob_config()));
    pair.stopped = true;
    pair.alice.texts.clear();
    for number in 1..=5 {
        pair.command(false, candidate(&alices, &line(number)));
    }
    pair.command(false, end(&alices));
    assert_eq!(infos(&pair.alice.texts).len(), 1);
    pair.stopped = false;
    pair.settle();
    assert_eq!(infos(&pair.alice.texts).len(), 2);
    assert_eq!(pair.take(true).len(), 6);
}

#[test]
fn candidates_from_before_the_answer_wait_for_it() {
    let mut pair = Pair::with(trickling(config()), trickling(bob_config()), 1);
    let (alices, bobs) = pair.ring();
    pair.command(false, candidate(&alices, &line(1)));
    pair.command(true, candidate(&bobs, &line(2)));
    assert!(pair.take(true).is_empty());
    pair.command(true, crate::pair::answer(&bobs));
    let heard = |events: Vec<Event>| {
        let candidates = |event: &&Event| matches!(event, Event::RemoteCandidate { .. });
        events.iter().filter(candidates).count()
    };
    assert_eq!(heard(pair.take(true)), 1);
    assert_eq!(heard(pair.take(false)), 1);
}

#[test]
fn a_far_side_that_does_not_know_it_is_spared_and_the_user_told() {
    let (mut pair, alices, bobs) = talking(trickling(config()), bob_config());
    pair.command(false, candidate(&alices, &line(1)));
    let told = pair.take(false);
    assert!(
        matches!(told.as_slice(), [Event::CommandFailed { .. }]),
        "{told:?}"
    );
    assert!(infos(&pair.alice.texts).is_empty());
    pair.command(true, bye(&bobs));
}

#[test]
fn a_new_description_begins_anew_and_candidates_of_the_old_one_mean_nothing() {
    let (mut pair, alices, bobs) = talking(trickling(config()), trickling(bob_config()));
    pair.command(false, candidate(&alices, &line(1)));
    pair.command(false, end(&alices));
    pair.take(true);
    let old = infos(&pair.alice.texts).pop().unwrap();
    // An ICE restart.
    let restarted = OFFER.replace("alic\r", "new0\r");
    pair.command(
        false,
        Command::UpdateMedia {
            call: alices.clone(),
            sdp: restarted,
        },
    );
    pair.command(
        true,
        Command::Attach {
            call: bobs.clone(),
            sdp: ANSWER.to_owned(),
        },
    );
    pair.take(true);
    pair.command(false, candidate(&alices, &line(4)));
    let told = Event::RemoteCandidate {
        call: bobs,
        candidate: line(4),
    };
    assert_eq!(pair.take(true), [told]);
    let last = infos(&pair.alice.texts).pop().unwrap();
    assert!(
        last.contains("a=ice-ufrag:new0") && !last.contains("a=candidate:1 "),
        "{last}"
    );
    // A late copy of the old ones, with the next number.
    let late = old.replace("z9hG4bK", "z9hG4bKlate");
    let cseq = late.lines().find(|line| line.starts_with("CSeq")).unwrap();
    let late = late
        .replace(cseq, "CSeq: 90 INFO")
        .replace("a=candidate:1", "a=candidate:7");
    pair.inject(true, &late);
    assert!(pair.take(true).is_empty());
}

#[test]
fn candidates_that_went_down_with_their_socket_are_said_again() {
    let (mut pair, alices, bobs) = talking(trickling(config()), trickling(bob_config()));
    pair.stopped = true;
    pair.command(false, candidate(&alices, &line(1)));
    pair.wire_cut();
    pair.stopped = false;
    pair.cut(false);
    pair.pass(Duration::from_secs(1));
    pair.reconnect(false);
    let told = Event::RemoteCandidate {
        call: bobs,
        candidate: line(1),
    };
    assert!(pair.take(true).contains(&told));
}

#[test]
fn rubbish_is_neither_sent_nor_told() {
    let (mut pair, alices, bobs) = talking(trickling(config()), trickling(bob_config()));
    for bad in ["", "candidate:1\r\na=evil", "ssrc:1", "candidate:\0"] {
        pair.command(false, candidate(&alices, bad));
        let told = pair.take(false);
        assert!(
            matches!(told.as_slice(), [Event::CommandFailed { .. }]),
            "{bad:?}: {told:?}"
        );
    }
    assert!(infos(&pair.alice.texts).is_empty());
    pair.command(false, candidate(&alices, &line(1)));
    pair.take(true);
    let genuine = infos(&pair.alice.texts).pop().unwrap();
    let (head, _) = genuine.split_once("\r\n\r\n").unwrap();
    let mut number = 50;
    let mut say = |pair: &mut Pair, kind: &str, body: &str| {
        number += 1;
        let head: Vec<String> = head
            .lines()
            .map(|line| match line.split(':').next() {
                Some("CSeq") => format!("CSeq: {number} INFO"),
                Some("Content-Type") => format!("Content-Type: {kind}"),
                Some("Content-Length") => format!("Content-Length: {}", body.len()),
                Some("Via") => format!("Via: SIP/2.0/WS x.invalid;branch=z9hG4bKx{number}"),
                _ => line.to_owned(),
            })
            .collect();
        pair.sent(true);
        pair.inject(true, &format!("{}\r\n\r\n{body}", head.join("\r\n")));
        pair.sent(true).remove(0)
    };
    assert!(say(&mut pair, "text/plain", "hello").starts_with("SIP/2.0 415"));
    let fragment = "application/trickle-ice-sdpfrag";
    let many: String = (0..1000)
        .map(|number| format!("a=candidate:{number}x 1 udp 1 a 1 typ host\r\n"))
        .collect();
    assert!(say(&mut pair, fragment, "").starts_with("SIP/2.0 415"));
    for body in [
        "a=candidate:9\r\n",
        "a=ice-ufrag:alic\r\ncandidate:9\r\na=ssrc:1\r\n",
    ] {
        assert!(say(&mut pair, fragment, body).starts_with("SIP/2.0 200"));
        assert!(pair.take(true).is_empty(), "{body}");
    }
    let body = format!(
        "a=ice-ufrag:alic\r\n{}",
        many.get(..8000).unwrap_or_default()
    );
    say(&mut pair, fragment, &body);
    assert!(pair.take(true).len() < 130, "bounded");
    pair.command(true, bye(&bobs));
}
