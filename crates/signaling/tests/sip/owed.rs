//! What the far side is owed while there is no connection, and hears over the next one: goodbyes and refusals.

use offhook_signaling::command::Command;
use offhook_signaling::event::{EndedBy, Event};
use offhook_signaling::sip::message::request::Request;
use offhook_signaling::sip::message::{HeaderName, Method};
use offhook_signaling::sip::session::census::Census;
use offhook_signaling::sip::session::contract::Input;

use crate::answers::{calling, name, next, seconds};
use crate::astray::reconnected;
use crate::called::{
    Script, ends, idle_at, ringing, ringing_at, statuses, talking as called_by_carol,
};
use crate::lasting::of;
use crate::pair::{ANSWER, OFFER, answer as take, bye};
use crate::world::{FLOW, World, answer, config};

const CONTACT: (HeaderName, &str) = (HeaderName::Contact, "<sip:bob@192.0.2.9;transport=ws>");

/// Our call to bob is up, with that session timer.
fn talking(session: Option<&str>) -> World {
    let (mut world, request) = calling("bob");
    let mut response = answer(&request, 200, &[CONTACT]);
    if let Some(session) = session {
        response.content.push(&HeaderName::SessionExpires, session);
    }
    response
        .content
        .set_body("application/sdp", ANSWER.to_owned());
    world.say(FLOW, &response.to_text());
    assert_eq!(world.request().method, Method::Ack);
    world.take_events();
    world
}

fn goodbye(world: &mut World) -> Option<Request> {
    let found = next(world, &Method::Bye).map(|(_, goodbye)| goodbye);
    assert!(next(world, &Method::Bye).is_none(), "one goodbye");
    found
}

/// Its session's interval, or half an hour: so long the far side may have the call.
#[test]
fn a_goodbye_without_a_connection_is_said_over_the_next_one() {
    for (session, minutes, said) in [
        (None, 1, true),
        (None, 29, true),
        (None, 31, false),
        (Some("600;refresher=uas"), 9, true),
        (Some("600;refresher=uas"), 11, false),
        (Some("5400;refresher=uas"), 80, true),
    ] {
        let mut world = talking(session);
        world.close(FLOW);
        world.command(bye(&name()));
        assert_eq!(ends(&mut world).len(), 1, "its user knows at once");
        world.pass(seconds(minutes * 60), |_| ());
        reconnected(&mut world);
        let heard = goodbye(&mut world);
        assert_eq!(heard.is_some(), said, "{session:?} after {minutes} min");
        if let Some(heard) = heard {
            assert_eq!(heard.ids.to_tag(), "server-tag");
            world.answer(&heard, 200, &[]);
        }
        assert_eq!(world.session.census(), Census::default());
        assert!(ends(&mut world).is_empty(), "and hears of it once");
    }
}

#[test]
fn a_goodbye_that_went_down_with_its_connection_waits_as_long() {
    let mut world = talking(None);
    world.command(bye(&name()));
    let lost = goodbye(&mut world).expect("a goodbye");
    world.close(FLOW);
    world.pass(seconds(600), |_| ());
    reconnected(&mut world);
    let again = goodbye(&mut world).expect("the same");
    assert!(again.ids.cseq > lost.ids.cseq);
    // Said and not answered it has its transaction's time.
    world.pass(seconds(33), |world| world.handle(Input::Pong(FLOW)));
    assert_eq!(world.session.census(), Census::default());
}

#[test]
fn a_call_that_no_connection_came_back_for_is_said_goodbye_all_the_same() {
    let mut world = talking(None);
    world.close(FLOW);
    world.pass(seconds(31 * 60), |_| ());
    assert_eq!(ends(&mut world)[0].0, EndedBy::Network);
    reconnected(&mut world);
    assert!(goodbye(&mut world).is_some());
}

/// An answer that never left is said before the goodbye to what it began: without it the caller would ring on.
#[test]
fn who_answers_and_hangs_up_without_a_connection_says_both_when_there_is_one() {
    let (mut world, call, tag) = ringing(&Script::invite());
    world.close(FLOW);
    world.command(take(&call));
    world.command(bye(&call));
    world.pass(seconds(60), |_| ());
    assert!(statuses(&mut world).is_empty());
    reconnected(&mut world);
    assert_eq!(statuses(&mut world), [200]);
    assert!(goodbye(&mut world).is_none(), "not before the ACK");
    world.say(FLOW, &Script::new("ACK").within(&tag, 1).text());
    assert!(goodbye(&mut world).is_some());
}

/// As long as the goodbye is owed, and no longer, the answer waits for its ACK.
#[test]
fn the_goodbye_goes_without_the_ack_where_its_time_is_over() {
    let session = ["Supported: timer", "Session-Expires: 110;refresher=uas"];
    let invite = session.into_iter().fold(Script::invite(), Script::header);
    let (mut world, call, _) = ringing(&invite);
    world.close(FLOW);
    world.command(take(&call));
    world.command(bye(&call));
    world.pass(seconds(100), |_| ());
    reconnected(&mut world);
    assert_eq!(statuses(&mut world), [200]);
    assert!(goodbye(&mut world).is_none(), "not before the ACK");
    world.pass(seconds(11), |world| world.handle(Input::Pong(FLOW)));
    let heard = goodbye(&mut world).expect("a goodbye");
    world.answer(&heard, 481, &[]);
    statuses(&mut world);
    world.pass(seconds(33), |world| world.handle(Input::Pong(FLOW)));
    assert!(statuses(&mut world).is_empty(), "and nothing after it");
    assert_eq!(world.session.census(), Census::default());
}

/// Whatever becomes of the registration: the connection that brings the ACK carries the call.
#[test]
fn an_answer_that_was_acknowledged_over_the_next_connection_stands() {
    let mut config = config();
    config.timers.detached = seconds(20);
    let (mut world, call, tag) = ringing_at(idle_at(config), &Script::invite());
    world.close(FLOW);
    world.command(take(&call));
    world.command(Command::Reconnect);
    world.open(FLOW);
    // Its REGISTER has no answer.
    world.pass(seconds(4), |_| ());
    assert!(statuses(&mut world).contains(&200));
    world.say(FLOW, &Script::new("ACK").within(&tag, 1).text());
    world.pass(seconds(20), |_| ());
    assert!(ends(&mut world).is_empty());
}

fn acknowledge(world: &mut World) {
    let ack = Script {
        branch: Script::invite().branch,
        ..Script::new("ACK")
    };
    world.say(FLOW, &ack.text());
}

#[test]
fn a_refusal_without_a_connection_is_said_over_the_next_one() {
    let (mut world, call, _) = ringing(&Script::invite());
    world.close(FLOW);
    world.command(bye(&call));
    world.pass(seconds(60), |_| ());
    assert!(statuses(&mut world).is_empty());
    world.command(Command::Reconnect);
    world.open(FLOW);
    // Whatever becomes of the registration.
    assert_eq!(statuses(&mut world), [603]);
    acknowledge(&mut world);
    world.requests.clear();
    world.close(FLOW);
    reconnected(&mut world);
    assert!(statuses(&mut world).is_empty(), "it has been heard");
    assert_eq!(world.session.census(), Census::default());

    // The socket is there, and its REGISTER has no answer.
    let (mut world, call, _) = ringing(&Script::invite());
    world.close(FLOW);
    world.command(Command::Reconnect);
    world.open(FLOW);
    world.command(bye(&call));
    assert_eq!(statuses(&mut world), [603]);

    // The caller has long given up.
    let (mut world, call, _) = ringing(&Script::invite());
    world.close(FLOW);
    world.command(bye(&call));
    world.pass(seconds(181), |_| ());
    assert_eq!(world.session.census(), Census::default());
    reconnected(&mut world);
    assert!(statuses(&mut world).is_empty());
}

#[test]
fn a_refusal_without_its_ack_is_said_again_over_the_next_connection() {
    let (mut world, call, _) = ringing(&Script::invite());
    world.command(bye(&call));
    assert_eq!(statuses(&mut world), [603]);
    world.close(FLOW);
    reconnected(&mut world);
    assert_eq!(statuses(&mut world), [603]);
    // Not for ever, however often connections break.
    world.pass(seconds(33), |world| world.handle(Input::Pong(FLOW)));
    world.close(FLOW);
    reconnected(&mut world);
    assert!(statuses(&mut world).is_empty());
    assert_eq!(world.session.census(), Census::default());
}

#[test]
fn an_answer_within_the_call_waits_for_a_connection_too() {
    for (pause, heard) in [(20, true), (33, false)] {
        let (mut world, call, tag) = called_by_carol();
        let update = Script {
            body: Some(("application/sdp", OFFER)),
            ..Script::new("UPDATE")
        };
        world.say(FLOW, &update.within(&tag, 2).text());
        let offered = |event: &Event| matches!(event, Event::Offer { .. });
        assert!(world.take_events().iter().any(offered));
        world.close(FLOW);
        world.command(Command::Attach {
            call,
            sdp: ANSWER.to_owned(),
        });
        world.texts.clear();
        world.pass(seconds(pause), |_| ());
        reconnected(&mut world);
        let said: &[u16] = if heard { &[200] } else { &[] };
        assert_eq!(statuses(&mut world), said, "after {pause} s");
    }
}

/// Another connection stands: nothing waits.
#[test]
fn a_refusal_that_went_down_goes_over_the_connection_that_stands() {
    let mut config = config();
    config.servers.push("wss://two.example.com/sip".to_owned());
    let second = offhook_signaling::sip::flow_id::FlowId(1);
    let mut world = World::new(config, 1);
    for flow in [FLOW, second] {
        world.open(flow);
        let register = of(&mut world, Method::Register);
        world.grant_on(flow, &register, 7200, &[]);
    }
    world.say(FLOW, &Script::invite().text());
    let call = world.take_events().into_iter().find_map(|event| {
        if let Event::Incoming { call, .. } = event {
            Some(call)
        } else {
            None
        }
    });
    world.command(bye(&call.expect("a call")));
    world.texts.clear();
    world.close(FLOW);
    let flows: Vec<_> = world.texts.iter().map(|(flow, _)| *flow).collect();
    assert_eq!(flows, [second]);
    assert_eq!(statuses(&mut world), [603]);
}
