//! Every fuzz target on its committed corpus, and on seeded mutations of it.

use offhook_fuzz::{TARGETS, Target};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use std::path::Path;

/// Mutations of each target's corpus.
const MUTATIONS: usize = 4000;

fn corpus(name: &str) -> Vec<Vec<u8>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut folders = vec![root.join("corpus").join(name)];
    if name == "sdp" {
        folders.push(root.join("../tests/corpus/sdp"));
    }
    let mut files: Vec<_> = folders
        .iter()
        .flat_map(|folder| {
            std::fs::read_dir(folder)
                .unwrap_or_else(|error| panic!("{}: {error}", folder.display()))
        })
        .map(|entry| entry.expect("a corpus entry").path())
        .collect();
    files.sort();
    files
        .iter()
        .map(|file| std::fs::read(file).expect("a corpus file"))
        .collect()
}

/// One to eight small changes, as a fuzzer would make them.
fn mutated(seeds: &[Vec<u8>], rng: &mut StdRng) -> Vec<u8> {
    let mut data = seeds[rng.random_range(0..seeds.len())].clone();
    for _ in 0..rng.random_range(1..=8) {
        let at = rng.random_range(0..=data.len());
        match rng.random_range(0..7) {
            0 if at < data.len() => data[at] ^= 1 << rng.random_range(0..8),
            1 if at < data.len() => data[at] = rng.random(),
            2 => data.truncate(at),
            3 => data.insert(at, rng.random()),
            4 if at < data.len() => {
                let end = rng.random_range(at..data.len().min(at + 40));
                data.drain(at..end);
            }
            5 if at < data.len() => {
                let end = rng.random_range(at..data.len().min(at + 40));
                let part = data[at..end].to_vec();
                let to = rng.random_range(0..=data.len());
                data.splice(to..to, part);
            }
            _ => {
                let other = &seeds[rng.random_range(0..seeds.len())];
                let from = rng.random_range(0..=other.len());
                let to = rng.random_range(from..=other.len().min(from + 200));
                data.splice(at..at, other[from..to].iter().copied());
            }
        }
    }
    data
}

fn survives(name: &str) {
    let (_, run): Target = TARGETS
        .into_iter()
        .find(|(other, _)| *other == name)
        .expect("a known target");
    let seeds = corpus(name);
    assert!(seeds.len() >= 2, "{name} has a corpus");
    run(&[]);
    seeds.iter().for_each(|seed| run(seed));
    for number in 0..MUTATIONS {
        let mut seed = [0; 32];
        seed[..8].copy_from_slice(&number.to_be_bytes());
        run(&mutated(&seeds, &mut StdRng::from_seed(seed)));
    }
}

#[test]
fn control_line() {
    survives("control_line");
}

#[test]
fn dtls() {
    survives("dtls");
}

#[test]
fn media_transport() {
    survives("media_transport");
}

#[test]
fn rtcp() {
    survives("rtcp");
}

#[test]
fn rtp() {
    survives("rtp");
}

#[test]
fn sdp() {
    survives("sdp");
}

#[test]
fn sip_headers() {
    survives("sip_headers");
}

#[test]
fn sip_message() {
    survives("sip_message");
}

#[test]
fn sip_session() {
    survives("sip_session");
}

#[test]
fn srtp() {
    survives("srtp");
}

#[test]
fn stun_demux() {
    survives("stun_demux");
}

#[test]
fn rest_replies() {
    survives("rest_replies");
}

#[test]
fn turn_client() {
    survives("turn_client");
}

#[test]
fn verto_json() {
    survives("verto_json");
}

#[test]
fn verto_session() {
    survives("verto_session");
}

#[test]
fn every_target_has_a_binary_and_a_test() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let this = std::fs::read_to_string(root.join("tests/corpus.rs")).unwrap();
    for (name, _) in TARGETS {
        assert!(
            root.join(format!("fuzz_targets/{name}.rs")).exists(),
            "{name}"
        );
        assert!(this.contains(&format!("survives(\"{name}\")")), "{name}");
    }
}
