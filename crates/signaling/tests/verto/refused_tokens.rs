//! New credentials that the server refuses, while older ones are still good.

use offhook_signaling::auth::login::Login;
use offhook_signaling::command::Command;
use offhook_signaling::event::{DisconnectCause, Event};
use serde_json::{Value, json};

use crate::story::{Story, config, password};
use crate::tokens::{
    HOUR, living, pass, pass_refusing, seconds, wanted, with_source, without_source,
};
use offhook_signaling::verto::dialect::freeswitch::FREESWITCH;

fn token_of(login: &Login) -> &str {
    let Login::Token { token } = login else {
        panic!("no token")
    };
    token.expose()
}

/// The next login that is sent, on a socket that is opened for it; it names this token.
fn log_in_with(story: &mut Story, login: &Login) -> Value {
    story.until(seconds(60), |event| {
        matches!(event, Event::Connecting { .. })
    });
    story.opened();
    let sent = story.take_sent("login");
    assert_eq!(sent["params"]["login_token"], token_of(login));
    sent
}

fn accept(story: &mut Story, login: &Value) {
    story.reply(login, json!({"message": "logged in", "sessid": "s-1"}));
    story.client_ready(&[]);
    story.register();
    story.until(seconds(1), |event| *event == Event::Ready);
}

#[test]
fn a_token_refused_on_the_live_socket_leaves_the_old_one_in_force() {
    let (old, bad) = (living(24 * HOUR), living(48 * HOUR));
    let mut story = Story::with(with_source(old.clone())).ready();
    story.answered("c-1");
    story.command(Command::Login(bad));
    let login = story.take_sent("login");
    story.refuse(&login, -32001, "Login Incorrect");
    assert!(matches!(story.event(), Event::LoginFailed(_)));
    story.nothing_told();
    // Whatever happens to the socket now, the old one opens the next.
    story.closed();
    let login = log_in_with(&mut story, &old);
    accept(&mut story, &login);
    // And its own end is what counts.
    let events = pass(&mut story, seconds(24 * HOUR));
    let first = wanted(&events)[0];
    assert!(first < seconds(23 * HOUR), "{first:?}");
}

#[test]
fn a_token_refused_at_the_next_connection_gives_way_to_the_old_one_once() {
    let (old, bad) = (living(24 * HOUR), living(48 * HOUR));
    let mut story = Story::with(without_source(old.clone())).ready();
    story.command(Command::Login(bad.clone()));
    story.take_sent("login");
    story.closed();
    let login = log_in_with(&mut story, &bad);
    story.refuse(&login, -32001, "Login Incorrect");
    let login = log_in_with(&mut story, &old);
    story.refuse(&login, -32001, "Login Incorrect");
    // Neither is any good: this is a refused login like any other.
    let event = story.until(seconds(1), |event| {
        matches!(event, Event::Disconnected { .. })
    });
    let Event::Disconnected {
        cause: DisconnectCause::LoginRefused,
        retry_in: Some(rest),
    } = event
    else {
        panic!("{event:?}")
    };
    assert!(rest > seconds(60), "{rest:?}");
}

#[test]
fn a_token_that_has_ended_is_not_fallen_back_on() {
    let (old, bad) = (living(HOUR), living(48 * HOUR));
    let mut story = Story::with(without_source(old)).ready();
    pass(&mut story, seconds(HOUR + 60));
    story.command(Command::Login(bad.clone()));
    let login = story.take_sent("login");
    story.refuse(&login, -32001, "Login Incorrect");
    story.closed();
    log_in_with(&mut story, &bad);
}

#[test]
fn a_refused_password_leaves_the_old_one_in_force() {
    let mut story = Story::with(config(FREESWITCH, password())).ready();
    let bad = Login::Password {
        user: "1000".into(),
        password: offhook_signaling::secret::Secret::new("typo"),
    };
    story.command(Command::Login(bad));
    let login = story.take_sent("login");
    assert_eq!(login["params"]["passwd"], "typo");
    story.refuse(&login, -32001, "Authentication Failure");
    story.closed();
    story.until(seconds(60), |event| {
        matches!(event, Event::Connecting { .. })
    });
    story.opened();
    assert_eq!(story.take_sent("login")["params"]["passwd"], "hunter2");
}

#[test]
fn a_source_whose_tokens_are_all_refused_is_asked_less_and_less_often() {
    for same in [false, true] {
        let mut story = Story::with(with_source(living(24 * HOUR))).ready();
        let (mut logins, mut asked) = (0, 0);
        story.command(Command::Login(living(25 * HOUR)));
        while story.elapsed() < seconds(2 * HOUR) {
            let events = pass_refusing(&mut story, seconds(5), |_| {
                logins += 1;
                true
            });
            for _ in wanted(&events) {
                asked += 1;
                let mark = if same { 0 } else { asked };
                story.command(Command::Login(living(26 * HOUR + mark)));
            }
            assert!(
                !events
                    .iter()
                    .any(|(_, event)| matches!(event, Event::Disconnected { .. }))
            );
        }
        assert!((20..=70).contains(&asked), "asked {asked} times");
        // One that is young gets a second chance, and no third.
        assert!(logins <= if same { 4 } else { 70 }, "{logins} logins");
    }
}
