//! Two daemons behind every kind of NAT, with real servers between them: each pair finds the way that theory says.

mod cell;
mod theory;

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::thread;

use offhook_tests::daemon::Config;
use offhook_tests::figures;
use offhook_tests::internet::{Internet, SECOND, SERVER};
use offhook_tests::kamailio::Kamailio;
use offhook_tests::phone::{Path, Phone};
use offhook_tests::skip;
use offhook_tests::turn_server::TurnServer;

use crate::cell::{Cell, call};
use crate::theory::{ANSWERERS, Access, CALLERS};

#[test]
fn every_pair_of_nats_finds_the_way_that_theory_says() {
    if !skip::have(&["ip", "nft", "turnserver", "kamailio", "rtpengine"])
        || !skip::may_make_networks()
    {
        return;
    }
    let mut internet = Internet::new();
    let turn = TurnServer::start_in(&internet.core, SECOND);
    let servers = Kamailio::start_in(&internet.core, SERVER);
    let all = CALLERS.into_iter().chain(ANSWERERS);
    let sites: Vec<_> = all
        .map(|access| internet.site(access.translation()))
        .collect();
    let who = |place: usize| {
        let place = u16::try_from(place).expect("a few");
        (1000 + place, 300.0 + 100.0 * f64::from(place))
    };
    // All at once, then each is waited for.
    let daemons: Vec<_> = sites
        .iter()
        .enumerate()
        .map(|(place, site)| {
            let config = Config::new();
            // No user configures a kiosk by the NAT that it happens to be behind.
            let keys = turn.keys(&config, SECOND);
            Phone::start(&site.machine, config, &servers, who(place), &keys)
        })
        .collect();
    let phones: Vec<_> = daemons
        .into_iter()
        .enumerate()
        .map(|(place, daemon)| Mutex::new(Phone::of(daemon, who(place))))
        .collect();
    let (callers, answerers) = phones.split_at(CALLERS.len());
    let mut cells = BTreeMap::new();
    // Every caller calls somebody else than the others do, until each has called each.
    for turn in 0..ANSWERERS.len() {
        thread::scope(|scope| {
            let calls: Vec<_> = (0..CALLERS.len())
                .map(|caller| {
                    let answerer = (caller + turn) % ANSWERERS.len();
                    let ends = (&callers[caller], &answerers[answerer]);
                    let wanted = (CALLERS[caller], ANSWERERS[answerer]);
                    let fits = move |ours: &Path, theirs: &Path| {
                        theory::fits(wanted.0, wanted.1, ours, theirs)
                    };
                    let made = scope.spawn(move || call(ends.0, ends.1, fits));
                    ((caller, answerer), made)
                })
                .collect();
            for (place, made) in calls {
                // A cell whose test panics is a cell that failed, and the others are still to be seen.
                cells.insert(place, made.join().unwrap_or(Cell::Broken));
            }
        });
    }
    figures::show(&table(&cells));
    assert_eq!(cells.len(), CALLERS.len() * ANSWERERS.len());
    let wrong: Vec<_> = cells
        .iter()
        .filter_map(|((caller, answerer), cell)| {
            let (here, there) = (CALLERS[*caller], ANSWERERS[*answerer]);
            let fits = match cell {
                Cell::Heard {
                    caller, answerer, ..
                } => theory::fits(here, there, caller, answerer),
                Cell::Broken => false,
            };
            (!fits).then(|| format!("{here} calls {there}: {cell:?}"))
        })
        .collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// One line for each caller; each cell has the kinds of candidate as the caller sees them, then as the other end does.
fn table(cells: &BTreeMap<(usize, usize), Cell>) -> String {
    let row = |first: &str, rest: Vec<String>| {
        let rest: String = rest.iter().map(|text| format!(" {text:<26}")).collect();
        format!("{first:<16}{}\n", rest.trim_end())
    };
    let columns = ANSWERERS.iter().map(Access::to_string).collect();
    let mut lines = row("NAT matrix", columns);
    for (caller, access) in CALLERS.iter().enumerate() {
        let texts = (0..ANSWERERS.len()).map(|answerer| {
            let cell = cells.get(&(caller, answerer));
            cell.map_or_else(|| "MISSING".to_owned(), Cell::to_string)
        });
        lines += &row(&access.to_string(), texts.collect());
    }
    lines += "(the caller's candidate > the answerer's as the caller sees them, then as the answerer does; ms from the answer to \
        the first sound)\n";
    lines
}
