//! What the scripted numbers do, as the real user agent takes it.

use offhook_signaling::command::Command;
use offhook_signaling::event::Event;
use offhook_tests::sandbox::Sandbox;

use crate::phone::Phone;
use crate::world::{SOON, bye, call, end, ended, invite, ready};

#[test]
fn numbers_refuse_redirect_and_ask_for_more() {
    let sandbox = Sandbox::start(&[]);
    let mut client = ready(&sandbox, "demo-1");
    for (number, code) in [
        ("9404", 404),
        ("9480", 480),
        ("9486", 486),
        ("9488", 488),
        ("9603", 603),
    ] {
        invite(&client, number, Phone::new(1).offer());
        let ended = end(&mut client);
        assert_eq!(ended, Some(code), "{number}");
    }
    for number in ["9302", "9422"] {
        let own = call(&mut client, number, &Phone::new(1));
        bye(&client, &own);
        end(&mut client);
    }
    let rings = invite(&client, "9180", Phone::new(1).offer());
    client.wait(SOON, |event| matches!(event, Event::Ringing { .. }));
    bye(&client, &rings);
    end(&mut client);
    // With Retry-After: nothing else is asked of this server for a while.
    invite(&client, "9503", Phone::new(1).offer());
    assert_eq!(end(&mut client), Some(503));
}

#[test]
fn offers_of_the_far_side_by_invite_and_by_update() {
    let sandbox = Sandbox::start(&[]);
    let mut client = ready(&sandbox, "demo-1");
    for (number, offers) in [("9184", 2), ("9284", 1), ("9283", 1)] {
        let phone = Phone::new(1);
        let own = call(&mut client, number, &phone);
        for _ in 0..offers {
            let offer = client.wait(SOON, |event| matches!(event, Event::Offer { .. }));
            let Event::Offer { sdp: Some(sdp), .. } = offer else {
                panic!("{number}: {offer:?}");
            };
            client.command(Command::Attach {
                call: own.clone(),
                sdp: phone.answer(&sdp),
            });
            // An UPDATE has no ACK.
            if number != "9283" {
                client.wait(SOON, |event| matches!(event, Event::Confirmed { .. }));
            }
        }
        phone.hears(1);
        bye(&client, &own);
        end(&mut client);
    }
}

#[test]
fn our_offer_meets_a_491_and_then_both_do() {
    let sandbox = Sandbox::start(&[]);
    let mut client = ready(&sandbox, "demo-1");
    for number in ["9188", "9288"] {
        let phone = Phone::new(1);
        let own = call(&mut client, number, &phone);
        let ours = || Command::UpdateMedia {
            call: own.clone(),
            sdp: phone.offer(),
        };
        client.command(ours());
        let (mut updated, mut offered) = (false, number == "9188");
        while !(updated && offered) {
            let event = client.wait(SOON, |event| {
                matches!(event, Event::MediaUpdated { .. } | Event::Offer { .. })
            });
            updated |= matches!(event, Event::MediaUpdated { .. });
            if let Event::Offer { sdp: Some(sdp), .. } = event {
                offered = true;
                client.command(Command::Attach {
                    call: own.clone(),
                    sdp: phone.answer(&sdp),
                });
                // Ours of before theirs is void.
                if !updated {
                    client.command(ours());
                }
            }
        }
        bye(&client, &own);
        end(&mut client);
    }
}

#[test]
fn forks_digits_and_a_far_bye() {
    let sandbox = Sandbox::start(&[]);
    let mut client = ready(&sandbox, "demo-1");
    for number in ["9182", "9282"] {
        let own = invite(&client, number, Phone::new(1).offer());
        client.wait(SOON, |event| matches!(event, Event::Answered { .. }));
        bye(&client, &own);
        client.wait(SOON, ended);
    }
    let own = call(&mut client, "9278", &Phone::new(1));
    client.wait(SOON, |event| {
        matches!(event, Event::Digit { digit: '5', .. })
    });
    bye(&client, &own);
    end(&mut client);
    call(&mut client, "9185", &Phone::new(1));
    client.wait(SOON, ended);
}
