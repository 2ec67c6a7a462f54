//! Subscriptions and what they tell.

use std::time::Duration;

use offhook_signaling::sip::message::HeaderName;
use offhook_signaling::sip::message::request::Request;

use crate::sip::settings::SipSettings;
use crate::sip::tests::phone::{Phone, USUAL};
use crate::sip::tests::world::World;
use crate::verto::gateway::Input;

fn subscribe(world: &mut World, phone: &Phone, to: &str, event: &str, expires: u32) -> u16 {
    let headers = format!(
        "Event: {event}\r\nExpires: {expires}\r\nContact: <sip:device@x.invalid;transport=ws>\r\n"
    );
    phone.outside(world, "SUBSCRIBE", to, &headers, "").status
}

/// The next NOTIFY: its state and body.
fn notified(world: &mut World, phone: &Phone) -> (String, String) {
    let notify: Request = world.request(phone.socket, "NOTIFY");
    let state = notify.headers.get(&HeaderName::SubscriptionState).unwrap();
    let body = String::from_utf8(notify.body.to_vec()).unwrap();
    phone.respond(world, &notify, 200, "", None);
    (state, body)
}

#[test]
fn presence_follows_registrations_and_publications() {
    let mut world = World::new();
    let one = Phone::new(&mut world, "demo-1");
    assert_eq!(subscribe(&mut world, &one, "demo-2", "presence", 600), 200);
    let (state, body) = notified(&mut world, &one);
    assert!(state.starts_with("active;expires=600"), "{state}");
    assert!(body.contains("<basic>closed</basic>"), "{body}");
    let two = Phone::new(&mut world, "demo-2");
    assert!(notified(&mut world, &one).1.contains("<basic>open</basic>"));
    let event = "Event: presence\r\nExpires: 60\r\nContent-Type: application/pidf+xml\r\n";
    let published = two.outside(
        &mut world,
        "PUBLISH",
        "demo-2",
        event,
        "<presence>lunch</presence>",
    );
    let tag = published.headers.get(&HeaderName::SipETag).unwrap();
    assert!(notified(&mut world, &one).1.contains("lunch"));
    let refresh = format!("Event: presence\r\nExpires: 60\r\nSIP-If-Match: {tag}\r\n");
    assert_eq!(
        two.outside(&mut world, "PUBLISH", "demo-2", &refresh, "")
            .status,
        200
    );
    assert_eq!(
        two.outside(&mut world, "PUBLISH", "demo-2", &refresh, "")
            .status,
        412
    );
    assert_eq!(
        two.outside(&mut world, "PUBLISH", "demo-1", event, "<p/>")
            .status,
        403
    );
    notified(&mut world, &one);
    world.pass(Duration::from_secs(61));
    assert!(notified(&mut world, &one).1.contains("<basic>open</basic>"));
    world.input(Input::Closed(two.socket));
    assert!(
        notified(&mut world, &one)
            .1
            .contains("<basic>closed</basic>")
    );
    // The subscription ends by itself.
    world.pass(Duration::from_secs(540));
    let (state, _) = notified(&mut world, &one);
    assert_eq!(state, "terminated;reason=timeout");
}

#[test]
fn dialogs_of_a_user_are_told_as_they_go() {
    let mut world = World::new();
    let [one, two, three] = ["demo-1", "demo-2", "demo-3"].map(|user| Phone::new(&mut world, user));
    assert_eq!(subscribe(&mut world, &one, "demo-2", "dialog", 600), 200);
    assert!(notified(&mut world, &one).1.contains("version=\"0\""));
    three.invite(&mut world, "demo-2", &USUAL);
    let invite = world.request(two.socket, "INVITE");
    assert!(
        notified(&mut world, &one)
            .1
            .contains("<state>trying</state>")
    );
    two.respond(&mut world, &invite, 180, "", None);
    let (_, body) = notified(&mut world, &one);
    assert!(
        body.contains("<state>early</state>") && body.contains("local-tag=\"to-demo-2\""),
        "{body}"
    );
    two.respond(&mut world, &invite, 200, "", Some("v=0\r\n"));
    let (_, body) = notified(&mut world, &one);
    assert!(
        body.contains("<state>confirmed</state>") && body.contains("recipient"),
        "{body}"
    );
}

#[test]
fn a_mailbox_and_events_that_nobody_knows() {
    let mut world = World::with(
        &["end-subscriptions=deactivated:1@demo-2"],
        SipSettings::default(),
    );
    let [one, two] = ["demo-1", "demo-2"].map(|user| Phone::new(&mut world, user));
    assert_eq!(
        subscribe(&mut world, &one, "demo-1", "message-summary", 600),
        200
    );
    assert!(
        notified(&mut world, &one)
            .1
            .starts_with("Messages-Waiting: no\r\n")
    );
    let plain = "Content-Type: text/plain\r\n";
    assert_eq!(
        one.outside(&mut world, "MESSAGE", "voicemail", plain, "2/8")
            .status,
        200
    );
    let (_, body) = notified(&mut world, &one);
    assert!(body.contains("Voice-Message: 2/8 (0/0)"), "{body}");
    assert_eq!(subscribe(&mut world, &one, "demo-1", "weather", 600), 489);
    assert_eq!(subscribe(&mut world, &one, "nobody", "presence", 600), 404);
    // Once only, and ended on purpose.
    assert_eq!(subscribe(&mut world, &one, "demo-2", "presence", 0), 200);
    assert_eq!(notified(&mut world, &one).0, "terminated;reason=timeout");
    assert_eq!(subscribe(&mut world, &two, "demo-1", "presence", 600), 200);
    assert!(notified(&mut world, &two).0.starts_with("active"));
    assert_eq!(
        notified(&mut world, &two).0,
        "terminated;reason=deactivated"
    );
}

#[test]
fn a_subscription_that_its_watcher_forgot_is_given_up() {
    let mut world = World::new();
    let [one, two] = ["demo-1", "demo-2"].map(|user| Phone::new(&mut world, user));
    subscribe(&mut world, &one, "demo-2", "presence", 600);
    let notify = world.request(one.socket, "NOTIFY");
    one.respond(&mut world, &notify, 481, "", None);
    world.input(Input::Closed(two.socket));
    let texts = &world.clients[&one.socket].texts;
    assert!(!texts.iter().any(|text| text.starts_with("NOTIFY")));
    // Too many of one user.
    for _ in 0..256 {
        subscribe(&mut world, &one, "demo-2", "presence", 600);
    }
    assert_eq!(subscribe(&mut world, &one, "demo-2", "presence", 600), 503);
}
