//! What notifiers and strangers tell, and how much of it (RFC 6665, 4.1.3; RFC 3842).

use offhook_signaling::event::Event;
use offhook_signaling::sip::flow_id::FlowId;
use offhook_signaling::sip::message::{HeaderName, Method};

use crate::called::{Script, answer_to, responses};
use crate::subscribing::{
    CONTACT, OPEN, PIDF, PRESENCE, ask, data, listening, notify, pong, registered, seconds,
    status_of,
};
use crate::world::{FLOW, World, config};

#[test]
fn bodies_that_cannot_be_read_are_refused_and_the_subscription_lives() {
    let (mut world, first) = listening(PRESENCE, "3600", PIDF, OPEN);
    let bomb = "<!DOCTYPE a [<!ENTITY b \"bbb\">]><presence>&b;</presence>";
    for (cseq, (kind, body, status)) in (2..).zip([
        (PIDF, "<presence", 400),
        (PIDF, bomb, 400),
        (PIDF, "<dialog-info/>", 400),
        ("text/html", "<presence/>", 415),
        (PIDF, OPEN, 200),
    ]) {
        let text = notify(&first, "server-tag", cseq, "active", kind, body);
        assert_eq!(status_of(&mut world, &text), status, "{body}");
    }
    assert_eq!(data(&world.take_events()).len(), 1);
    let text = notify(&first, "server-tag", 20, "active", PIDF, OPEN);
    let other = text.replace("Event: presence", "Event: dialog");
    assert_eq!(status_of(&mut world, &other), 489);
    let no_state = notify(&first, "server-tag", 21, "active", PIDF, OPEN)
        .replace("Subscription-State: active\r\n", "");
    assert_eq!(status_of(&mut world, &no_state), 400);
}

#[test]
fn a_flood_of_notifications_is_bounded_and_counted() {
    let (mut world, first) = listening(PRESENCE, "3600", PIDF, OPEN);
    world.texts.clear();
    for cseq in 2..1002 {
        let text = notify(&first, "server-tag", cseq, "active", PIDF, OPEN);
        world.say(FLOW, &text);
    }
    let all = responses(&mut world);
    let taken = all.iter().filter(|response| response.status == 200).count();
    assert_eq!(taken, data(&world.take_events()).len());
    assert!(taken <= 40, "{taken}");
    assert!(
        all.iter()
            .any(|response| response.status == 500 && response.headers.has(&HeaderName::RetryAfter))
    );
    world.pass(seconds(10), pong);
    let text = notify(&first, "server-tag", 2000, "active", PIDF, OPEN);
    assert_eq!(status_of(&mut world, &text), 200);
    let events = world.take_events();
    let [Event::ChannelEvent { lost, .. }] = &events[..] else {
        panic!("{events:?}");
    };
    assert_eq!(usize::try_from(*lost).unwrap(), 1000 - taken);
}

#[test]
fn a_mailbox_is_heard_unasked_and_nothing_else_is() {
    let mut world = registered();
    let summary = Script {
        body: Some((
            "application/simple-message-summary",
            "Messages-Waiting: yes\r\nVoice-Message: 2/1\r\n",
        )),
        ..Script::new("NOTIFY")
            .header("Event: message-summary")
            .header("Subscription-State: active")
    };
    assert_eq!(answer_to(&mut world, &summary).status, 200);
    let events = world.take_events();
    let [Event::ChannelEvent { channel, data, .. }] = &events[..] else {
        panic!("{events:?}");
    };
    assert_eq!(channel, "message-summary");
    assert_eq!(data["messages"]["voice"]["new"], 2);
    for event in ["presence", "dialog", "check-sync", "refer"] {
        let script = Script::new("NOTIFY").header(&format!("Event: {event}"));
        assert_eq!(answer_to(&mut world, &script).status, 481);
    }
    let script = Script::new("SUBSCRIBE").header("Event: presence");
    let refused = answer_to(&mut world, &script);
    assert_eq!(refused.status, 489);
    assert!(refused.headers.lists(&HeaderName::AllowEvents, "refer"));
    // How a REFER goes is for who sent it (RFC 3515, 2.4.4).
    let script = Script::new("SUBSCRIBE").header("Event: refer");
    assert_eq!(answer_to(&mut world, &script).status, 403);
    assert!(world.take_events().is_empty());
}

#[test]
fn a_day_of_listening_costs_no_message_too_many() {
    let (mut world, _) = listening(PRESENCE, "3600", PIDF, OPEN);
    let mut count = 0_u32;
    world.pass(seconds(24 * 3600), |world| {
        pong(world);
        while !world.requests.is_empty() {
            let request = world.request();
            if request.method == Method::Register {
                world.grant(&request, 1_000_000, &[]);
                continue;
            }
            assert_eq!(request.method, Method::Subscribe);
            count += 1;
            world.answer(&request, 200, &[(HeaderName::Expires, "3600")]);
        }
    });
    // 80 to 90 % of an hour each.
    assert!((26..=30).contains(&count), "{count}");
}

#[test]
fn another_flow_takes_over_what_one_carried() {
    let mut two = config();
    two.servers.push("wss://second.example.com/sip".to_owned());
    let second = FlowId(1);
    let mut world = World::new(two, 1);
    for flow in [FLOW, second] {
        world.open(flow);
        let register = world.request();
        world.grant_on(flow, &register, 1_000_000, &[]);
    }
    let request = ask(&mut world, PRESENCE);
    world.answer(&request, 200, &[(HeaderName::Expires, "3600"), CONTACT]);
    let text = notify(&request, "server-tag", 1, "active;expires=3600", PIDF, OPEN);
    world.say(FLOW, &text);
    world.close(FLOW);
    let (flow, refresh) = world.requests.remove(0);
    assert_eq!(flow, second);
    assert_eq!(refresh.method, Method::Subscribe);
    assert_eq!(refresh.ids.call_id, request.ids.call_id);
}
