//! What becomes of accounts while their connection stays.

use offhook_engine::core::machine::{Core, CoreConfig};
use offhook_engine::error::Error;
use offhook_engine::event::EventKind;
use offhook_engine::output::{AccountKey, Output};
use offhook_engine::request::{CallRequest, EndOptions};
use offhook_engine::status::{AccountState, CallState};
use offhook_signaling::auth::login::Login;
use offhook_signaling::command::Command;
use offhook_signaling::error::Error as SignalingError;
use offhook_signaling::event::{DisconnectCause, Event};
use offhook_signaling::secret::Secret;

use crate::world::World;

fn refusal() -> Event {
    Event::LoginFailed(SignalingError::LoginRejected {
        server: "pbx".into(),
        user: "the holder of the token".into(),
        code: Some(-32001),
        setting: None,
        reason: "Login Incorrect".into(),
    })
}

#[test]
fn a_login_refused_on_the_live_connection_is_told_and_calls_go_on() {
    let mut world = World::ready();
    world.answered();
    world.events.clear();
    world.signal(refusal());
    let [told] = &world.events[..] else {
        panic!("{:?}", world.events)
    };
    assert!(
        matches!(&told.kind, EventKind::RequestFailed { reason, remedy: Some(_) } if reason.contains("Login Incorrect")),
        "{told:?}"
    );
    let account = &world.core.status(world.now).accounts[0];
    assert_eq!(account.state, AccountState::Ready);
    assert!(account.reason.is_some(), "the status names the trouble");
    world
        .core
        .call(&CallRequest::to("9197"), world.now)
        .expect("another call");
    // The next one that is accepted ends the trouble.
    world.signal(Event::LoggedIn { sessid: "s".into() });
    let account = &world.core.status(world.now).accounts[0];
    assert_eq!(
        (account.state, &account.reason),
        (AccountState::Ready, &None)
    );
}

#[test]
fn a_refusal_that_costs_the_connection_is_an_account_refused() {
    let mut world = World::ready();
    world.signal(refusal());
    world.signal(Event::Disconnected {
        cause: DisconnectCause::LoginRefused,
        retry_in: None,
    });
    let account = &world.core.status(world.now).accounts[0];
    assert_eq!(account.state, AccountState::Refused);
    let told = world.core.call(&CallRequest::to("9196"), world.now);
    assert!(matches!(&told, Err(Error::NotReady { .. })), "{told:?}");
    assert!(told.unwrap_err().to_string().contains("Login Incorrect"));
}

#[test]
fn an_account_whose_registration_is_lost_under_a_call_is_not_ready_until_it_is_back() {
    let mut world = World::ready();
    let call = world.answered();
    world.events.clear();
    world.signal(Event::Unregistered(SignalingError::NotRegistered {
        server: "pbx".into(),
        state: "UNREGED".into(),
    }));
    let [told] = &world.events[..] else {
        panic!("{:?}", world.events)
    };
    let EventKind::Account {
        state: AccountState::LoggingIn,
        reason: Some(reason),
        ..
    } = &told.kind
    else {
        panic!("{told:?}")
    };
    assert!(reason.contains("UNREGED"), "{reason}");
    let refused = world.core.call(&CallRequest::to("9197"), world.now);
    assert!(refused.unwrap_err().to_string().contains("UNREGED"));
    // The call that is up can be used as before.
    let [live] = &world.core.calls(world.now)[..] else {
        panic!("one call")
    };
    assert_eq!((&live.call, live.state), (&call, CallState::Active));
    world
        .core
        .hang_up(None, EndOptions::default(), world.now)
        .unwrap();
    world.signal(Event::Ready);
    let account = &world.core.status(world.now).accounts[0];
    assert_eq!(
        (account.state, &account.reason),
        (AccountState::Ready, &None)
    );
}

#[test]
fn another_try_begins_with_another_look_into_the_password_file() {
    let mut world = World::ready();
    world.core.retry(None).unwrap();
    assert_eq!(world.commands(), [Command::Retry]);

    let mut world = World::with_password_file();
    world.core.retry(None).unwrap();
    assert_eq!(world.commands(), []);
    assert_eq!(world.password_reads, 1);
    let login = Login::Password {
        user: "1000".into(),
        password: Secret::new("better"),
    };
    let (desk, now) = (AccountKey(0), world.now);
    world.core.password(desk, Ok(login.clone()), true, now);
    assert_eq!(
        world.commands(),
        [Command::Login(login.clone()), Command::Retry]
    );
    // A change of the file alone brings the new password.
    world.core.password(desk, Ok(login.clone()), false, now);
    assert_eq!(world.commands(), [Command::Login(login)]);
    // A file that cannot be used is told, and the password before stays.
    let fault = "the file is readable by everybody".to_owned();
    world.core.password(desk, Err(fault.clone()), true, now);
    assert_eq!(world.commands(), [Command::Retry]);
    let told = world.events.last().expect("an event");
    assert!(
        matches!(&told.kind, EventKind::RequestFailed { reason, .. } if *reason == fault),
        "{told:?}"
    );
}

#[test]
fn two_accounts_whose_tokens_are_for_one_subject_are_told_of_each_other() {
    let accounts = ["desk", "door", "gate"];
    let config = CoreConfig {
        accounts: accounts.iter().map(|name| World::profile(name)).collect(),
        max_calls: 10,
        dtmf: None,
        ringback: None,
        preferred_codecs: Vec::new(),
    };
    let now = World::ready().now;
    let mut core = Core::new(config, [7; 32], now);
    // Claims {"sub":"cred-1"} twice, the second with another `jti`, and {"sub":"cred-2"}.
    let tokens = [
        "e30.eyJzdWIiOiJjcmVkLTEifQ.s",
        "e30.eyJzdWIiOiJjcmVkLTEiLCJqdGkiOiIyIn0.s",
        "e30.eyJzdWIiOiJjcmVkLTIifQ.s",
    ];
    for (index, token) in tokens.into_iter().enumerate() {
        core.fetched(AccountKey(index), Ok(Secret::new(token)), now);
        core.on_signaling(AccountKey(index), Event::Ready, now);
    }
    let mut told = Vec::new();
    loop {
        match core.poll() {
            Output::Event(event) => {
                if let EventKind::RegistrationConflict { detail } = event.kind {
                    told.push((event.account.to_string(), detail));
                }
            }
            Output::Wait(_) => break,
            _ => {}
        }
    }
    let names: Vec<_> = told.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["door", "desk"]);
    assert!(
        told[0].1.contains("`desk`") && told[1].1.contains("`door`"),
        "{told:?}"
    );
}

#[test]
fn what_a_registrar_says_of_others_and_of_push_stands_in_the_status() {
    let mut world = World::ready();
    let mut told = |server: &str, others: &[&str], push| {
        world.signal(Event::Registered {
            server: server.to_owned(),
            others: others.iter().map(|other| (*other).to_owned()).collect(),
            push,
        });
        let account = world.core.status(world.now).accounts.remove(0);
        (account.other_devices.join(" "), account.push)
    };
    assert_eq!(
        told("wss://a", &["sip:b@2", "sip:b@1"], true),
        ("sip:b@1 sip:b@2".to_owned(), true)
    );
    // Another edge of the same registrar tells of the same.
    assert_eq!(
        told("wss://b", &["sip:b@1"], false),
        ("sip:b@1 sip:b@2".to_owned(), true)
    );
    assert_eq!(told("wss://a", &[], false), ("sip:b@1".to_owned(), false));
}

fn refused(method: &'static str) -> SignalingError {
    SignalingError::Refused {
        server: "sip.example.com".into(),
        setting: None,
        method,
        code: Some(503),
        reason: "Service Unavailable".into(),
    }
}

/// The reason of the status, and all that was told since the last time.
fn told(world: &mut World) -> (Option<String>, Vec<EventKind>) {
    let account = world.core.status(world.now).accounts[0].clone();
    assert_eq!(account.state, AccountState::Ready);
    let events = world.events.drain(..).map(|event| event.kind);
    (account.reason, events.collect())
}

#[test]
fn what_is_not_watched_or_shown_for_now_is_told_and_is_no_trouble_of_the_account() {
    let mut world = World::at_sip_server();
    world.events.clear();
    for method in ["SUBSCRIBE", "PUBLISH"] {
        world.signal(Event::Postponed(refused(method)));
        let (trouble, events) = told(&mut world);
        assert_eq!(trouble, None);
        let [
            EventKind::RequestFailed {
                reason,
                remedy: Some(remedy),
            },
        ] = &events[..]
        else {
            panic!("{events:?}")
        };
        assert!(
            reason.contains(method) && reason.contains("503"),
            "{reason}"
        );
        assert!(remedy.contains("by itself"), "{remedy}");
    }
}

#[test]
fn a_registration_that_holds_while_its_refresh_is_refused_is_a_trouble_until_it_is_taken_again() {
    let mut world = World::at_sip_server();
    world.events.clear();
    world.signal(Event::Failed(refused("REGISTER")));
    let (trouble, events) = told(&mut world);
    assert!(trouble.unwrap().contains("REGISTER"));
    assert!(
        matches!(&events[..], [EventKind::RequestFailed { reason, .. }] if reason.contains("503")),
        "{events:?}"
    );
    world.signal(Event::RegisteredAgain);
    let (trouble, events) = told(&mut world);
    assert_eq!(trouble, None);
    assert!(
        matches!(
            &events[..],
            [EventKind::Account {
                state: AccountState::Ready,
                reason: None,
                ..
            }]
        ),
        "{events:?}"
    );
    world.signal(Event::RegisteredAgain);
    assert_eq!(told(&mut world), (None, vec![]), "no news");
}

#[test]
fn channels_may_be_asked_for_before_the_account_is_ready() {
    let mut world = World::new(offhook_engine::request::Dtmf::Info, 10);
    let names = || vec!["presence:bob@example.com".to_owned()];
    world.core.watch(None, names(), true).unwrap();
    world.core.watch(None, names(), false).unwrap();
    let (channels, again) = (names(), names());
    assert_eq!(
        world.commands(),
        [
            Command::Subscribe { channels },
            Command::Unsubscribe { channels: again }
        ]
    );
    world.signal(Event::Stopped);
    let late = world.core.watch(None, names(), true);
    assert!(matches!(late, Err(Error::NotReady { .. })), "{late:?}");
}

#[test]
fn channels_of_the_configuration_are_watched_from_the_beginning() {
    let mut profile = World::profile("desk");
    profile.watch = vec![
        "dialog:bob@example.com".to_owned(),
        "message-summary".to_owned(),
    ];
    let channels = profile.watch.clone();
    let config = CoreConfig {
        accounts: vec![World::profile("other"), profile],
        max_calls: 1,
        dtmf: None,
        ringback: None,
        preferred_codecs: Vec::new(),
    };
    let mut core = Core::new(config, [7; 32], World::ready().now);
    let first = core.poll();
    let wish = Command::Subscribe { channels };
    assert!(
        matches!(&first, Output::Signaling(AccountKey(1), command) if *command == wish),
        "{first:?}"
    );
}

#[test]
fn messages_that_make_no_sense_stand_in_the_status() {
    let mut world = World::at_sip_server();
    let count = |world: &World| world.core.status(world.now).accounts[0].malformed;
    assert_eq!(count(&world), 0);
    world.core.note_malformed(AccountKey(0), 3);
    assert_eq!(count(&world), 3);
}
