//! What a kiosk program asks of a SIP account, through the daemon and its command line.

use std::time::Duration;

use offhook_control::notice::Event;
use offhook_tests::control::Control;
use offhook_tests::daemon::{Config, Daemon};
use offhook_tests::sandbox::Sandbox;
use serde_json::Value;

/// Nothing that is waited for takes longer, also on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

struct Kiosk {
    daemon: Daemon,
    control: Control,
}

impl Kiosk {
    /// Registered, with these keys in its account.
    fn with(sandbox: &Sandbox, user: &str, keys: &str) -> Self {
        let config = Config::new();
        let password = config.secret("password", "sandbox");
        let keys = format!(
            "login = {user:?}\npassword_file = {password:?}\nbackoff_base = \"1s\"\nbackoff_max = \"2s\"\n{keys}"
        );
        let daemon = config
            .account_with("desk", "sip", &sandbox.ready.sip, &keys)
            .remembering()
            .launch();
        let control = daemon.ready();
        Self { daemon, control }
    }

    fn new(sandbox: &Sandbox, user: &str) -> Self {
        Self::with(sandbox, user, "")
    }

    /// A command that must be taken.
    #[track_caller]
    fn run(&self, arguments: &[&str]) {
        let (code, said, told) = self.daemon.cli(arguments);
        assert_eq!(code, Some(0), "{arguments:?}: {said}{told}");
    }

    #[track_caller]
    fn hears<T>(&mut self, what: &str, mut wanted: impl FnMut(&Event) -> Option<T>) -> T {
        self.control
            .wait(what, PATIENCE, |notice| wanted(&notice.event))
    }

    #[track_caller]
    fn shown(&mut self, name: &str, what: &str, mut wanted: impl FnMut(&Value) -> bool) -> Value {
        self.hears(what, |event| match event {
            Event::Channel { channel, data, .. } if channel == name => {
                wanted(data).then(|| data.clone())
            }
            _ => None,
        })
    }

    #[track_caller]
    fn rings(&mut self) -> String {
        self.control.wait("a call", PATIENCE, |notice| {
            matches!(notice.event, Event::Incoming { .. })
                .then(|| notice.call.clone())
                .flatten()
        })
    }

    #[track_caller]
    fn is_answered(&mut self, call: &str) {
        self.control.wait("the answer", PATIENCE, |notice| {
            let answered = matches!(notice.event, Event::Answered(_));
            (answered && notice.call.as_deref() == Some(call)).then_some(())
        });
    }
}

#[test]
fn presence_is_published_watched_and_watched_no_more() {
    let sandbox = Sandbox::start(&[]);
    let mut one = Kiosk::new(&sandbox, "demo-1");
    let mut other = Kiosk::new(&sandbox, "demo-2");
    let presence = "presence:demo-2@127.0.0.1";
    one.run(&["watch", presence]);
    one.shown(presence, "somebody there", |data| data["open"] == true);
    other.run(&["publish", "closed", "--note", "at lunch"]);
    other.hears("what others see", |event| match event {
        Event::Published { open, note } => {
            assert_eq!((*open, note.as_deref()), (false, Some("at lunch")));
            Some(())
        }
        _ => None,
    });
    let shown = one.shown(presence, "closed", |data| data["open"] == false);
    assert_eq!(shown["note"], "at lunch");
    one.run(&["unwatch", presence]);
    one.hears("no channel", |event| match event {
        Event::Watching { channels, .. } if channels.is_empty() => Some(()),
        _ => None,
    });
}

/// More than any queue of messages: the requests of one moment do not cost the connection, nor do those after a lost one.
#[test]
fn a_hundred_lamps_are_asked_for_at_once_and_again_over_the_next_connection() {
    let mut sandbox = Sandbox::start(&["--sip-users", "100"]);
    let mut kiosk = Kiosk::new(&sandbox, "demo-1");
    let names: Vec<String> = (1..=100)
        .map(|number| format!("presence:user-{number}@127.0.0.1"))
        .collect();
    let mut arguments = vec!["watch"];
    arguments.extend(names.iter().map(String::as_str));
    kiosk.run(&arguments);
    let mut seen = std::collections::BTreeSet::new();
    let mut all_shown = |kiosk: &mut Kiosk| {
        seen.clear();
        kiosk.hears("a hundred lamps", |event| {
            match event {
                Event::Channel { channel, .. } => drop(seen.insert(channel.clone())),
                Event::Socket { .. } => seen.clear(),
                _ => {}
            }
            (seen.len() == names.len()).then_some(())
        });
    };
    all_shown(&mut kiosk);
    sandbox.fault_for("demo-1", "drop");
    kiosk.hears("the loss", |event| match event {
        Event::Account { state, .. } if state.as_str() != "ready" => Some(()),
        _ => None,
    });
    all_shown(&mut kiosk);
}

#[test]
fn a_lamp_shows_a_call_that_rings_and_the_kiosk_picks_it_up() {
    let sandbox = Sandbox::start(&[]);
    let mut kiosk = Kiosk::new(&sandbox, "demo-1");
    let mut desk = Kiosk::new(&sandbox, "demo-2");
    let mut caller = Kiosk::new(&sandbox, "demo-3");
    let lamp = "dialog:demo-2@127.0.0.1";
    kiosk.run(&["watch", lamp]);
    kiosk.shown(lamp, "no call", |_| true);
    let theirs = caller.control.call("demo-2");
    let lost = desk.rings();
    let rings = |data: &Value| data["dialogs"][0]["pick_up"]["call_id"].is_string();
    let shown = kiosk.shown(lamp, "a call that rings", rings);
    let dialog = shown["dialogs"][0]["pick_up"].to_string();
    kiosk.run(&["call", "--pick-up", &dialog]);
    caller.is_answered(&theirs);
    let ended = desk.control.wait_ended(&lost, PATIENCE);
    assert!(!ended.answered, "{ended:?}");
    kiosk.hears("sound", |event| {
        matches!(event, Event::FirstRtpReceived).then_some(())
    });
}

#[test]
fn a_wish_of_the_far_end_is_followed_or_refused_as_the_user_says() {
    let sandbox = Sandbox::start(&[]);
    let mut kiosk = Kiosk::with(&sandbox, "demo-1", "transfers = \"ask\"\n");
    for follows in [false, true] {
        let call = kiosk.control.call("9287");
        kiosk.is_answered(&call);
        let wish = kiosk.control.wait("the wish", PATIENCE, |notice| {
            let Event::Referred {
                to, followed_by, ..
            } = &notice.event
            else {
                return None;
            };
            assert!(to.contains("9196") && followed_by.is_none(), "{notice:?}");
            notice.call.clone()
        });
        if follows {
            kiosk.run(&["follow", &wish]);
            // Its call goes there; the one that it came with is the far end's to end.
            kiosk.hears("the call there", |event| match event {
                Event::Invite { number, .. } if number.contains("9196") => Some(()),
                _ => None,
            });
            kiosk.hears("its answer", |event| {
                matches!(event, Event::Answered(_)).then_some(())
            });
            kiosk.hears("its sound", |event| {
                matches!(event, Event::FirstRtpReceived).then_some(())
            });
            let calls = kiosk.control.status().calls;
            assert_eq!(calls.len(), 2, "{calls:?}");
        } else {
            kiosk.run(&["refuse-transfer", &wish, "--sip-code", "603"]);
            kiosk.control.hangup(&call);
            kiosk.control.wait_ended(&call, PATIENCE);
        }
    }
}

#[test]
fn an_account_that_refuses_wishes_tells_of_them_and_goes_nowhere() {
    let sandbox = Sandbox::start(&[]);
    let mut kiosk = Kiosk::with(&sandbox, "demo-1", "transfers = \"refuse\"\n");
    let call = kiosk.control.call("9287");
    kiosk.is_answered(&call);
    kiosk.hears("the wish", |event| match event {
        Event::Referred { refused, .. } => {
            assert!(refused);
            Some(())
        }
        _ => None,
    });
    let calls = kiosk.control.status().calls;
    assert_eq!(calls.len(), 1, "{calls:?}");
}
