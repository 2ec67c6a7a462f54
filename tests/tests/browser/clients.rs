//! Both browser clients with a password: the echo, and calls from and to the daemon.

use offhook_tests::browser::{Browser, Client};
use offhook_tests::sandbox::Sandbox;

use crate::world::{Kiosk, TONE, have_browser};

/// A browser client and the dialect that it speaks.
const CLIENTS: [(Client, &str); 2] = [(Client::Telnyx, "telnyx"), (Client::Vertojs, "freeswitch")];

#[test]
fn a_browser_hears_its_own_voice_and_it_and_the_daemon_call_each_other() {
    if !have_browser() {
        return;
    }
    let mut browser = Browser::start();
    for (client, dialect) in CLIENTS {
        let sandbox = Sandbox::start(&[]);
        let mut kiosk = Kiosk::ready(&sandbox, dialect);
        browser.log_in(client, &sandbox.ready.verto, "demo-2");

        browser.call("9196");
        browser.active();
        browser.hears();
        browser.hangup();

        browser.call("demo-1");
        let call = kiosk.takes_call();
        browser.active();
        browser.hears_tone(TONE);
        kiosk.hears();
        browser.hangup();
        kiosk.ended(&call);

        let call = kiosk.control.call("demo-2");
        browser.active();
        browser.hears_tone(TONE);
        kiosk.hears();
        kiosk.control.hangup(&call);
        kiosk.ended(&call);
        browser.ended();
    }
}
