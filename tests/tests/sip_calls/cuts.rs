//! A connection that is cut for a while, or goes silent, in the middle of a call.

use std::thread;
use std::time::{Duration, Instant};

use offhook_control::notice::{EndedBy, Event};
use offhook_control::reply::{AccountStatus, Done};
use offhook_control::request::{OfCall, Request};
use offhook_tests::cable::Cable;
use offhook_tests::kamailio::Kamailio;

use crate::world::{PATIENCE, Phone, TONE, config_at};

/// The pause between attempts is `backoff_max` at most.
const LONGEST_PAUSE: Duration = Duration::from_secs(2);
/// For a login and its way through the programs, on a machine that does other things too.
const LOGIN: Duration = Duration::from_secs(1);
/// From the first unanswered probe to the word that the server is gone.
const FOUND_WITHIN: Duration = Duration::from_secs(10);

/// Two in a call, one of them by a cable.
struct Scene {
    cable: Cable,
    ann: Phone,
    call: String,
    ben: Phone,
    there: String,
}

impl Scene {
    fn new(servers: &Kamailio, users: [u16; 2]) -> Self {
        let cable = Cable::to(servers.ws_url());
        let mut ann = Phone::launch(config_at(&cable.url(), servers, users[0], TONE, ""));
        let mut ben = Phone::saying(servers, users[1], 1000.0);
        let call = ann.control.call(&users[1].to_string());
        let there = ben.takes_a_call();
        for phone in [&mut ann, &mut ben] {
            phone.saw("sound", |event| matches!(event, Event::FirstRtpReceived));
        }
        Self {
            cable,
            ann,
            call,
            ben,
            there,
        }
    }

    fn goes_on(&mut self) {
        for phone in [&mut self.ann, &mut self.ben] {
            phone.hears_on();
        }
    }

    fn account(&mut self) -> AccountStatus {
        let status = self.ann.control.status();
        status.accounts.into_iter().next().expect("its account")
    }

    /// The cable is whole again. The account is ready at the deadline that its status shows, and the far end has the call.
    fn comes_back(&mut self) {
        let account = self.account();
        let left = account.retry_in_ms.map(Duration::from_millis);
        self.cable.mend();
        let mended = Instant::now();
        self.ann
            .saw("registration", |event| matches!(event, Event::Ready));
        let took = mended.elapsed();
        assert!(left.is_none_or(|left| left <= LONGEST_PAUSE), "{account:?}");
        let most = left.unwrap_or(LONGEST_PAUSE) + LOGIN;
        assert!(
            took <= most,
            "{took:?} after the cable was mended; {account:?}"
        );
        self.ann.saw("the call's return", |event| {
            matches!(event, Event::Recovering { on: false })
        });
        self.goes_on();
    }

    /// Each can hold; the far end hangs up, and each heard the other to the end.
    fn ends(mut self) {
        for phone in [&mut self.ann, &mut self.ben] {
            phone.control.ask::<Done>(&Request::Hold(OfCall::default()));
            phone.saw("hold", |event| matches!(event, Event::Held { on: true }));
            phone
                .control
                .ask::<Done>(&Request::Resume(OfCall::default()));
            phone.saw("its end", |event| {
                matches!(event, Event::Held { on: false })
            });
        }
        self.goes_on();
        self.ben.hangs_up(&self.there);
        let ended = self.ann.control.wait_ended(&self.call, PATIENCE);
        assert_eq!(
            (ended.by, ended.sip_code),
            (EndedBy::Remote, None),
            "{ended:?}"
        );
        assert!(self.ann.heard_last(&self.call, 1000.0), "from the far end");
        assert!(self.ben.heard_last(&self.there, TONE), "by the far end");
    }
}

fn cut_for(servers: &Kamailio, users: [u16; 2], length: Duration) {
    let mut scene = Scene::new(servers, users);
    let cut = Instant::now();
    scene.cable.cut();
    scene.ann.saw("the loss", |event| {
        matches!(event, Event::Recovering { on: true })
    });
    let account = scene.account();
    assert!(
        ["waiting", "connecting"].contains(&account.state.as_str()),
        "{account:?}"
    );
    assert!(account.reason.is_some(), "{account:?}");
    if length >= Duration::from_secs(10) {
        scene.goes_on();
    }
    thread::sleep(length.saturating_sub(cut.elapsed()));
    scene.comes_back();
    scene.ends();
}

#[test]
fn a_socket_that_is_cut_for_1_10_and_40_seconds_takes_no_call_along() {
    let servers = Kamailio::start();
    thread::scope(|scope| {
        for (length, users) in [(1, [1000, 1001]), (10, [1002, 1003]), (40, [1004, 1005])] {
            let servers = &servers;
            scope.spawn(move || cut_for(servers, users, Duration::from_secs(length)));
        }
    });
}

#[test]
fn a_socket_that_is_silent_is_found_and_the_call_goes_on() {
    let servers = Kamailio::start();
    let mut scene = Scene::new(&servers, [1000, 1001]);
    scene.cable.silence();
    scene.goes_on();
    // Probes are 25 s apart.
    scene.ann.control.wait("the loss", PATIENCE * 3, |notice| {
        matches!(notice.event, Event::Recovering { on: true }).then_some(())
    });
    let probed = scene.cable.swallowed_ping().expect("a probe");
    let waited = probed.elapsed();
    assert!(waited <= FOUND_WITHIN, "{waited:?}");
    let account = scene.account();
    let reason = account.reason.clone().unwrap_or_default();
    assert!(reason.contains("does not answer"), "{account:?}");
    scene.comes_back();
    scene.ends();
}
