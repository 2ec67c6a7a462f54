//! Ends of logins that only the server names (`auth-expires`), for tokens that have none or a later one.

use offhook_signaling::auth::login::Login;
use offhook_signaling::command::Command;
use offhook_signaling::event::{Event, TokenWantedReason};
use serde_json::json;

use crate::story::Story;
use crate::tokens::{
    HOUR, START, living, pass, seconds, token, wanted, with_source, without_source,
};

/// A session with this login, which its server says ends at that second.
fn ends(config: offhook_signaling::verto::session::Config, end: u64) -> Story {
    let mut story = Story::with(config);
    story.opened();
    let login = story.take_sent("login");
    story.reply(
        &login,
        json!({"message": "logged in", "sessid": "s-1", "auth-expires": end}),
    );
    story.client_ready(&[]);
    story.register();
    story
}

fn endless() -> Login {
    token(json!({"sub": "kiosk"}))
}

#[test]
fn a_token_is_renewed_before_the_end_that_the_server_names() {
    for login in [endless(), living(72 * HOUR)] {
        let mut story = ends(with_source(login), START + 24 * HOUR);
        let events = pass(&mut story, seconds(24 * HOUR - 1));
        let first = wanted(&events)[0];
        assert!(
            first <= seconds(23 * HOUR) && first > seconds(23 * HOUR - 361),
            "{first:?}"
        );
    }
    // Its own end counts where that is earlier.
    let mut story = ends(with_source(living(24 * HOUR)), START + 72 * HOUR);
    let first = wanted(&pass(&mut story, seconds(24 * HOUR)))[0];
    assert!(first <= seconds(23 * HOUR), "{first:?}");
}

#[test]
fn who_has_no_source_is_warned_of_the_end_that_the_server_names() {
    for login in [endless(), living(72 * HOUR)] {
        let mut story = ends(without_source(login), START + 2 * HOUR);
        let events = pass(&mut story, seconds(3 * HOUR));
        let mut warned = Vec::new();
        for (at, event) in &events {
            if let Event::TokenExpiringSoon { left } = event {
                assert_eq!(*at + *left, seconds(2 * HOUR));
                warned.push(*left);
            }
        }
        assert_eq!(warned, [seconds(3600), seconds(600), seconds(120)]);
        let over = events
            .iter()
            .find(|(_, event)| *event == Event::TokenExpired);
        assert_eq!(over.map(|(at, _)| *at), Some(seconds(2 * HOUR)));
    }
    let story = ends(without_source(endless()), START + 300);
    let warned = Event::TokenExpiringSoon { left: seconds(300) };
    assert!(story.events.contains(&warned), "{:?}", story.events);
}

#[test]
fn an_end_that_no_new_token_moves_is_warned_of_and_the_source_is_left_alone() {
    let end = START + 4 * HOUR;
    let mut story = ends(with_source(living(24 * HOUR)), end);
    let (mut asked, mut warned, mut over) = (0, 0, 0);
    while story.elapsed() < seconds(6 * HOUR) {
        let events = pass(&mut story, seconds(30));
        for (_, event) in events {
            warned += usize::from(matches!(event, Event::TokenExpiringSoon { .. }));
            over += usize::from(event == Event::TokenExpired);
            let bad = matches!(
                event,
                Event::Disconnected { .. } | Event::LoginFailed(_) | Event::Failed(_)
            );
            assert!(!bad, "{event:?}");
            if let Event::TokenWanted { reason } = event {
                asked += 1;
                let renewal = matches!(
                    reason,
                    TokenWantedReason::Refresh { .. } | TokenWantedReason::Expired
                );
                assert!(renewal, "{reason:?}");
                story.command(Command::Login(living(24 * HOUR + asked)));
                let login = story.take_sent("login");
                story.reply(
                    &login,
                    json!({"message": "logged in", "sessid": "s-1", "auth-expires": end}),
                );
            }
        }
    }
    assert_eq!((warned, over), (3, 1));
    assert!((1..=3).contains(&asked), "asked {asked} times");
}
