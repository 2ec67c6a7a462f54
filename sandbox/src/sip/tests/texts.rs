//! Texts between users, within calls, and to those that say them back.

use crate::sip::tests::phone::Phone;
use crate::sip::tests::world::World;

const PLAIN: &str = "Content-Type: text/plain\r\n";

#[test]
fn a_text_reaches_its_user_and_an_echo_says_it_back() {
    let mut world = World::new();
    let [one, two] = ["demo-1", "demo-2"].map(|user| Phone::new(&mut world, user));
    assert_eq!(
        one.outside(&mut world, "MESSAGE", "demo-2", PLAIN, "hello")
            .status,
        200
    );
    let message = world.request(two.socket, "MESSAGE");
    assert_eq!(&message.body[..], b"hello");
    assert_eq!(message.ids.from.uri.user().as_deref(), Some("demo-1"));
    two.respond(&mut world, &message, 200, "", None);
    assert_eq!(
        one.outside(&mut world, "MESSAGE", "echo", PLAIN, "anybody?")
            .status,
        200
    );
    assert_eq!(&world.request(one.socket, "MESSAGE").body[..], b"anybody?");
    for (to, kind, status) in [
        ("demo-9", PLAIN, 480),
        ("nobody", PLAIN, 404),
        ("demo-2", "Content-Type: image/png\r\n", 415),
    ] {
        assert_eq!(
            one.outside(&mut world, "MESSAGE", to, kind, "x").status,
            status,
            "{to}"
        );
    }
}

#[test]
fn a_text_within_a_call_goes_to_its_far_end() {
    let mut world = World::new();
    let [one, two] = ["demo-1", "demo-2"].map(|user| Phone::new(&mut world, user));
    let (mut dialog, _) = one.bridge(&mut world, &two);
    assert_eq!(
        one.ask(&mut world, &mut dialog, "MESSAGE", PLAIN, Some("psst"))
            .status,
        200
    );
    let message = world.request(two.socket, "MESSAGE");
    assert_eq!(&message.body[..], b"psst");
    let (mut dialog, _) = one.call(&mut world, "9196");
    one.ask(&mut world, &mut dialog, "MESSAGE", PLAIN, Some("echo"));
    assert_eq!(&world.request(one.socket, "MESSAGE").body[..], b"echo");
}
