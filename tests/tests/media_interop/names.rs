//! A browser that hides its addresses behind names, on another machine of the same link.

use std::net::Ipv4Addr;
use std::time::{Duration, Instant};

use offhook_media::ice::candidate::CandidateType;
use offhook_media::program::AudioCodec;
use offhook_media::sdp::extras::Readiness;
use offhook_tests::far_end::{FarEnd, Plan};
use offhook_tests::namespace::Namespace;
use offhook_tests::near_end::NearEnd;
use offhook_tests::skip;

const OURS: f64 = 440.0;
const THEIRS: f64 = 660.0;
const PATIENCE: Duration = Duration::from_secs(30);

const DESK: Ipv4Addr = Ipv4Addr::new(10, 79, 0, 1);
const BROWSER: Ipv4Addr = Ipv4Addr::new(10, 79, 0, 2);

/// The desk lets in answers alone, so that no check of the browser's tells where it is: only its name does.
const ANSWERS_ONLY: &str = r"table ip door {
    chain entry {
        type filter hook input priority filter; policy accept;
        ip saddr 10.79.0.2 udp sport != 5353 ct state new drop
    }
}
";

/// Chromium looks once for links that work, when it begins to answer to names.
fn wait_for_link(machine: &Namespace) {
    let asked = Instant::now();
    loop {
        let state = machine
            .command()
            .args(["cat", "/sys/class/net/cable/operstate"])
            .output();
        if state.expect("`cat` can be run").stdout == b"up\n" {
            return;
        }
        assert!(asked.elapsed() < PATIENCE, "no link");
        std::thread::park_timeout(Duration::from_millis(20));
    }
}

#[test]
fn a_browser_behind_a_name_is_found_by_it_and_both_hear() {
    if !skip::have(&["ip", "nft", "node", "chromium"]) || !skip::may_make_networks() {
        return;
    }
    let desk = Namespace::new("desk");
    let machine = Namespace::new("browser");
    let [here, there] = [DESK, BROWSER].map(|address| format!("{address}/24"));
    desk.cable(("cable", &here), &machine, ("cable", &there));
    // Who may not see the machine's addresses is given the one by which it reaches others.
    machine.default_route(&DESK.to_string());
    desk.nft(ANSWERS_ONLY);
    wait_for_link(&machine);
    let mut far = FarEnd::chromium_behind_names(&machine);
    for far_offers in [false, true] {
        let mut near = desk.inside(|| {
            NearEnd::open_at(DESK, OURS, |config| {
                config.mdns = true;
                config.codecs = vec![AudioCodec::Opus];
                config.extras.comfort_noise = Readiness::Never;
            })
        });
        far.open(&Plan {
            hertz: THEIRS,
            trickle: false,
            relay: None,
            more_than_sound: false,
        });
        let told = if far_offers {
            let offer = far.offer();
            far.accept(&near.answer(offer.clone()));
            offer
        } else {
            let answer = far.answer(&near.offer());
            near.accept(answer.clone());
            answer
        };
        let hides = |line: &str| line.starts_with("a=candidate:") && line.contains(".local ");
        assert!(told.lines().any(hides), "{told}");
        assert!(!told.contains(&BROWSER.to_string()), "{told}");
        let asked = Instant::now();
        while near.paths() == 0 {
            assert!(asked.elapsed() < PATIENCE, "no path");
            std::thread::park_timeout(Duration::from_millis(5));
        }
        assert_eq!(
            near.path,
            Some((CandidateType::Host, CandidateType::Host)),
            "far offers: {far_offers}"
        );
        far.hears(OURS);
        near.hears(THEIRS);
    }
}
