//! Texts: to a user, into a call, to an assistant.

use offhook_engine::error::Error;
use offhook_engine::event::EventKind;
use offhook_engine::request::Message;
use offhook_signaling::command::{Command, ConversationItem};
use offhook_signaling::error::Error as SignalingError;
use offhook_signaling::event::Event;

use crate::world::World;

#[test]
fn texts_go_to_a_user_or_to_an_assistant() {
    let mut world = World::ready();
    let text = |to: Option<&str>| Message {
        to: to.map(str::to_owned),
        text: "hello".into(),
        ..Message::default()
    };
    assert_eq!(world.core.message(text(Some("1002"))), Ok(Some(1)));
    // What becomes of what an assistant is told nobody says.
    assert_eq!(world.core.message(text(None)), Ok(None));
    assert_eq!(
        world.commands(),
        [
            Command::Message {
                id: 1,
                call: None,
                to: "1002".into(),
                body: "hello".into()
            },
            Command::Converse {
                call: None,
                item: ConversationItem::Text {
                    text: "hello".into(),
                    images: Vec::new()
                }
            }
        ]
    );
    assert!(matches!(
        world.core.message(Message::default()),
        Err(Error::Unsendable { .. })
    ));

    // A user would not get the images, and nobody would be told.
    let seen = |to| Message {
        images: vec!["https://x.example/a.png".into()],
        ..text(to)
    };
    let refused = world.core.message(seen(Some("1002"))).unwrap_err();
    assert!(refused.to_string().contains("image"), "{refused}");
    assert_eq!(world.commands(), []);
    world.core.message(seen(None)).unwrap();
    assert!(matches!(&world.commands()[..], [Command::Converse { .. }]));
}

#[test]
fn a_text_into_a_sip_call_needs_no_name_beside_it() {
    let mut world = World::at_sip_server();
    world.make_ready();
    let call = world.answered();
    world.commands();
    let text = Message {
        call: Some(call.clone()),
        text: "hello".into(),
        ..Message::default()
    };
    world.core.message(text.clone()).unwrap();
    let said = Command::Message {
        id: 1,
        call: Some(call),
        to: String::new(),
        body: "hello".into(),
    };
    assert_eq!(world.commands(), [said]);
    let seen = Message {
        images: vec!["https://x.example/a.png".into()],
        ..text
    };
    assert!(world.core.message(seen).is_err());
}

#[test]
fn what_became_of_a_text_is_told_by_its_number() {
    let mut world = World::at_sip_server();
    world.make_ready();
    let id = world.answered();
    world.events.clear();
    for call in [None, Some(id)] {
        world.signal(Event::MessageAccepted {
            call: call.clone(),
            id: 3,
            stored: true,
        });
        world.signal(Event::MessageFailed {
            call: call.clone(),
            id: 4,
            error: SignalingError::NotReady {
                server: "pbx".into(),
                command: "message",
            },
        });
        let told = std::mem::take(&mut world.events);
        assert!(told.iter().all(|event| event.call == call), "{told:?}");
        let kinds: Vec<_> = told.into_iter().map(|event| event.kind).collect();
        assert!(
            matches!(
                &kinds[..],
                [
                    EventKind::MessageAccepted { message: 3, stored: true },
                    EventKind::MessageFailed { message: 4, reason, .. }
                ] if reason.contains("pbx")
            ),
            "{kinds:?}"
        );
    }
}
