//! Reliable provisional answers that a client demands, and addresses that mean one device.

use offhook_signaling::sip::message::HeaderName;

use crate::sip::tests::phone::{Phone, USUAL, Wish};
use crate::sip::tests::world::{OFFER, World, instance};

const DEMANDED: &str =
    "Require: 100rel\r\nSupported: timer\r\nAllow: INVITE, ACK, BYE, CANCEL, UPDATE, PRACK\r\n";

#[test]
fn every_provisional_answer_is_reliable_where_the_client_demands_it() {
    let mut world = World::new();
    let phone = Phone::new(&mut world, "demo-1");
    let wish = Wish {
        headers: DEMANDED,
        sdp: Some(OFFER),
    };
    let mut dialog = phone.invite(&mut world, "9100", &wish);
    let invite = dialog.cseq;
    assert_eq!(phone.next(&mut world).status, 100);
    let mut last = None;
    for status in [180, 183] {
        let rings = phone.next(&mut world);
        assert_eq!(rings.status, status);
        let rseq = rings.headers.number(&HeaderName::RSeq).unwrap();
        assert!(last.is_none_or(|last| last + 1 == rseq), "{rseq}");
        last = Some(rseq);
        dialog.early(&rings);
        // No second one before the first is acknowledged.
        let rack = format!("RAck: {rseq} {invite} INVITE\r\n");
        assert_eq!(
            phone
                .ask(&mut world, &mut dialog, "PRACK", &rack, None)
                .status,
            200
        );
    }
    // The description is there: an early offer may follow.
    let early = phone.ask(&mut world, &mut dialog, "UPDATE", "", Some(OFFER));
    assert_eq!((early.status, early.sdp().is_some()), (200, true));
    let answer = phone.answered(&mut world, &mut dialog);
    assert_eq!((answer.status, answer.sdp()), (200, None));
}

#[test]
fn a_late_offer_in_a_reliable_answer_is_answered_by_its_prack() {
    let mut world = World::new();
    let phone = Phone::new(&mut world, "demo-1");
    let wish = Wish {
        headers: DEMANDED,
        sdp: None,
    };
    let mut dialog = phone.invite(&mut world, "9189", &wish);
    let invite = dialog.cseq;
    assert_eq!(phone.next(&mut world).status, 100);
    for status in [180, 183] {
        let rings = phone.next(&mut world);
        assert_eq!(rings.status, status);
        dialog.early(&rings);
        let rseq = rings.headers.number(&HeaderName::RSeq).unwrap();
        let rack = format!("RAck: {rseq} {invite} INVITE\r\n");
        let answer = rings.sdp().map(|_| "v=0\r\n");
        assert_eq!(answer.is_some(), status == 183);
        let taken = phone.ask(&mut world, &mut dialog, "PRACK", &rack, answer);
        assert_eq!(taken.status, 200);
    }
    let asked = format!("{:?}", world.asked);
    assert!(asked.contains("AcceptAnswer"), "{asked}");
    assert_eq!(phone.answered(&mut world, &mut dialog).status, 486);
    // Without reliable answers the offer waits for the 2xx.
    let late = Wish { sdp: None, ..USUAL };
    let mut dialog = phone.invite(&mut world, "9100", &late);
    let answer = phone.answered(&mut world, &mut dialog);
    assert_eq!(answer.sdp().as_deref(), Some(OFFER));
}

#[test]
fn a_globally_routable_address_rings_one_device_alone() {
    let mut world = World::new();
    let caller = Phone::new(&mut world, "demo-1");
    let (one, two) = (world.open(), world.open());
    world.register(one, "demo-2", &instance("demo-2"), "600");
    let registered = world.register(two, "demo-2", &instance("demo-3"), "600");
    let contacts = registered.headers.addresses(&HeaderName::Contact).unwrap();
    let own = contacts
        .iter()
        .find(|it| it.params.has("temp-gruu"))
        .unwrap();
    let public = own.params.get("pub-gruu").unwrap().to_owned();
    let temporary = own.params.get("temp-gruu").unwrap().to_owned();
    for gruu in [public, temporary] {
        let (user, tail) = gruu.strip_prefix("sip:").unwrap().split_once('@').unwrap();
        let tail = tail.split_once(';').unwrap().1;
        caller.invite_uri(
            &mut world,
            user,
            &format!("sip:{user}@sandbox.example;{tail}"),
        );
        world.request(two, "INVITE");
        world.clients.get_mut(&caller.socket).unwrap().texts.clear();
        let texts = &world.clients[&one].texts;
        assert!(
            !texts.iter().any(|text| text.starts_with("INVITE")),
            "{gruu}"
        );
    }
}
