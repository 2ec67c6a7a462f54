//! What is said and heard in a call to an assistant, and how a conversation is resumed.

use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use nix::sys::signal::Signal;
use offhook_control::notice::Event;
use offhook_control::reply::AccountState;
use offhook_media::quality::tone;
use offhook_tests::daemon::Config;
use offhook_tests::sandbox::Sandbox;
use offhook_tests::sound;
use offhook_tests::tamper::{Tamper, Way};
use serde_json::{Value, json};

use crate::world::{PATIENCE, World, target};

#[test]
fn the_assistant_is_heard_hears_and_reads() {
    let sandbox = Sandbox::start(&["--assistant-sound", "echo"]);
    let config = Config::new();
    let heard = config.folder().join("heard.wav");
    let config = config
        .account_with("lobby", "telnyx", &sandbox.ready.verto, &target(""))
        .audio("tone:1004", &format!("file:{}", heard.display()));
    let mut world = World::of(config);
    let call = world.call();
    world.order(&[
        "message",
        "look at this",
        "--image",
        "https://x.example/a.png",
    ]);
    let user = world
        .control
        .wait("our own text", PATIENCE, |notice| match &notice.event {
            Event::AssistantItem { role, text, .. } if role == "user" => Some(text.clone()),
            _ => None,
        });
    assert_eq!(user, "look at this");
    let answer = "You said: look at this and showed https://x.example/a.png";
    assert_eq!(world.hear(), answer);
    // The tone goes out and comes back.
    world
        .control
        .wait("three seconds of sound", PATIENCE, |notice| {
            match &notice.event {
                Event::Quality(quality) => (quality.packets_received > 150).then_some(()),
                _ => None,
            }
        });
    world.control.hangup(&call);
    world.control.wait_ended(&call, PATIENCE);
    drop(world.control);
    let samples = sound::read(&heard);
    let tone = tone::measure(&samples, sound::RATE, 1004.0).expect("a tone");
    // How clean it is on a busy machine is asked elsewhere.
    assert!(tone.snr_db > 3.0, "{tone:?}");
    assert!(tone.heard > Duration::from_secs(1), "{tone:?}");
}

#[test]
fn the_login_says_whom_it_wants_and_the_settings_come_once() {
    let sandbox = Sandbox::start(&[]);
    let (subscribed, wait) = channel::<()>();
    let wait = Mutex::new(wait);
    let seen = Arc::new(Mutex::new(Vec::new()));
    let kept = Arc::clone(&seen);
    let tamper = Tamper::start(&sandbox.ready.verto, move |way, text| {
        let message: Value = serde_json::from_str(&text).expect("JSON");
        if way == Way::ToServer && message["method"] == "anonymous_login" {
            // Nothing is to be missed: the login waits until the test listens.
            let _ = wait.lock().expect("no panic").recv();
            kept.lock().expect("no panic").push(message);
        }
        Some(text)
    });
    let keys = target(
        ", target_version_id = \"v2\", target_params = { site = \"north\", floor = 3, tags = [\"a\", true], who = { vip = false } }",
    );
    let daemon = Config::new()
        .account_with("lobby", "telnyx", &tamper.url, &keys)
        .launch();
    let mut control = daemon.control();
    control.subscribe();
    drop(subscribed);
    let mut world = World { daemon, control };
    let data = world
        .control
        .wait("the settings", PATIENCE, |notice| match &notice.event {
            Event::Assistant { kind, data } if kind == "settings" => Some(data.clone()),
            _ => None,
        });
    assert_eq!(data["start_call_text"], "Talk to the sandbox");
    world.control.wait("readiness", PATIENCE, |notice| {
        matches!(notice.event, Event::Ready).then_some(())
    });
    world.call();
    world.ask("hello");
    let events = world.control.events();
    let settings =
        |event: &&&Event| matches!(event, Event::Assistant { kind, .. } if kind == "settings");
    assert_eq!(events.iter().filter(settings).count(), 1, "{events:?}");

    let logins = seen.lock().expect("no panic").clone();
    let [login] = &logins[..] else {
        panic!("{logins:?}")
    };
    let params = &login["params"];
    assert_eq!(
        (&params["target_id"], &params["target_version_id"]),
        (&"a-1".into(), &"v2".into())
    );
    assert_eq!(
        params["target_params"],
        json!({"site": "north", "floor": 3, "tags": ["a", true], "who": {"vip": false}})
    );
    assert!(params.get("loginParams").is_none(), "{params}");
}

#[test]
fn events_of_the_assistants_audio_come_when_they_are_asked_for() {
    let sandbox = Sandbox::start(&[]);
    let mut world = World::ready(&sandbox, &target(""));
    let call = world.call();
    world.order(&["assistant-audio", &call]);
    let audio = |world: &mut World, wanted: &str| {
        world.control.wait("an event of audio", PATIENCE, |notice| {
            match &notice.event {
                Event::Assistant { kind, data } if kind == "audio" => {
                    (data["type"] == wanted).then(|| notice.call.clone())
                }
                _ => None,
            }
        })
    };
    assert_eq!(
        audio(&mut world, "response.audio_stream.subscribed"),
        Some(call)
    );
    world.say("hello");
    audio(&mut world, "response.audio_stream.started");
    audio(&mut world, "response.audio_stream.done");
}

/// What the account's state says of its login.
fn refusal(sandbox: &Sandbox, keys: &str) -> String {
    let daemon = Config::new()
        .account_with("lobby", "telnyx", &sandbox.ready.verto, keys)
        .launch();
    let mut control = daemon.control();
    let snapshot = control.subscribe();
    let account = &snapshot.accounts[0];
    let told = |reason: &Option<String>, remedy: &Option<String>| {
        format!(
            "{}; {}",
            reason.as_deref().unwrap_or_default(),
            remedy.as_deref().unwrap_or_default()
        )
    };
    if account.state == AccountState::Refused {
        return told(&account.reason, &account.remedy);
    }
    control.wait("the refusal", PATIENCE, |notice| match &notice.event {
        Event::Account {
            state: AccountState::Refused,
            reason,
            remedy,
            ..
        } => Some(told(reason, remedy)),
        _ => None,
    })
}

#[test]
fn a_conversation_is_resumed_by_its_name_and_one_that_is_not_there_is_explained() {
    let sandbox = Sandbox::start(&[]);
    let mut world = World::ready(&sandbox, &target(""));
    world.call();
    assert_eq!(world.ask("remember"), "You have said nothing yet");
    world.ask("my name is Ada");
    let told = world.ask("conversation");
    let name = told
        .strip_prefix("This is conversation ")
        .expect("its name")
        .to_owned();
    drop(world);

    for inside in [
        format!(", conversation_id = {name:?}"),
        format!(", target_params = {{ conversation_id = {name:?} }}"),
    ] {
        let mut world = World::ready(&sandbox, &target(&inside));
        world.call();
        let told = world.ask("remember");
        assert!(told.contains("my name is Ada"), "{told}");
    }
    let unknown = target(", conversation_id = \"no-such\"");
    let foreign = target(&format!(", conversation_id = {name:?}")).replace("a-1", "a-2");
    for keys in [unknown, foreign] {
        let told = refusal(&sandbox, &keys);
        for part in [
            "10007",
            "unknown there or belongs to another assistant",
            "leave it out to begin a new conversation",
            "correct the account's settings",
        ] {
            assert!(told.contains(part), "{part:?} is missing in: {told}");
        }
    }
}

#[test]
fn a_conversation_that_is_refused_in_the_call_is_explained_there() {
    let sandbox = Sandbox::start(&["--assistant-refuses-at", "call"]);
    let mut world = World::ready(&sandbox, &target(", conversation_id = \"no-such\""));
    let call = world.control.call("1");
    let told = world.failure();
    assert!(
        told.contains("10007") && told.contains("leave it out"),
        "{told}"
    );
    let ended = world.control.wait_ended(&call, PATIENCE);
    assert!(!ended.answered);
}

#[test]
fn a_daemon_that_was_killed_goes_on_with_call_and_conversation() {
    let sandbox = Sandbox::start(&[]);
    let config = Config::new();
    let state = config.folder().join("state.json");
    let config = config
        .account_with("lobby", "telnyx", &sandbox.ready.verto, &target(""))
        .with(&format!("[state]\nfile = {state:?}"));
    let mut world = World::of(config);
    let call = world.call();
    world.control.wait("sound", PATIENCE, |notice| {
        matches!(notice.event, Event::FirstRtpReceived).then_some(())
    });
    world.ask("keep this in mind");
    drop(world.control);
    world.daemon.wait_until_remembered();
    let daemon = world.daemon.restart_after(Signal::SIGKILL);
    let mut control = daemon.control();
    control.subscribe();
    control.wait("sound of the same call", PATIENCE, |notice| {
        let sound =
            matches!(&notice.event, Event::Quality(quality) if quality.packets_received > 10);
        (sound && notice.call.as_deref() == Some(&call)).then_some(())
    });
    let mut world = World { daemon, control };
    let told = world.ask("remember");
    assert!(told.contains("keep this in mind"), "{told}");
}
