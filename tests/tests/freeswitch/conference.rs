//! A conference: who is in it, as its live array tells; what a moderator does; a change that was lost.

use offhook_control::notice::Event;
use serde_json::Value;

use crate::phone::{Phone, server};

const ROOM: &str = "3001";

impl Phone {
    /// Waits for a change of this kind that the test wants.
    fn change<T>(&mut self, kind: &str, wanted: impl Fn(&Value) -> Option<T>) -> T {
        self.hear(kind, |event| match event {
            Event::Conference { change, data } if change == kind => wanted(data),
            _ => None,
        })
    }

    /// Waits until a member is told with this status.
    fn member(&mut self, name: &str, status: &str) {
        self.change("member", |row| {
            (row["name"] == name && row["status"] == status).then_some(())
        });
    }
}

#[test]
fn a_conference_is_followed_moderated_and_mended() {
    let mut sandbox = server();
    let mut host = Phone::new(&sandbox, "demo-1");
    let mut guest = Phone::new(&sandbox, "demo-2");
    let of_host = host.call(ROOM);
    host.change("joined", |told| (told["moderator"] == true).then_some(()));
    host.change("members", |rows| {
        let rows = rows.as_array()?;
        assert_eq!(rows.len(), 1);
        assert_eq!(rows[0]["name"], "demo-1");
        Some(())
    });

    let of_guest = guest.call(ROOM);
    let number = guest.change("joined", |told| {
        assert_eq!(told["moderator"], false);
        Some(told["member"].as_str()?.to_owned())
    });
    guest.change("members", |rows| {
        (rows.as_array()?.len() == 2).then_some(())
    });
    host.member("demo-2", "TALKING (FLOOR)");

    // Muted by the moderator; both are told.
    host.run(&["moderate", "mute", &number]);
    host.change("answer", |told| {
        assert_eq!(
            (&told["command"], told["error"].is_null()),
            (&"mute".into(), true)
        );
        Some(())
    });
    host.member("demo-2", "MUTE");
    guest.member("demo-2", "MUTE");
    // Nobody else may, and a member that is not there is no member.
    guest.run(&["moderate", "mute", "1"]);
    guest.wait_for(&of_guest, "the refusal", |event| {
        matches!(event, Event::RequestFailed { reason, .. } if reason.contains("no moderator"))
    });
    host.run(&["moderate", "mute", "77"]);
    host.change("answer", |told| told["error"].is_string().then_some(()));

    // A change is lost on its way; the next one shows it, and the whole list is asked for again.
    sandbox.fault_for("demo-1", "lose-row");
    sandbox.settled();
    host.run(&["moderate", "unmute", &number]);
    guest.member("demo-2", "TALKING (FLOOR)");
    host.run(&["moderate", "deaf", &number]);
    host.change("members", |rows| {
        let rows = rows.as_array()?;
        let row = rows.iter().find(|row| row["name"] == "demo-2")?;
        assert_eq!((rows.len(), &row["status"]), (2, &"DEAF".into()));
        Some(())
    });

    guest.run(&["conference-chat", "hello all"]);
    for phone in [&mut host, &mut guest] {
        phone.change("chat", |told| {
            assert_eq!(
                (&told["from"], &told["text"]),
                (&"demo-2".into(), &"hello all".into())
            );
            Some(())
        });
    }

    host.run(&["moderate", "kick", &number]);
    assert_eq!(guest.ended(&of_guest).cause, "NORMAL_CLEARING");
    host.change("gone", |told| told["key"].is_string().then_some(()));
    host.hears(&of_host);
    host.run(&["hangup", &of_host]);
    host.ended(&of_host);
}

#[test]
fn a_conference_goes_on_over_a_lost_socket() {
    let mut sandbox = server();
    let mut host = Phone::new(&sandbox, "demo-1");
    let mut guest = Phone::new(&sandbox, "demo-2");
    let of_host = host.call(ROOM);
    host.change("members", |rows| {
        (rows.as_array()?.len() == 1).then_some(())
    });
    host.hears(&of_host);
    sandbox.fault_for("demo-1", "drop");
    host.wait_for(&of_host, "the loss", |event| {
        matches!(event, Event::Recovering { on: true })
    });
    host.wait_for(&of_host, "the return", |event| {
        matches!(event, Event::Recovering { on: false })
    });
    // Subscriptions died with the socket: they are asked for again, and with them the list.
    host.change("members", |rows| {
        (rows.as_array()?.len() == 1).then_some(())
    });
    guest.call(ROOM);
    host.member("demo-2", "TALKING (FLOOR)");
}
