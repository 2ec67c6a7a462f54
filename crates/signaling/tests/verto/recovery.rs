//! Calls outlive their socket: taken up again, or ended with a reason.

use std::time::Duration;

use offhook_signaling::call_id::CallId;
use offhook_signaling::cause::Cause;
use offhook_signaling::command::Command;
use offhook_signaling::deadlines::Deadline;
use offhook_signaling::error::Error;
use offhook_signaling::event::{DisconnectCause, EndedBy, Event};
use offhook_signaling::remembered::Remembered;
use offhook_signaling::verto::dialect::telnyx::TELNYX;
use serde_json::json;

use crate::story::{ANSWER, OFFER, Story, config, password};

fn attached(event: &Event) -> Option<(&str, bool)> {
    if let Event::Attach { call, known, .. } = event {
        Some((call.as_str(), *known))
    } else {
        None
    }
}

fn ended_ids(story: &mut Story) -> Vec<(String, EndedBy)> {
    let events = story.events.drain(..);
    let ended = events.filter_map(|event| {
        if let Event::Ended { call, by, .. } = event {
            Some((call, by))
        } else {
            None
        }
    });
    ended.map(|(call, by)| (call.to_string(), by)).collect()
}

#[test]
fn a_call_survives_the_loss_of_its_socket() {
    for mut story in [Story::telnyx().ready(), Story::freeswitch().ready()] {
        let call = story.answered("c-1");
        story.closed();
        let Event::Disconnected {
            cause: DisconnectCause::Closed(_),
            retry_in: Some(_),
        } = story.event()
        else {
            panic!()
        };
        story.come_back(&["c-1"]);
        let told = story.events.iter().filter_map(attached).collect::<Vec<_>>();
        assert_eq!(told, [("c-1", true)]);
        let ack = story.sent.pop_front().unwrap();
        assert!(
            ack["result"]["method"]
                .as_str()
                .unwrap()
                .ends_with("attach")
        );
        story.register();
        assert_eq!(story.events.pop_back(), Some(Event::Ready));
        story.command(Command::Attach {
            call: call.clone(),
            sdp: ANSWER.into(),
        });
        let attach = story.take_sent("attach");
        assert_eq!(attach["params"]["sdp"], ANSWER);
        story.events.clear();
        story.reply(&attach, json!({}));
        assert_eq!(story.event(), Event::Confirmed { call });
        // Nothing more is due: the call is as it was.
        story.pass(Duration::from_secs(15));
        story.nothing_told();
    }
}

#[test]
fn telnyx_is_shown_who_we_were() {
    let mut story = Story::telnyx().ready();
    story.answered("c-1");
    story.closed();
    story.until(Duration::from_secs(5), |event| {
        matches!(event, Event::Connecting { .. })
    });
    assert_eq!(story.connects, ["wss://gateway.example/?voice_sdk_id=v-1"]);
    story.opened();
    let login = story.take_sent("login");
    assert_eq!(login["params"]["sessid"], "s-1");
    assert_eq!(login["params"]["reconnection"], true);
}

#[test]
fn an_old_sessid_is_not_sent_any_more() {
    let mut story = Story::telnyx().ready();
    story.closed();
    story.now += Duration::from_secs(91);
    story.input(offhook_signaling::session::Input::Timeout);
    story.opened();
    let login = story.take_sent("login");
    assert_eq!(login["params"]["sessid"], json!(null));
    assert_eq!(login["params"]["reconnection"], true);
}

#[test]
fn an_attach_is_answered_only_after_client_ready() {
    let mut story = Story::freeswitch().ready();
    let call = story.answered("c-1");
    story.closed();
    story.until(Duration::from_secs(5), |event| {
        matches!(event, Event::Connecting { .. })
    });
    story.log_in();
    story.says("attach", json!({"callID": "c-1", "sdp": OFFER}));
    story.command(Command::Attach {
        call,
        sdp: ANSWER.into(),
    });
    story.nothing_sent();
    story.client_ready(&["c-1"]);
    assert!(story.sent.pop_front().unwrap()["result"].is_object());
    story.take_sent("attach");
}

#[test]
fn whoever_takes_a_call_twice_before_the_server_hears_us_is_told_at_once() {
    let mut story = Story::telnyx();
    story.log_in();
    story.says("invite", json!({"callID": "in-1", "sdp": OFFER}));
    story.events.clear();
    let call = CallId::from_wire("in-1").expect("a name");
    let answer = Command::Answer {
        call: call.clone(),
        sdp: ANSWER.into(),
        headers: Vec::new(),
        client_state: None,
        trickle: None,
    };
    story.command(answer.clone());
    assert!(story.events.is_empty(), "{:?}", story.events);
    story.command(answer);
    let Event::CommandFailed {
        call: about,
        error: Error::WrongState { command, .. },
    } = story.event()
    else {
        panic!("{:?}", story.events)
    };
    assert_eq!((about, command), (call, "answer"));
    // The connection that is lost then takes nothing along that was not told.
    story.closed();
    story.until(Duration::from_secs(60), |event| {
        matches!(event, Event::Connecting { .. })
    });
    story.log_in();
    story.client_ready(&["in-1"]);
    story.register();
    let id = story.says("attach", json!({"callID": "in-1", "sdp": OFFER}));
    story.take_ack("attach", id);
    let call = CallId::from_wire("in-1").expect("a name");
    story.command(Command::Attach {
        call,
        sdp: ANSWER.into(),
    });
    story.take_sent("attach");
}

#[test]
fn a_call_that_the_server_has_forgotten_ends_and_the_other_goes_on() {
    let mut story = Story::telnyx().ready();
    story.answered("c-1");
    story.answered("c-2");
    story.closed();
    story.come_back(&["c-2"]);
    story.sent.pop_front();
    story.register();
    story.sent.clear();
    assert_eq!(ended_ids(&mut story), []);
    assert_eq!(story.next_deadline(), Deadline::AttachDue);
    assert_eq!(
        ended_ids(&mut story),
        [("c-1".to_owned(), EndedBy::Network)]
    );
    assert_eq!(
        story.take_sent("bye")["params"]["dialogParams"]["callID"],
        "c-1"
    );
}

#[test]
fn a_call_that_the_server_lists_is_waited_for_as_long_as_it_is_kept() {
    for (mut story, limit) in [
        (Story::telnyx().ready(), 90),
        (Story::freeswitch().ready(), 120),
    ] {
        story.answered("c-1");
        story.closed();
        story.until(Duration::from_secs(60), |event| {
            matches!(event, Event::Connecting { .. })
        });
        story.log_in();
        story.client_ready(&["c-1"]);
        let back = story.now;
        story.register();
        story.events.clear();
        let pong = |story: &mut Story| {
            while let Some(frame) = story.sent.pop_front() {
                story.reply(&frame, json!({"message": "PONG"}));
            }
        };
        // A late offer finds the call alive.
        while story.now - back < Duration::from_secs(60) {
            story.next_deadline();
            pong(&mut story);
        }
        assert_eq!(ended_ids(&mut story), []);
        // None at all: the call ends, and the server hears it.
        let mut byes = 0;
        while story.events.is_empty() {
            story.next_deadline();
            byes = story
                .sent
                .iter()
                .filter(|frame| frame["method"].as_str().unwrap().ends_with(".bye"))
                .count();
            pong(&mut story);
        }
        assert_eq!(story.now - back, Duration::from_secs(limit));
        assert_eq!(byes, 1);
        let Event::Ended {
            by: EndedBy::Network,
            detail: Some(detail),
            ..
        } = story.event()
        else {
            panic!()
        };
        assert!(detail.contains("never offered it again"), "{detail}");
    }
}

#[test]
fn a_listed_call_that_is_offered_late_goes_on() {
    let mut story = Story::telnyx().ready();
    let call = story.answered("c-1");
    story.closed();
    story.until(Duration::from_secs(60), |event| {
        matches!(event, Event::Connecting { .. })
    });
    // The gateway may be ready before its own reply to the login.
    story.opened();
    let login = story.take_sent("login");
    story.client_ready(&["c-1"]);
    story.reply(&login, json!({"message": "logged in", "sessid": "s-1"}));
    story.register();
    story.pass(Duration::from_secs(15));
    story.events.clear();
    story.says("attach", json!({"callID": "c-1", "sdp": OFFER}));
    assert_eq!(attached(&story.event()), Some(("c-1", true)));
    story.sent.clear();
    story.command(Command::Attach {
        call,
        sdp: ANSWER.into(),
    });
    story.take_sent("attach");
}

/// A gateway that lists a call is back in touch with whoever it is for: it keeps the call for as long again when that ends.
#[test]
fn a_listed_call_that_is_never_offered_is_owed_its_bye_from_the_next_loss_on() {
    for hung_up_before in [false, true] {
        let mut story = Story::telnyx().ready();
        let call = story.answered("c-1");
        let hang_up = Command::Bye {
            call,
            cause: None,
            sip_code: None,
            headers: Vec::new(),
        };
        let connecting = |event: &Event| matches!(event, Event::Connecting { .. });
        story.closed();
        if hung_up_before {
            story.command(hang_up.clone());
        }
        story.until(Duration::from_secs(60), connecting);
        story.log_in();
        story.client_ready(&["c-1"]);
        if hung_up_before {
            // Whether it arrives before the next loss cannot be known.
            story.take_sent("bye");
        }
        story.register();
        story.closed();
        story.command(hang_up);
        // The gateway is away for a minute and more.
        story.pass(Duration::from_secs(60));
        story.until(Duration::from_secs(60), connecting);
        story.log_in();
        story.client_ready(&[]);
        let bye = story.take_sent("bye");
        assert_eq!(bye["params"]["dialogParams"]["callID"], "c-1");
    }
}

#[test]
fn an_attach_that_offers_nothing_brings_no_call_back() {
    let mut story = Story::telnyx().ready();
    story.answered("c-1");
    story.closed();
    story.come_back(&[]);
    story.register();
    story.says("attach", json!({"callID": "c-1"}));
    story.events.clear();
    assert_eq!(story.next_deadline(), Deadline::AttachDue);
    assert_eq!(
        ended_ids(&mut story),
        [("c-1".to_owned(), EndedBy::Network)]
    );
}

#[test]
fn names_that_are_no_calls_of_ours_say_nothing() {
    let mut story = Story::freeswitch().ready();
    story.answered("c-1");
    story.closed();
    story.until(Duration::from_secs(60), |event| {
        matches!(event, Event::Connecting { .. })
    });
    story.log_in();
    // As FreeSWITCH did before May 2021: the session's own name, once for each call.
    story.client_ready(&["s-1", "s-1"]);
    story.events.clear();
    assert_eq!(story.next_deadline(), Deadline::AttachDue);
    assert_eq!(
        ended_ids(&mut story),
        [("c-1".to_owned(), EndedBy::Network)]
    );
}

#[test]
fn an_attach_that_comes_after_client_ready_is_in_time() {
    let mut story = Story::telnyx().ready();
    story.answered("c-1");
    story.closed();
    story.come_back(&[]);
    story.register();
    story.pass(Duration::from_secs(3));
    story.says("attach", json!({"callID": "c-1", "sdp": OFFER}));
    story.pass(Duration::from_secs(15));
    assert_eq!(ended_ids(&mut story), []);
}

#[test]
fn a_call_ends_when_no_connection_comes_back_in_time() {
    for (mut story, limit) in [
        (Story::telnyx().ready(), 90),
        (Story::freeswitch().ready(), 120),
    ] {
        story.answered("c-1");
        story.closed();
        let begun = story.now;
        let event = story.until(Duration::from_secs(600), |event| {
            matches!(event, Event::Ended { .. })
        });
        let Event::Ended {
            by: EndedBy::Network,
            cause,
            ..
        } = event
        else {
            panic!()
        };
        assert_eq!(cause, Cause::RECOVERY_ON_TIMER_EXPIRE);
        assert_eq!(story.now - begun, Duration::from_secs(limit));
    }
}

#[test]
fn an_unanswered_call_is_lost_with_freeswitch_and_waited_for_with_telnyx() {
    let mut freeswitch = Story::freeswitch().ready();
    freeswitch.place("c-1");
    freeswitch.closed();
    assert_eq!(
        ended_ids(&mut freeswitch),
        [("c-1".to_owned(), EndedBy::Network)]
    );
    let mut telnyx = Story::telnyx().ready();
    telnyx.place("c-1");
    telnyx.closed();
    assert_eq!(ended_ids(&mut telnyx), []);
    telnyx.come_back(&["c-1"]);
    assert!(
        telnyx
            .events
            .iter()
            .any(|event| attached(event) == Some(("c-1", true)))
    );
}

#[test]
fn a_hang_up_without_a_connection_is_owed_to_the_server() {
    let mut story = Story::freeswitch().ready();
    let call = story.answered("c-1");
    story.closed();
    story.events.clear();
    story.command(Command::Bye {
        call,
        cause: None,
        sip_code: None,
        headers: Vec::new(),
    });
    assert!(matches!(
        story.event(),
        Event::Ended {
            by: EndedBy::Local,
            ..
        }
    ));
    story.come_back(&["c-1"]);
    assert!(story.events.iter().all(|event| attached(event).is_none()));
    story.sent.pop_front();
    let bye = story.take_sent("bye");
    assert_eq!(bye["params"]["cause"], "NORMAL_CLEARING");
    story.reply(&bye, json!({}));
    story.pass(Duration::from_secs(15));
    assert_eq!(ended_ids(&mut story), []);
}

#[test]
fn a_call_of_an_earlier_process_is_offered_and_ends_when_nobody_wants_it() {
    let mut story = Story::freeswitch();
    story.log_in();
    story.says("attach", json!({"callID": "old", "sdp": OFFER, "display_direction": "inbound", "callee_id_number": "7"}));
    story.client_ready(&["old"]);
    let found = story.until(Duration::ZERO, |event| {
        attached(event) == Some(("old", false))
    });
    let Event::Attach {
        remote, outbound, ..
    } = found
    else {
        panic!()
    };
    assert_eq!((&*remote.number, outbound), ("7", true));
    story.events.clear();
    story.sent.clear();
    while story.events.is_empty() {
        story.next_deadline();
        while let Some(ping) = story
            .sent
            .pop_front()
            .filter(|frame| frame["method"] == "verto.ping")
        {
            story.reply(&ping, json!({"message": "PONG"}));
        }
    }
    assert_eq!(
        ended_ids(&mut story),
        [("old".to_owned(), EndedBy::Timeout)]
    );
}

#[test]
fn a_late_offer_of_a_call_that_has_ended_is_hung_up_and_not_told() {
    let mut story = Story::telnyx().ready();
    story.answered("c-1");
    story.closed();
    story.come_back(&[]);
    story.register();
    assert_eq!(story.next_deadline(), Deadline::AttachDue);
    let bye = story.take_sent("bye");
    story.reply(&bye, json!({}));
    story.events.clear();
    let id = story.says("attach", json!({"callID": "c-1", "sdp": OFFER}));
    story.take_ack("attach", id);
    story.take_sent("bye");
    story.nothing_told();
}

#[test]
fn a_refused_attach_ends_the_call() {
    for (text, expected) in [("CALL DOES NOT EXIST", false), ("CODEC ERROR", true)] {
        let mut story = Story::freeswitch().ready();
        let call = story.answered("c-1");
        story.says("attach", json!({"callID": "c-1", "sdp": OFFER}));
        story.command(Command::Attach {
            call,
            sdp: ANSWER.into(),
        });
        story.sent.pop_front();
        let attach = story.take_sent("attach");
        story.refuse(&attach, -32002, text);
        assert_eq!(ended_ids(&mut story), [("c-1".to_owned(), EndedBy::Server)]);
        assert_eq!(!story.sent.is_empty(), expected, "{text}");
    }
}

#[test]
fn an_attach_that_waited_for_a_login_is_not_said_when_a_later_one_was_taken() {
    let mut story = Story::telnyx().ready();
    let call = story.answered("c-1");
    let attach = |story: &mut Story| {
        let id = story.says("attach", json!({"callID": "c-1", "sdp": OFFER}));
        story.take_ack("attach", id);
        story.command(Command::Attach {
            call: call.clone(),
            sdp: ANSWER.into(),
        });
        story.take_sent("attach")
    };
    let first = attach(&mut story);
    story.refuse(&first, -32000, "Authentication Required");
    let login = story.take_sent("login");
    let second = attach(&mut story);
    story.reply(&second, json!({"callID": "c-1"}));
    story.events.clear();
    story.reply(&login, json!({"message": "logged in", "sessid": "s-1"}));
    story.nothing_sent();
    assert!(ended_ids(&mut story).is_empty());
}

#[test]
fn a_lost_socket_fails_what_was_under_way() {
    let mut story = Story::freeswitch().ready();
    let call = story.answered("c-1");
    story.command(Command::Hold { call, on: true });
    story.closed();
    let Event::CommandFailed {
        error: Error::NotReady { .. },
        ..
    } = story.event()
    else {
        panic!()
    };
    assert!(matches!(story.event(), Event::Disconnected { .. }));
}

#[test]
fn a_taken_over_session_ends_its_calls_and_stays_away() {
    for mut story in [Story::telnyx().ready(), Story::freeswitch().ready()] {
        story.answered("c-1");
        story.says("punt", json!({}));
        story.nothing_sent();
        assert_eq!(story.disconnects, 1);
        assert!(matches!(
            story.event(),
            Event::Ended {
                by: EndedBy::Server,
                ..
            }
        ));
        assert!(matches!(
            story.event(),
            Event::Failed(Error::TakenOver { .. })
        ));
        assert!(matches!(story.event(), Event::RegistrationConflict { .. }));
        assert_eq!(
            story.event(),
            Event::Disconnected {
                cause: DisconnectCause::TakenOver,
                retry_in: None
            }
        );
        assert_eq!(story.wait, None);
        story.closed();
        assert_eq!(story.wait, None);
        story.command(Command::Reconnect);
        assert_eq!(story.connects.len(), 1);
    }
}

#[test]
fn a_changed_address_means_a_new_socket_at_once() {
    let mut story = Story::telnyx().ready();
    story.answered("c-1");
    story.command(Command::Reconnect);
    assert_eq!(story.disconnects, 1);
    assert_eq!(
        story.event(),
        Event::Disconnected {
            cause: DisconnectCause::Asked,
            retry_in: Some(Duration::ZERO)
        }
    );
    assert_eq!(story.connects.len(), 1);
}

#[test]
fn pauses_between_attempts_grow_up_to_half_a_minute() {
    let mut story = Story::telnyx();
    let mut longest = Duration::ZERO;
    for attempt in 1..200 {
        assert_eq!(story.event(), Event::Connecting { attempt });
        story.closed();
        let Event::Disconnected {
            retry_in: Some(retry_in),
            ..
        } = story.event()
        else {
            panic!()
        };
        assert!(retry_in <= Duration::from_secs(30));
        longest = longest.max(retry_in);
        assert_eq!(story.next_deadline(), Deadline::Reconnect);
    }
    assert!(longest > Duration::from_secs(28));
}

#[test]
fn who_is_punted_leaves_nothing_for_the_next_process_to_come_back_by() {
    let mut story = Story::telnyx().ready();
    assert!(
        story
            .remembered
            .last()
            .is_some_and(|last| last.sessid.is_some())
    );
    story.says("punt", json!({}));
    assert_eq!(story.remembered.last(), Some(&Remembered::default()));
    // A device of a FreeSWITCH has its name for good.
    let mut story = Story::freeswitch().ready();
    let before = story.remembered.last().cloned();
    story.says("punt", json!({}));
    assert_eq!(story.remembered.last().cloned(), before);
}

#[test]
fn after_as_many_attempts_as_are_allowed_only_a_command_opens_the_connection() {
    for (most, from_ready) in [(0, true), (2, true), (2, false)] {
        let mut config = config(TELNYX, password());
        config.backoff.attempts = Some(most);
        let mut story = Story::with(config);
        let mut attempts = 1;
        if from_ready {
            story = story.ready();
            attempts = 0;
        }
        story.events.clear();
        loop {
            story.closed();
            let last = |event: &Event| matches!(event, Event::Disconnected { retry_in: None, .. });
            if story.events.iter().any(last) {
                break;
            }
            story.until(Duration::from_secs(60), |event| {
                matches!(event, Event::Connecting { .. })
            });
            attempts += 1;
        }
        assert_eq!(attempts, most.max(u32::from(!from_ready)), "{from_ready}");
        story.events.clear();
        story.pass(Duration::from_secs(3600));
        assert!(story.events.is_empty(), "{:?}", story.events);
        story.command(Command::Retry);
        assert_eq!(story.event(), Event::Connecting { attempt: 1 });
    }
}

#[test]
fn a_call_of_a_session_that_was_idle_for_long_is_remembered_at_once() {
    let mut story = Story::telnyx().ready();
    story.pass(Duration::from_secs(10));
    story.remembered.clear();
    story.place("c-1");
    let Some(state) = story.remembered.last() else {
        panic!("nothing is remembered")
    };
    assert!(state.sessid.is_some());
}
