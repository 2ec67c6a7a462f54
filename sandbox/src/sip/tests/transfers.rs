//! Blind and attended transfers, and calls that take the place of others.

use offhook_signaling::sip::message::HeaderName;

use crate::sip::tests::phone::{Phone, USUAL, Wish};
use crate::sip::tests::world::{OFFER, World};
use crate::switch::media::Sound;

fn three() -> (World, Phone, Phone, Phone) {
    let mut world = World::new();
    let [one, two, three] = ["demo-1", "demo-2", "demo-3"].map(|user| Phone::new(&mut world, user));
    (world, one, two, three)
}

/// The status that the next NOTIFY tells, and whether it is the last.
fn progress(world: &mut World, phone: &Phone) -> (String, bool) {
    let notify = world.request(phone.socket, "NOTIFY");
    let state = notify.headers.get(&HeaderName::SubscriptionState).unwrap();
    let body = String::from_utf8(notify.body.to_vec()).unwrap();
    phone.respond(world, &notify, 200, "", None);
    let event = notify.headers.get(&HeaderName::Event).unwrap();
    assert!(event.starts_with("refer;id="), "{event}");
    (body[8..11].to_owned(), state.starts_with("terminated"))
}

fn told(status: &str, last: bool) -> (String, bool) {
    (status.to_owned(), last)
}

#[test]
fn a_blind_transfer_to_a_user_is_followed_to_its_answer() {
    let (mut world, one, two, three) = three();
    let (mut dialog, _) = one.bridge(&mut world, &two);
    let to = "Refer-To: <sip:demo-3@sandbox.example>\r\n";
    let taken = one.ask(&mut world, &mut dialog, "REFER", to, None);
    assert_eq!(taken.status, 200);
    assert_eq!(progress(&mut world, &one), told("100", false));
    let invite = world.request(three.socket, "INVITE");
    assert_eq!(invite.ids.from.uri.user().as_deref(), Some("demo-2"));
    // The call goes on while the target rings.
    let bridged = |world: &World| {
        let sounds = world.playing.values();
        sounds
            .filter(|sound| matches!(sound, Sound::Bridge(_)))
            .count()
    };
    assert_eq!(bridged(&world), 2);
    three.respond(&mut world, &invite, 180, "", None);
    three.respond(&mut world, &invite, 200, "", Some("v=0\r\n"));
    world.request(three.socket, "ACK");
    assert_eq!(progress(&mut world, &one), told("200", true));
    let bye = world.request(one.socket, "BYE");
    one.respond(&mut world, &bye, 200, "", None);
    assert_eq!(bridged(&world), 2, "{:?}", world.playing);
    assert_eq!(world.playing.len(), 2);
}

#[test]
fn a_transfer_that_fails_leaves_the_call_as_it_was() {
    let (mut world, one, two, three) = three();
    let (mut dialog, _) = one.bridge(&mut world, &two);
    for (target, status) in [
        ("9486", "486"),
        ("demo-9", "480"),
        ("nobody", "404"),
        ("demo-3", "603"),
    ] {
        let to = format!("Refer-To: <sip:{target}@sandbox.example>\r\n");
        assert_eq!(
            one.ask(&mut world, &mut dialog, "REFER", &to, None).status,
            200
        );
        assert_eq!(progress(&mut world, &one), told("100", false));
        if target == "demo-3" {
            let invite = world.request(three.socket, "INVITE");
            three.respond(&mut world, &invite, 603, "", None);
        }
        assert_eq!(progress(&mut world, &one), told(status, true), "{target}");
    }
    assert_eq!(world.playing.len(), 2);
    for wrong in ["", "Refer-To: <sip:a@b>\r\nRefer-To: <sip:c@d>\r\n"] {
        assert_eq!(
            one.ask(&mut world, &mut dialog, "REFER", wrong, None)
                .status,
            400
        );
    }
    for wrong in [
        "<file:///etc/passwd>",
        "<https://sandbox.example>",
        "<sip:a@b?Replaces=x%3Bto-tag%3Dy%3Bfrom-tag%3Dz>",
    ] {
        let to = format!("Refer-To: {wrong}\r\n");
        assert_eq!(
            one.ask(&mut world, &mut dialog, "REFER", &to, None).status,
            603,
            "{wrong}"
        );
    }
}

#[test]
fn a_blind_transfer_to_a_number_and_a_referrer_that_leaves_at_once() {
    let (mut world, one, two, three) = three();
    let (mut dialog, _) = one.bridge(&mut world, &two);
    let to = "Refer-To: <sip:9197@sandbox.example>\r\nRefer-Sub: false\r\n";
    one.ask(&mut world, &mut dialog, "REFER", to, None);
    world.request(one.socket, "BYE");
    let sounds: Vec<_> = world.playing.values().copied().collect();
    assert_eq!(sounds, [Sound::Tone]);
    let (mut dialog, _) = one.bridge(&mut world, &two);
    let to = "Refer-To: <sip:demo-3@sandbox.example>\r\n";
    one.ask(&mut world, &mut dialog, "REFER", to, None);
    assert_eq!(
        one.ask(&mut world, &mut dialog, "BYE", "", None).status,
        200
    );
    let invite = world.request(three.socket, "INVITE");
    three.respond(&mut world, &invite, 200, "", Some("v=0\r\n"));
    let bridged = world
        .playing
        .values()
        .filter(|sound| matches!(sound, Sound::Bridge(_)));
    assert_eq!(bridged.count(), 2, "{:?}", world.playing);
}

#[test]
fn a_far_end_that_is_not_in_the_call_yet_is_sent_on_once_it_is() {
    let (mut world, one, two, three) = three();
    let mut call = two.invite(&mut world, "demo-1", &USUAL);
    let invite = world.request(one.socket, "INVITE");
    world.media_takes_time();
    let mut dialog = one.respond(&mut world, &invite, 200, "", Some("v=0\r\n"));
    world.request(one.socket, "ACK");
    let to = "Refer-To: <sip:demo-3@sandbox.example>\r\n";
    assert_eq!(
        one.ask(&mut world, &mut dialog, "REFER", to, None).status,
        200
    );
    assert_eq!(progress(&mut world, &one), told("100", false));
    assert!(world.text(three.socket).is_none());
    world.media_is_through();
    assert_eq!(two.answered(&mut world, &mut call).status, 200);
    let invite = world.request(three.socket, "INVITE");
    three.respond(&mut world, &invite, 200, "", Some("v=0\r\n"));
    assert_eq!(progress(&mut world, &one), told("200", true));
    world.request(one.socket, "BYE");
    let bridged = world
        .playing
        .values()
        .filter(|sound| matches!(sound, Sound::Bridge(_)));
    assert_eq!(bridged.count(), 2, "{:?}", world.playing);
}

#[test]
fn an_attended_transfer_joins_the_far_ends() {
    let (mut world, one, two, three) = three();
    let (mut first, _) = one.bridge(&mut world, &two);
    let (second, _) = one.bridge(&mut world, &three);
    let tag = |line: &str| line.rsplit_once("tag=").unwrap().1.to_owned();
    let to = format!(
        "Refer-To: <sip:demo-3@sandbox.example?Replaces={}%3Bto-tag%3D{}%3Bfrom-tag%3D{}>\r\n",
        second.call_id,
        tag(&second.remote),
        tag(&second.local)
    );
    assert_eq!(
        one.ask(&mut world, &mut first, "REFER", &to, None).status,
        200
    );
    assert_eq!(progress(&mut world, &one), told("100", false));
    assert_eq!(progress(&mut world, &one), told("200", true));
    world.request(one.socket, "BYE");
    world.request(one.socket, "BYE");
    assert_eq!(world.playing.len(), 2);
    let bridged = world
        .playing
        .values()
        .filter(|sound| matches!(sound, Sound::Bridge(_)));
    assert_eq!(bridged.count(), 2, "{:?}", world.playing);
}

#[test]
fn an_invite_takes_the_place_of_a_call_or_picks_a_ringing_one_up() {
    let (mut world, one, two, three) = three();
    let (_, theirs) = one.bridge(&mut world, &two);
    let tag = |line: &str| line.rsplit_once("tag=").unwrap().1.to_owned();
    let replaces = |dialog: &crate::sip::tests::phone::Dialog| {
        format!(
            "Supported: replaces\r\nReplaces: {};to-tag={};from-tag={}\r\n",
            dialog.call_id,
            tag(&dialog.remote),
            tag(&dialog.local)
        )
    };
    let headers = replaces(&theirs);
    let wish = Wish {
        headers: &headers,
        sdp: Some(OFFER),
    };
    let mut dialog = three.invite(&mut world, "demo-1", &wish);
    assert_eq!(three.answered(&mut world, &mut dialog).status, 200);
    three.ack(&mut world, &dialog, None);
    world.request(two.socket, "BYE");
    let bridged = world
        .playing
        .values()
        .filter(|sound| matches!(sound, Sound::Bridge(_)));
    assert_eq!((bridged.count(), world.playing.len()), (2, 2));
    assert_eq!(
        three.ask(&mut world, &mut dialog, "BYE", "", None).status,
        200
    );
    world.request(one.socket, "BYE");

    let mut dialog = one.invite(&mut world, "demo-2", &USUAL);
    let invite = world.request(two.socket, "INVITE");
    let ringing = two.respond(&mut world, &invite, 180, "", None);
    let headers = replaces(&ringing);
    let wish = Wish {
        headers: &headers,
        sdp: Some(OFFER),
    };
    let mut picked = three.invite(&mut world, "demo-2", &wish);
    assert_eq!(three.answered(&mut world, &mut picked).status, 200);
    world.request(two.socket, "CANCEL");
    assert_eq!(one.answered(&mut world, &mut dialog).status, 200);
    let unknown = "Supported: replaces\r\nReplaces: x;to-tag=y;from-tag=z\r\n";
    let wish = Wish {
        headers: unknown,
        sdp: Some(OFFER),
    };
    let mut none = three.invite(&mut world, "demo-2", &wish);
    assert_eq!(three.answered(&mut world, &mut none).status, 481);
}

#[test]
fn far_ends_refer_press_keys_and_offer_anew() {
    let (mut world, one, _, _) = three();
    one.call(&mut world, "9287");
    let refer = world.request(one.socket, "REFER");
    let to = refer.headers.get(&HeaderName::ReferTo).unwrap();
    assert!(to.contains("sip:9196@"), "{to}");
    one.call(&mut world, "9278");
    let info = world.request(one.socket, "INFO");
    assert!(info.body.starts_with(b"Signal=5"));
    one.call(&mut world, "9184");
    for _ in 0..2 {
        let offer = world.request(one.socket, "INVITE");
        one.respond(&mut world, &offer, 200, "", Some("v=0\r\n"));
        world.request(one.socket, "ACK");
    }
    one.call(&mut world, "9283");
    let update = world.request(one.socket, "UPDATE");
    assert!(update.sdp().is_some());
    // Glare: it tries again after a while.
    one.respond(&mut world, &update, 491, "", None);
    let update = world.request(one.socket, "UPDATE");
    one.respond(&mut world, &update, 200, "", Some("v=0\r\n"));
    let (mut dialog, _) = one.call(&mut world, "9288");
    assert_eq!(
        one.ask(&mut world, &mut dialog, "INVITE", "", Some(OFFER))
            .status,
        491
    );
    one.ack(&mut world, &dialog, None);
    let theirs = world.request(one.socket, "INVITE");
    one.respond(&mut world, &theirs, 491, "", None);
    world.request(one.socket, "ACK");
    assert_eq!(
        one.ask(&mut world, &mut dialog, "INVITE", "", Some(OFFER))
            .status,
        200
    );
}
