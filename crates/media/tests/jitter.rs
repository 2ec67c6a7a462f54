//! The jitter buffer against the networks that telephony meets: how late it plays, and how much it has to make up.
#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a test fails by panicking, shows its figures, and needs some instant to count from"
)]

use std::time::{Duration, Instant};

use offhook_media::codec::decoder::PayloadFacts;
use offhook_media::jitter::buffer::{Arrival, Insertion, JitterBuffer, JitterConfig, Playout};
use offhook_media::jitter::statistics::JitterStatistics;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

/// One packet of a trace: when it was sent and when it came, in microseconds; `None` when it was lost.
type Trace = Vec<(u64, Option<u64>)>;

const PACKET_US: u64 = 20_000;

/// What a listener got.
#[derive(Debug)]
struct Heard {
    /// Mean time from sending to playing, in ms.
    mean_delay: f64,
    /// The same over the last quarter of the trace.
    last_delay: f64,
    /// Part of playout that was made up without help of a copy, in percent.
    made_up: f64,
    statistics: JitterStatistics,
}

struct Listener {
    buffer: JitterBuffer,
    origin: Instant,
    carries_previous: bool,
}

impl Listener {
    fn new(carries_previous: bool) -> Self {
        Self {
            buffer: JitterBuffer::new(JitterConfig::for_clock(48_000)),
            origin: Instant::now(),
            carries_previous,
        }
    }

    fn at(&self, micros: u64) -> Instant {
        self.origin + Duration::from_micros(micros)
    }

    fn arrive(&mut self, index: u64, at: u64) -> Insertion {
        let now = self.at(at);
        let facts = PayloadFacts {
            duration: 960,
            carries_previous: self.carries_previous,
            starts_silence: false,
            describes_noise: false,
        };
        let arrival = Arrival {
            ssrc: 7,
            sequence: (index + 65_000) as u16,
            timestamp: (index * 960 + u64::from(u32::MAX) - 10_000) as u32,
            facts: Some(facts),
            payload: &index.to_be_bytes(),
        };
        self.buffer.insert(&arrival, now)
    }
}

/// Plays a trace; `speech` says whether the sender speaks at that packet (so that a cut would be heard).
fn listen(trace: &Trace, carries_previous: bool, drift_ppm: f64) -> Heard {
    let mut arrivals: Vec<(u64, u64)> = trace
        .iter()
        .enumerate()
        .filter_map(|(index, (_, came))| Some(((*came)?, index as u64)))
        .collect();
    arrivals.sort_unstable();
    let mut arrivals = arrivals.into_iter().peekable();
    let mut listener = Listener::new(carries_previous);
    let end = trace.last().map_or(0, |(sent, _)| *sent);
    let (mut delays, mut made_up, mut slots, mut quiet) = (Vec::new(), 0usize, 0usize, true);
    let mut slot = 0u64;
    loop {
        // The listener's clock runs by so much slower or faster than the sender's.
        let now = 7_000 + (slot as f64 * 20_000.0 * (1.0 + drift_ppm * 1e-6)) as u64;
        if now > end {
            break;
        }
        while let Some((came, index)) = arrivals.next_if(|(came, _)| *came <= now) {
            listener.arrive(index, came);
        }
        slot += 1;
        loop {
            let at = listener.at(now);
            match listener.buffer.pull(quiet, at) {
                Playout::Wait => break,
                Playout::LeaveOut(_) => continue,
                Playout::Decode(payload) => {
                    let index = u64::from_be_bytes(payload.try_into().unwrap());
                    delays.push((now - trace[index as usize].0) as f64 / 1000.0);
                    // 1.6 s of speech, 0.4 s of pause.
                    quiet = index % 100 >= 80;
                    slots += 1;
                }
                Playout::Rebuild { samples, .. }
                | Playout::Comfort { samples }
                | Playout::Noise { samples, .. } => {
                    assert_eq!(samples, 960);
                    slots += 1;
                }
                Playout::Conceal { samples } => {
                    assert_eq!(samples, 960);
                    made_up += 1;
                    slots += 1;
                }
            }
            break;
        }
    }
    let mean = |part: &[f64]| part.iter().sum::<f64>() / part.len().max(1) as f64;
    Heard {
        mean_delay: mean(&delays),
        last_delay: mean(&delays[delays.len() * 3 / 4..]),
        made_up: 100.0 * made_up as f64 / slots.max(1) as f64,
        statistics: *listener.buffer.statistics(),
    }
}

/// A network: for each packet its delay in microseconds, or `None`.
fn network(
    seed: u64,
    seconds: u64,
    mut delay: impl FnMut(&mut StdRng, u64) -> Option<f64>,
) -> Trace {
    let mut rng = StdRng::seed_from_u64(seed);
    (0..seconds * 50)
        .map(|index| {
            let sent = index * PACKET_US;
            (
                sent,
                delay(&mut rng, sent).map(|delay| sent + delay.max(0.0) as u64),
            )
        })
        .collect()
}

fn exponential(rng: &mut StdRng, mean: f64) -> f64 {
    -mean * (1.0 - rng.random::<f64>()).ln()
}

fn lan(seed: u64) -> Trace {
    network(seed, 120, |rng, _| Some(1_000.0 + exponential(rng, 300.0)))
}

/// Now and then the air is busy for 20 to 100 ms, and everything comes at the end of it.
fn wifi(seed: u64) -> Trace {
    let mut busy = (0u64, 0u64);
    network(seed, 180, move |rng, sent| {
        if sent > busy.1 && rng.random_bool(0.03) {
            busy = (sent, sent + rng.random_range(20_000..100_000));
        }
        let held = if sent >= busy.0 && sent < busy.1 {
            (busy.1 - sent) as f64
        } else {
            0.0
        };
        Some(2_000.0 + held + exponential(rng, 1_500.0))
    })
}

/// A delay that wanders between 20 and 90 ms, in steps of the scheduler's 10 ms.
fn lte(seed: u64) -> Trace {
    let mut level = 30.0;
    network(seed, 180, move |rng, _| {
        level = (level + rng.random_range(-6.0..6.0) + (35.0 - level) * 0.02f64).clamp(0.0, 70.0);
        let jitter = exponential(rng, 6.0f64).min(40.0);
        Some((20.0 + ((level + jitter) / 10.0).floor() * 10.0) * 1000.0)
    })
}

/// A rare stall of 200 ms that drains at once.
fn spikes(seed: u64) -> Trace {
    network(seed, 180, |rng, sent| {
        let into = sent % 10_000_000;
        let held = if (5_000_000..5_200_000).contains(&into) {
            (5_200_000 - into) as f64
        } else {
            0.0
        };
        Some(8_000.0 + held + exponential(rng, 800.0))
    })
}

/// The path becomes 110 ms longer after a minute, and short again after two.
fn steps(seed: u64) -> Trace {
    network(seed, 240, |rng, sent| {
        let base = if (60_000_000..120_000_000).contains(&sent) {
            120_000.0
        } else {
            10_000.0
        };
        Some(base + exponential(rng, 2_000.0))
    })
}

#[track_caller]
fn assert_within(name: &str, heard: &Heard, most_delay: f64, most_made_up: f64) {
    println!(
        "{name}: mean {:.1} ms, at the end {:.1} ms, made up {:.2} %, {:?}",
        heard.mean_delay, heard.last_delay, heard.made_up, heard.statistics
    );
    assert!(
        heard.mean_delay <= most_delay,
        "{name}: delay {:.1} ms > {most_delay}",
        heard.mean_delay
    );
    assert!(
        heard.made_up <= most_made_up,
        "{name}: made up {:.2} % > {most_made_up}",
        heard.made_up
    );
}

#[test]
fn a_lan_costs_hardly_any_delay() {
    for seed in 0..3 {
        let heard = listen(&lan(seed), false, 0.0);
        assert_within("LAN", &heard, 35.0, 0.02);
        assert!(
            heard.last_delay < 32.0,
            "the delay of the start is given back: {:.1}",
            heard.last_delay
        );
    }
}

#[test]
fn wifi_bursts_are_ridden_out() {
    for seed in 0..3 {
        assert_within("Wi-Fi", &listen(&wifi(seed), false, 0.0), 130.0, 1.5);
    }
}

#[test]
fn a_wandering_mobile_delay_is_followed() {
    for seed in 0..3 {
        assert_within("LTE", &listen(&lte(seed), false, 0.0), 130.0, 1.5);
    }
}

#[test]
fn rare_spikes_do_not_raise_the_delay_for_good() {
    for seed in 0..3 {
        let heard = listen(&spikes(seed), false, 0.0);
        assert_within("spikes", &heard, 60.0, 2.2);
    }
}

#[test]
fn a_longer_path_is_followed_up_and_down_again() {
    for seed in 0..3 {
        let heard = listen(&steps(seed), false, 0.0);
        assert_within("steps", &heard, 110.0, 0.5);
        assert!(
            heard.last_delay < 60.0,
            "short path, short delay: {:.1}",
            heard.last_delay
        );
    }
}

#[test]
fn a_returning_echo_half_a_second_old_from_a_drifting_clock_stays_whole() {
    for drift in [200.0, -200.0] {
        let trace = network(3, 600, |rng, _| Some(500_000.0 + exponential(rng, 500.0)));
        let heard = listen(&trace, false, drift);
        assert_within("echo", &heard, 545.0, 0.05);
        // 200 ppm of ten minutes are 120 ms: six packets put in or left out, all in pauses.
        let moved = (heard.statistics.inserted_samples_for_deceleration / 960)
            .max(heard.statistics.removed_samples_for_acceleration / 960);
        assert!((4..=12).contains(&moved), "{moved} packets moved");
    }
}

#[test]
fn a_recorded_style_trace_plays_as_it_did() {
    // index, ms from sending the first packet to arrival; an empty field is a lost packet.
    let trace: Trace = include_str!("traces/home-wifi.csv")
        .lines()
        .filter(|line| !line.starts_with('#'))
        .map(|line| {
            let (index, came) = line.split_once(',').unwrap();
            let came = came.parse::<f64>().ok().map(|ms| (ms * 1000.0) as u64);
            (index.parse::<u64>().unwrap() * PACKET_US, came)
        })
        .collect();
    let with_copies = listen(&trace, true, 0.0);
    let without = listen(&trace, false, 0.0);
    assert_within("home Wi-Fi, copies", &with_copies, 130.0, 1.5);
    assert_within("home Wi-Fi", &without, 110.0, 4.0);
    assert!(
        with_copies.statistics.fec_packets_used > 10,
        "{:?}",
        with_copies.statistics
    );
    assert!(with_copies.made_up < without.made_up * 0.6);
}

#[test]
fn single_losses_are_rebuilt_from_the_copy_in_the_next_packet() {
    let trace = network(5, 120, |rng, _| {
        (!rng.random_bool(0.05)).then(|| 5_000.0 + exponential(rng, 1_000.0))
    });
    let heard = listen(&trace, true, 0.0);
    let lost = trace.iter().filter(|(_, came)| came.is_none()).count() as u64;
    assert_within("5 % loss", &heard, 70.0, 1.0);
    assert!(
        heard.statistics.fec_packets_used * 100 > lost * 85,
        "{} of {lost}",
        heard.statistics.fec_packets_used
    );
}

#[test]
fn disorder_within_the_delay_is_not_heard() {
    let trace = network(6, 60, |rng, _| {
        Some(5_000.0 + if rng.random_bool(0.05) { 30_000.0 } else { 0.0 })
    });
    let heard = listen(&trace, false, 0.0);
    assert_within("disorder", &heard, 75.0, 0.4);
}

#[test]
fn a_second_copy_and_a_latecomer_are_thrown_away_and_counted() {
    let mut listener = Listener::new(false);
    assert_eq!(listener.arrive(0, 0), Insertion::Restarted);
    assert_eq!(listener.arrive(1, 20_000), Insertion::Stored);
    assert_eq!(listener.arrive(1, 20_100), Insertion::Duplicate);
    assert_eq!(listener.arrive(3, 60_000), Insertion::Stored);
    let mut order = Vec::new();
    for slot in 0..5 {
        let at = listener.at(70_000 + slot * PACKET_US);
        match listener.buffer.pull(false, at) {
            Playout::Decode(payload) => order.push(payload[7] as i32),
            Playout::Conceal { .. } => order.push(-1),
            other @ (Playout::LeaveOut(_)
            | Playout::Rebuild { .. }
            | Playout::Comfort { .. }
            | Playout::Noise { .. }
            | Playout::Wait) => panic!("{other:?}"),
        }
    }
    assert_eq!(order, [0, 1, -1, 3, -1]);
    assert_eq!(listener.arrive(2, 180_000), Insertion::TooLate);
    let statistics = listener.buffer.statistics();
    assert_eq!(
        (statistics.packets_discarded, statistics.packets_duplicated),
        (2, 1)
    );
    assert_eq!(statistics.packets_missing, 1);
    assert_eq!(statistics.concealment_events, 2);
}

fn arrival(ssrc: u32, sequence: u16, timestamp: u32, starts_silence: bool) -> Arrival<'static> {
    let facts = PayloadFacts {
        duration: 960,
        carries_previous: false,
        starts_silence,
        describes_noise: false,
    };
    Arrival {
        ssrc,
        sequence,
        timestamp,
        facts: Some(facts),
        payload: b"sound",
    }
}

/// Plays `slots` slots from `from` on; returns one letter each: Decode, Conceal, Silence (comfort), Wait, Rebuild.
fn letters(buffer: &mut JitterBuffer, origin: Instant, from: u64, slots: u64) -> String {
    (0..slots)
        .map(
            |slot| match buffer.pull(false, origin + Duration::from_millis(from + slot * 20)) {
                Playout::Decode(_) => 'D',
                Playout::LeaveOut(_) => 'L',
                Playout::Rebuild { .. } => 'R',
                Playout::Conceal { .. } => 'C',
                Playout::Comfort { .. } => 'S',
                Playout::Noise { .. } => 'N',
                Playout::Wait => 'W',
            },
        )
        .collect()
}

#[test]
fn announced_silence_is_no_loss_and_what_follows_keeps_its_time() {
    let origin = Instant::now();
    let at = |ms| origin + Duration::from_millis(ms);
    let mut buffer = JitterBuffer::new(JitterConfig::for_clock(48_000));
    for n in 0..4u16 {
        buffer.insert(
            &arrival(1, n, u32::from(n) * 960, n == 3),
            at(u64::from(n) * 20),
        );
    }
    assert_eq!(letters(&mut buffer, origin, 60, 14), "DDDDSSSSSSSSSS");
    // 300 ms of silence, then sound with the next number and a timestamp 300 ms later.
    buffer.insert(&arrival(1, 4, 18 * 960, false), at(360));
    assert_eq!(letters(&mut buffer, origin, 340, 6), "SSSSDC");
    assert_eq!(buffer.statistics().concealed_samples, 960);
    assert_eq!(buffer.statistics().packets_missing, 0);
}

#[test]
fn events_in_the_same_numbering_are_no_loss() {
    let origin = Instant::now();
    let at = |ms| origin + Duration::from_millis(ms);
    let mut buffer = JitterBuffer::new(JitterConfig {
        start: Duration::from_millis(200),
        least: Duration::from_millis(200),
        ..JitterConfig::for_clock(48_000)
    });
    for n in 0..10u16 {
        let event = (3..7).contains(&n);
        let sound = arrival(1, n, u32::from(if event { 3 } else { n }) * 960, false);
        let arrival = if event {
            Arrival {
                facts: None,
                payload: b"",
                ..sound
            }
        } else {
            sound
        };
        buffer.insert(&arrival, at(u64::from(n) * 20));
    }
    assert_eq!(letters(&mut buffer, origin, 200, 10), "DDDSSSSDDD");
    assert_eq!(buffer.statistics().concealed_samples, 0);
    assert_eq!(buffer.statistics().packets_missing, 0);
}

#[test]
fn a_sender_that_starts_anew_is_followed() {
    let origin = Instant::now();
    let at = |ms| origin + Duration::from_millis(ms);
    let mut buffer = JitterBuffer::new(JitterConfig::for_clock(48_000));
    for n in 0..5u16 {
        buffer.insert(
            &arrival(1, n, u32::from(n) * 960, false),
            at(u64::from(n) * 20),
        );
    }
    assert_eq!(letters(&mut buffer, origin, 100, 5), "DDDDD");
    // Another source: at once.
    assert_eq!(
        buffer.insert(&arrival(2, 900, 77, false), at(200)),
        Insertion::Restarted
    );
    // The same source far off: when the next number confirms it.
    assert_eq!(
        buffer.insert(&arrival(2, 30_000, 5_000_000, false), at(220)),
        Insertion::Doubted
    );
    assert_eq!(
        buffer.insert(&arrival(2, 30_001, 5_000_960, false), at(240)),
        Insertion::Restarted
    );
    // The numbers go on but the timestamp jumps by an hour.
    let jumped = arrival(2, 30_002, 5_000_960 + 3_600 * 48_000, false);
    assert_eq!(buffer.insert(&jumped, at(260)), Insertion::Restarted);
    assert_eq!(letters(&mut buffer, origin, 380, 1), "D");
    assert_eq!(buffer.statistics().restarts, 3);
}

#[test]
fn a_flood_and_garbage_stay_within_bounds() {
    let origin = Instant::now();
    let mut buffer = JitterBuffer::new(JitterConfig::for_clock(8_000));
    let mut rng = StdRng::seed_from_u64(11);
    for n in 0..200_000u64 {
        let facts = rng.random_bool(0.9).then(|| PayloadFacts {
            duration: rng.random_range(1..960),
            carries_previous: rng.random(),
            starts_silence: rng.random(),
            describes_noise: false,
        });
        let near = rng.random_bool(0.7);
        let arrival = Arrival {
            ssrc: u32::from(rng.random_bool(0.001)),
            sequence: if near { (n / 3) as u16 } else { rng.random() },
            timestamp: if near { (n * 50) as u32 } else { rng.random() },
            facts,
            payload: &[0; 100],
        };
        let now = origin + Duration::from_micros(n * 300);
        buffer.insert(&arrival, now);
        if n % 50 == 0 {
            let _ = buffer.pull(rng.random(), now);
            assert!(buffer.target(now) <= Duration::from_millis(500));
        }
    }
}
