//! The life of a token: renewed in time, warned of, over, and healed.

use std::time::{Duration, SystemTime};

use base64::Engine as _;
use base64::engine::general_purpose::{URL_SAFE, URL_SAFE_NO_PAD};
use offhook_signaling::auth::login::Login;
use offhook_signaling::auth::refresh::TokenRefresh;
use offhook_signaling::command::Command;
use offhook_signaling::error::Error;
use offhook_signaling::event::{DisconnectCause, Event, TokenWantedReason};
use offhook_signaling::secret::Secret;
use offhook_signaling::session::Input;
use offhook_signaling::verto::dialect::freeswitch::FREESWITCH;
use offhook_signaling::verto::dialect::telnyx::TELNYX;
use offhook_signaling::verto::session::Config;
use serde_json::{Value, json};

use crate::story::{Story, config, password};

pub(crate) const START: u64 = 1_800_000_000;
pub(crate) const HOUR: u64 = 3600;

pub(crate) fn wall(second: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(second)
}

pub(crate) fn token(claims: Value) -> Login {
    let claims = URL_SAFE_NO_PAD.encode(claims.to_string());
    Login::Token {
        token: Secret::new(format!("e30.{claims}.c2ln")),
    }
}

pub(crate) fn living(seconds: u64) -> Login {
    token(json!({"exp": START + seconds}))
}

pub(crate) fn with_source(login: Login) -> Config {
    Config {
        token_refresh: Some(TokenRefresh::default()),
        ..without_source(login)
    }
}

pub(crate) fn without_source(login: Login) -> Config {
    Config {
        wall_clock: Some(wall(START)),
        ..config(TELNYX, login)
    }
}

/// Lets time pass on a ready session whose server answers everything; gives back the events that are about tokens.
pub(crate) fn pass(story: &mut Story, span: Duration) -> Vec<(Duration, Event)> {
    pass_refusing(story, span, |_| false)
}

/// The same with a server that refuses some logins.
pub(crate) fn pass_refusing(
    story: &mut Story,
    span: Duration,
    mut refused: impl FnMut(&Value) -> bool,
) -> Vec<(Duration, Event)> {
    let end = story.now + span;
    let mut told = Vec::new();
    loop {
        while let Some(frame) = story.sent.pop_front() {
            match frame["method"].as_str() {
                Some("login") if refused(&frame) => {
                    story.refuse(&frame, -32001, "Login Incorrect");
                }
                Some("login") => {
                    story.reply(&frame, json!({"message": "logged in", "sessid": "s-1"}))
                }
                Some("telnyx_rtc.gatewayState") => {
                    story.reply(&frame, json!({"params": {"state": "REGED"}}));
                }
                Some(_) => story.reply(&frame, json!({})),
                None => {}
            }
        }
        let at = story.elapsed();
        told.extend(story.events.drain(..).map(|event| (at, event)));
        match story.wait {
            Some((at, _)) if at <= end => drop(story.next_deadline()),
            _ => break,
        }
    }
    story.now = end;
    told
}

pub(crate) fn wanted(events: &[(Duration, Event)]) -> Vec<Duration> {
    let wanted = events
        .iter()
        .filter(|(_, event)| matches!(event, Event::TokenWanted { .. }));
    wanted.map(|(at, _)| *at).collect()
}

pub(crate) fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

#[test]
fn a_token_is_renewed_an_hour_before_its_end_and_the_calls_go_on() {
    let mut story = Story::with(with_source(living(24 * HOUR))).ready();
    story.answered("c-1");
    let events = pass(&mut story, seconds(24 * HOUR));
    let first = wanted(&events)[0];
    assert!(
        first <= seconds(23 * HOUR) && first > seconds(23 * HOUR - 361),
        "{first:?}"
    );
    let Some((
        _,
        Event::TokenWanted {
            reason: TokenWantedReason::Refresh { left },
        },
    )) = events
        .iter()
        .find(|(_, event)| matches!(event, Event::TokenWanted { .. }))
    else {
        panic!()
    };
    assert_eq!(*left + first, seconds(24 * HOUR));

    let mut story = Story::with(with_source(living(24 * HOUR))).ready();
    story.answered("c-1");
    pass(&mut story, first + seconds(1));
    story.command(Command::Login(living(48 * HOUR)));
    let login = story.take_sent("login");
    assert_eq!(login["params"]["reconnection"], true);
    story.reply(&login, json!({"message": "logged in", "sessid": "s-2"}));
    // Whatever the list says: the socket stayed up, so no call is gone.
    story.client_ready(&[]);
    let events = pass(&mut story, seconds(20 * HOUR));
    let bad = events.iter().find(|(_, event)| {
        matches!(
            event,
            Event::Ended { .. }
                | Event::Disconnected { .. }
                | Event::Ready
                | Event::TokenExpiringSoon { .. }
        )
    });
    assert_eq!(bad, None);
}

#[test]
fn a_token_that_lives_an_hour_is_renewed_at_its_half() {
    let mut story = Story::with(with_source(living(HOUR))).ready();
    let asked = wanted(&pass(&mut story, seconds(HOUR / 2)))[0];
    assert!(asked >= seconds(27 * 60), "{asked:?}");
}

#[test]
fn without_a_source_the_user_is_warned_three_times_and_told_the_end() {
    let mut story = Story::with(without_source(living(2 * HOUR))).ready();
    let events = pass(&mut story, seconds(3 * HOUR));
    let mut warned = Vec::new();
    for (at, event) in &events {
        if let Event::TokenExpiringSoon { left } = event {
            assert_eq!(*at + *left, seconds(2 * HOUR));
            warned.push(*left);
        }
    }
    assert_eq!(warned, [seconds(3600), seconds(600), seconds(120)]);
    let (at, _) = events
        .iter()
        .find(|(_, event)| *event == Event::TokenExpired)
        .unwrap();
    assert_eq!(*at, seconds(2 * HOUR));
    // A fresh one heals it where it stands.
    story.command(Command::Login(living(9 * HOUR)));
    let login = story.take_sent("login");
    story.reply(&login, json!({"message": "logged in", "sessid": "s-1"}));
    let events = pass(&mut story, seconds(60));
    assert!(
        events
            .iter()
            .all(|(_, event)| !matches!(event, Event::Disconnected { .. }))
    );
}

#[test]
fn a_token_that_ends_soon_is_warned_of_at_once_when_nobody_can_renew_it() {
    let story = Story::with(without_source(living(300)));
    let warned = Event::TokenExpiringSoon { left: seconds(300) };
    assert_eq!(story.events.front(), Some(&warned));
    let story = Story::with(with_source(living(300)));
    assert_ne!(story.events.front(), Some(&warned));
}

#[test]
fn a_failing_source_is_asked_less_and_less_often_and_told_of() {
    let mut story = Story::with(with_source(living(HOUR))).ready();
    let mut asked = Vec::new();
    let mut failed = 0;
    for _ in 0..400 {
        let events = pass(&mut story, seconds(10));
        failed += events
            .iter()
            .filter(|(_, event)| matches!(event, Event::Failed(Error::TokenSource { .. })))
            .count();
        let new = wanted(&events);
        if !new.is_empty() {
            story.command(Command::TokenFailed {
                reason: "token.example answers 503".into(),
                retry_after: None,
            });
        }
        asked.extend(new);
    }
    let gaps: Vec<Duration> = asked.windows(2).map(|pair| pair[1] - pair[0]).collect();
    assert!(gaps.iter().all(|gap| *gap >= seconds(10)), "{gaps:?}");
    assert!(gaps.iter().all(|gap| *gap <= seconds(311)), "{gaps:?}");
    assert!(gaps.last().unwrap() > &seconds(140), "{gaps:?}");
    assert!(failed + 1 >= asked.len());
}

#[test]
fn a_source_that_says_when_it_wants_to_be_asked_again_is_asked_then() {
    let mut story = Story::with(with_source(living(HOUR))).ready();
    let is_wanted = |event: &Event| matches!(event, Event::TokenWanted { .. });
    story.until(seconds(HOUR), is_wanted);
    story.command(Command::TokenFailed {
        reason: "token.example answers 429".into(),
        retry_after: Some(seconds(120)),
    });
    let before = story.elapsed();
    story.until(seconds(140), is_wanted);
    let waited = story.elapsed() - before;
    assert!(
        waited >= seconds(120) && waited <= seconds(132),
        "{waited:?}"
    );
}

#[test]
fn a_source_that_gives_no_answer_or_the_same_token_has_failed() {
    let mut story = Story::with(with_source(living(HOUR))).ready();
    story.until(seconds(HOUR), |event| {
        matches!(event, Event::TokenWanted { .. })
    });
    story.sent.clear();
    story.command(Command::Login(living(HOUR)));
    story.nothing_sent();
    assert!(matches!(
        story.event(),
        Event::Failed(Error::TokenSource { .. })
    ));
    pass(&mut story, seconds(12));
    let events = pass(&mut story, seconds(61));
    assert!(
        events
            .iter()
            .any(|(_, event)| matches!(event, Event::Failed(Error::TokenSource { .. })))
    );
}

#[test]
fn rubbish_from_the_source_never_replaces_what_works() {
    let mut story = Story::with(with_source(living(HOUR))).ready();
    story.until(seconds(HOUR), |event| {
        matches!(event, Event::TokenWanted { .. })
    });
    story.sent.clear();
    for rubbish in ["a.b", "a.b.c.d", "", "KEY0123"] {
        story.command(Command::Login(Login::Token {
            token: Secret::new(rubbish),
        }));
        story.nothing_sent();
        let event = story.until(seconds(400), |event| matches!(event, Event::LoginFailed(_)));
        assert!(matches!(
            event,
            Event::LoginFailed(Error::TokenMalformed { .. })
        ));
    }
}

#[test]
fn the_first_token_may_come_from_the_source_and_a_dead_source_is_no_end() {
    let empty = Login::Token {
        token: Secret::new(""),
    };
    let mut story = Story::with(with_source(empty));
    let missing = Event::TokenWanted {
        reason: TokenWantedReason::Missing,
    };
    assert_eq!(story.event(), missing);
    story.command(Command::TokenFailed {
        reason: "no such file".into(),
        retry_after: None,
    });
    assert!(matches!(
        story.event(),
        Event::Failed(Error::TokenSource { .. })
    ));
    assert_eq!(story.until(seconds(15), |_| true), missing);
    story.command(Command::Login(living(HOUR)));
    assert_eq!(story.connects.len(), 1);
    story.ready();
}

#[test]
fn an_ended_token_is_replaced_before_the_next_connection() {
    let mut story = Story::with(with_source(living(HOUR))).ready();
    story.closed();
    story.events.clear();
    story.connects.clear();
    // No network for two hours.
    for _ in 0..300 {
        story.pass(seconds(30));
        story.input(Input::Failed(offhook_signaling::session::ConnectFailure {
            stage: "DNS".into(),
            text: "no network".into(),
            remedy: None,
            retry_after: None,
        }));
    }
    let last = story.connects.len();
    story.pass(seconds(600));
    assert_eq!(story.connects.len(), last, "it tried with an ended token");
    story.events.clear();
    story.until(seconds(600), |event| {
        *event
            == Event::TokenWanted {
                reason: TokenWantedReason::Expired,
            }
    });
    story.command(Command::Login(living(9 * HOUR)));
    assert_eq!(story.connects.len(), last + 1);
}

#[test]
fn our_wrong_clock_is_mended_by_the_servers() {
    // Our clock is five minutes ahead of the server's: by it the token ends five minutes too early.
    let mut story = Story::with(without_source(living(2 * HOUR)));
    story.input(Input::ServerDate(wall(START - 300)));
    let mut story = story.ready();
    let events = pass(&mut story, seconds(3 * HOUR));
    let (at, _) = events
        .iter()
        .find(|(_, event)| *event == Event::TokenExpired)
        .unwrap();
    assert_eq!(*at, seconds(2 * HOUR + 300));
}

#[test]
fn a_server_that_takes_a_token_which_ended_by_our_clock_is_believed() {
    let mut story = Story::with(with_source(token(json!({"exp": START - 900}))));
    assert_eq!(
        story.event(),
        Event::TokenWanted {
            reason: TokenWantedReason::Expired
        }
    );
    // The source's own is no younger: then it is our clock that is wrong.
    story.command(Command::Login(token(json!({"exp": START - 800}))));
    let mut story = story.ready();
    let events = pass(&mut story, seconds(HOUR));
    assert_eq!(wanted(&events), [Duration::ZERO; 0]);
}

#[test]
fn tokens_without_an_end_or_with_one_beyond_all_timers_are_lived_with() {
    for claims in [
        json!({}),
        json!({"exp": START + 400 * 24 * HOUR}),
        json!({"exp": 999_999_999_999_999u64}),
        json!({"exp": "soon"}),
    ] {
        let mut story = Story::with(with_source(token(claims))).ready();
        let events = pass(&mut story, seconds(26 * 24 * HOUR / 24));
        assert_eq!(wanted(&events), [Duration::ZERO; 0]);
    }
    let padded = URL_SAFE.encode(json!({"exp": START + 2 * HOUR, "a": "~~??"}).to_string());
    let token = Login::Token {
        token: Secret::new(format!("e30.{padded}.c2ln")),
    };
    let mut story = Story::with(without_source(token)).ready();
    let events = pass(&mut story, seconds(2 * HOUR + 1));
    assert!(
        events
            .iter()
            .any(|(_, event)| *event == Event::TokenExpired)
    );
}

#[test]
fn a_refused_login_gets_one_fresh_token_and_then_rests() {
    let mut story = Story::with(with_source(living(24 * HOUR)));
    story.opened();
    let login = story.take_sent("login");
    story.events.clear();
    story.refuse(&login, -32001, "Login Incorrect");
    assert!(matches!(
        story.event(),
        Event::LoginFailed(Error::LoginRejected { .. })
    ));
    assert!(matches!(
        story.event(),
        Event::Disconnected { cause: DisconnectCause::LoginRefused, retry_in: Some(rest) } if rest == seconds(900)
    ));
    assert_eq!(
        story.event(),
        Event::TokenWanted {
            reason: TokenWantedReason::Refused
        }
    );
    story.command(Command::Login(living(25 * HOUR)));
    assert_eq!(story.connects.len(), 2);
    story.opened();
    let login = story.take_sent("login");
    story.refuse(&login, -32000, "Authentication Required");
    story.events.clear();
    // Handed in a moment ago: it may not be known everywhere yet.
    story.pass(seconds(11));
    assert_eq!(story.connects.len(), 3);
    story.opened();
    let login = story.take_sent("login");
    story.events.clear();
    story.refuse(&login, -32001, "Login Incorrect");
    story.pass(seconds(850));
    assert_eq!(story.connects.len(), 3);
    assert!(
        !story
            .events
            .iter()
            .any(|event| matches!(event, Event::TokenWanted { .. }))
    );
    story.events.clear();
    story.until(seconds(3600), |event| {
        matches!(event, Event::Connecting { .. })
    });
    assert_eq!(story.connects.len(), 4);
}

#[test]
fn with_a_rest_of_zero_a_refused_login_waits_for_a_command() {
    let mut config = config(FREESWITCH, password());
    config.timers.refused = Duration::ZERO;
    let mut story = Story::with(config);
    story.opened();
    let login = story.take_sent("login");
    story.refuse(&login, -32001, "Authentication Failure");
    assert_eq!(
        story.until(seconds(1), |event| matches!(
            event,
            Event::Disconnected { .. }
        )),
        Event::Disconnected {
            cause: DisconnectCause::LoginRefused,
            retry_in: None
        }
    );
    assert_eq!(story.wait, None);
    story.command(Command::Retry);
    assert_eq!(story.connects.len(), 2);
}

#[test]
fn a_token_that_is_not_yet_good_is_tried_again_when_it_is() {
    let login = token(json!({"exp": START + HOUR, "nbf": START + 40}));
    let mut story = Story::with(without_source(login));
    story.opened();
    let login = story.take_sent("login");
    story.events.clear();
    story.refuse(&login, -32001, "Login Incorrect");
    assert!(matches!(
        story.event(),
        Event::LoginFailed(Error::TokenNotYetValid { .. })
    ));
    story.pass(seconds(42));
    assert_eq!(story.connects.len(), 2);
}

#[test]
fn freeswitch_logins_with_an_end_are_renewed_on_the_live_socket_once() {
    let login = Config {
        wall_clock: Some(wall(START)),
        ..config(FREESWITCH, password())
    };
    let mut story = Story::with(login);
    story.opened();
    let login = story.take_sent("login");
    let end = START + 600;
    story.reply(
        &login,
        json!({"message": "logged in", "sessid": "s", "auth-expires": end}),
    );
    story.client_ready(&[]);
    story.events.clear();
    let mut logins = 0;
    let until = story.now + seconds(900);
    while let Some((at, _)) = story.wait.filter(|(at, _)| *at <= until) {
        story.now = at;
        story.input(Input::Timeout);
        while let Some(frame) = story.sent.pop_front() {
            let renewed = frame["method"] == "login";
            if renewed {
                logins += 1;
                assert_eq!(story.elapsed(), seconds(540));
            }
            let result =
                json!({"message": if renewed { "logged in" } else { "PONG" }, "auth-expires": end});
            story.reply(&frame, result);
        }
    }
    assert_eq!(logins, 1);
}

#[test]
fn seventy_two_hours_of_tokens_leave_no_gap() {
    // The clock is five minutes off and nobody says so; one refresh in ten fails, and every second login is refused.
    let mut story =
        Story::with(with_source(token(json!({"exp": START + 24 * HOUR - 300})))).ready();
    story.answered("c-1");
    let (mut asked, mut expires, mut offered) = (0, 24 * HOUR, 0);
    let (mut logins, mut refusals) = (0, 0);
    while story.elapsed() < seconds(72 * HOUR) {
        let refused = |_: &Value| {
            logins += 1;
            logins % 2 == 1
        };
        for (_, event) in pass_refusing(&mut story, seconds(60), refused) {
            refusals += usize::from(matches!(event, Event::LoginFailed(_)));
            if matches!(event, Event::LoggedIn { .. }) {
                expires = offered;
            }
            let bad = matches!(
                event,
                Event::Ended { .. }
                    | Event::Disconnected { .. }
                    | Event::TokenExpired
                    | Event::Ready
            );
            assert!(!bad, "{event:?}");
            if !matches!(event, Event::TokenWanted { .. }) {
                continue;
            }
            asked += 1;
            if asked % 10 == 1 {
                story.command(Command::TokenFailed {
                    reason: "503".into(),
                    retry_after: None,
                });
                continue;
            }
            offered = story.elapsed().as_secs() + 24 * HOUR;
            let exp = START + offered - 300;
            story.command(Command::Login(token(json!({"exp": exp}))));
        }
        assert!(story.elapsed().as_secs() < expires);
    }
    assert!(asked >= 4, "{asked}");
    assert!(refusals >= 2, "{refusals} logins were refused");
}

#[test]
fn a_question_that_waits_for_its_turn_is_no_fault_of_the_source() {
    let mut story = Story::with(with_source(living(HOUR))).ready();
    story.until(seconds(HOUR), |event| {
        matches!(event, Event::TokenWanted { .. })
    });
    let failed = |events: &[(Duration, Event)]| {
        let failed = |(_, event): &_| matches!(event, Event::Failed(Error::TokenSource { .. }));
        events.iter().any(failed)
    };
    story.input(Input::TokenDeferred);
    assert!(!failed(&pass(&mut story, seconds(90))));
    story.input(Input::TokenAsked);
    assert!(!failed(&pass(&mut story, seconds(59))));
    assert!(failed(&pass(&mut story, seconds(2))));
}
