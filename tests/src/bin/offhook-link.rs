//! The emulated line as a program, between two TUN devices that it makes: what goes into the one comes out of the other, late, or
//! never. Whoever starts it moves the devices into the network namespaces that it is to join.
//!
//! `offhook-link INSIDE OUTSIDE [--up CONDITIONS] [--down CONDITIONS] [--nat KIND ADDRESS] [--seed N] [--seconds N]`
//!
//! CONDITIONS is one argument of words such as `delay=60 jitter=20 loss=0.05 burst=3`; KIND is `full-cone`, `address-restricted`,
//! `port-restricted` or `symmetric`. It says `ready` once there are devices, and takes a command a line: `up CONDITIONS`,
//! `down CONDITIONS`, `cut`, `mend`, `rebind`. It ends at the end of its input, at SIGTERM or SIGINT, and after `--seconds` (600), and
//! says what became of the packets of each way.
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "the program's own words"
)]

use std::error::Error;
use std::future::pending;
use std::net::IpAddr;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use offhook_link::conditions::Conditions;
use offhook_link::nat::{NatConfig, NatKind};
use offhook_link::network::Way;
use offhook_link::packets::PacketLine;
use tokio::io::{AsyncBufReadExt as _, BufReader, Lines, Stdin, stdin};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_tun::Tun;

type Failure = Box<dyn Error>;

/// No packet of either device is longer.
const LONGEST: usize = 65_536;
/// Longer than the timeouts of most; what ends a mapping is `rebind`.
const NAT_TIMEOUT: Duration = Duration::from_secs(120);
/// More than one machine needs.
const NAT_MAPPINGS: usize = 1024;

#[derive(Default)]
struct Options {
    devices: Vec<String>,
    up: Conditions,
    down: Conditions,
    nat: Option<(NatKind, IpAddr)>,
    seed: u64,
    seconds: Option<u64>,
}

impl Options {
    fn read(mut arguments: impl Iterator<Item = String>) -> Result<Self, Failure> {
        let mut options = Self::default();
        while let Some(argument) = arguments.next() {
            let mut value = || {
                arguments
                    .next()
                    .ok_or_else(|| format!("{argument} wants a value"))
            };
            match argument.as_str() {
                "--up" => options.up = value()?.parse()?,
                "--down" => options.down = value()?.parse()?,
                "--nat" => options.nat = Some((kind(&value()?)?, value()?.parse()?)),
                "--seed" => options.seed = value()?.parse()?,
                "--seconds" => options.seconds = Some(value()?.parse()?),
                _ => options.devices.push(argument),
            }
        }
        Ok(options)
    }

    fn line(&self) -> PacketLine {
        let nat = self.nat.map(|(kind, outside)| NatConfig {
            kind,
            outside,
            timeout: NAT_TIMEOUT,
            mappings: NAT_MAPPINGS,
        });
        let mut seed = [0; 32];
        seed[..8].copy_from_slice(&self.seed.to_le_bytes());
        PacketLine::new(self.up.clone(), self.down.clone(), nat, seed)
    }
}

fn kind(name: &str) -> Result<NatKind, String> {
    match name {
        "full-cone" => Ok(NatKind::FullCone),
        "address-restricted" => Ok(NatKind::AddressRestricted),
        "port-restricted" => Ok(NatKind::PortRestricted),
        "symmetric" => Ok(NatKind::Symmetric),
        _ => Err(format!("there is no NAT {name:?}")),
    }
}

fn main() -> ExitCode {
    match Options::read(std::env::args().skip(1)).and_then(|options| begin(&options)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("offhook-link: {error}");
            ExitCode::FAILURE
        }
    }
}

fn begin(options: &Options) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let ran = runtime.block_on(run(options));
    // Whatever waits for a line of the input is not waited for.
    runtime.shutdown_background();
    ran
}

/// What happens next.
enum Next {
    Packet(Way, usize),
    Command(String),
    Due,
    End,
}

struct Link {
    line: PacketLine,
    inside: Tun,
    outside: Tun,
    input: Lines<BufReader<Stdin>>,
    signals: [Signal; 2],
    end: Instant,
}

async fn run(options: &Options) -> Result<(), Failure> {
    let [inside, outside] = options.devices.as_slice() else {
        return Err("two names of devices are wanted".into());
    };
    let seconds = options.seconds.unwrap_or(600);
    let mut link = Link {
        line: options.line(),
        inside: device(inside, options.up.mtu)?,
        outside: device(outside, options.down.mtu)?,
        input: BufReader::new(stdin()).lines(),
        signals: [
            signal(SignalKind::terminate())?,
            signal(SignalKind::interrupt())?,
        ],
        end: Instant::now() + Duration::from_secs(seconds),
    };
    println!("ready");
    let mut buffers = [vec![0; LONGEST], vec![0; LONGEST]];
    loop {
        match link.next(&mut buffers).await {
            Next::Packet(way, length) => {
                let buffer = &buffers[usize::from(way == Way::Down)];
                let packet = buffer.get(..length).unwrap_or_default().to_vec();
                link.line.send(way, packet, Instant::now());
            }
            Next::Command(command) => {
                if let Err(error) = link.carry_out(&command) {
                    eprintln!("offhook-link: {command:?}: {error}");
                }
            }
            Next::Due => {}
            Next::End => break,
        }
        link.deliver();
    }
    let [up, down] = link.line.counters();
    let filtered = link.line.filtered();
    println!("up {up:?}\ndown {down:?}\nnot let in {filtered}");
    Ok(())
}

/// A device that knows what the line begins by carrying: TCP keeps to that, and what is longer is refused where it is sent.
fn device(name: &str, mtu: usize) -> Result<Tun, Failure> {
    let made = Tun::builder().name(name).mtu(i32::try_from(mtu)?).build();
    let made = made.map_err(|error| format!("no device {name:?}: {error}"))?;
    Ok(made.into_iter().next().ok_or("no device")?)
}

impl Link {
    async fn next(&mut self, buffers: &mut [Vec<u8>; 2]) -> Next {
        let due = self.line.next_deadline();
        let due = async {
            match due {
                Some(at) => tokio::time::sleep_until(at.into()).await,
                None => pending().await,
            }
        };
        let [up, down] = buffers;
        let [terminate, interrupt] = &mut self.signals;
        tokio::select! {
            length = self.inside.recv(up) => length.map_or(Next::End, |length| Next::Packet(Way::Up, length)),
            length = self.outside.recv(down) => length.map_or(Next::End, |length| Next::Packet(Way::Down, length)),
            line = self.input.next_line() => line.ok().flatten().map_or(Next::End, Next::Command),
            () = due => Next::Due,
            _ = terminate.recv() => Next::End,
            _ = interrupt.recv() => Next::End,
            () = tokio::time::sleep_until(self.end.into()) => Next::End,
        }
    }

    fn carry_out(&mut self, command: &str) -> Result<(), Failure> {
        let (verb, rest) = command.split_once(' ').unwrap_or((command, ""));
        match verb {
            "up" => self.line.pipe(Way::Up).set_conditions(rest.parse()?),
            "down" => self.line.pipe(Way::Down).set_conditions(rest.parse()?),
            "cut" | "mend" => {
                for way in [Way::Up, Way::Down] {
                    self.line.pipe(way).set_cut(verb == "cut");
                }
            }
            "rebind" => self.line.rebind(),
            _ => return Err("there is no such command".into()),
        }
        println!("done");
        Ok(())
    }

    fn deliver(&mut self) {
        while let Some((way, packet)) = self.line.poll(Instant::now()) {
            let device = match way {
                Way::Up => &self.outside,
                Way::Down => &self.inside,
            };
            // A device that is down, or has no room, loses it, as a cable would.
            let _ = device.try_send(&packet);
        }
    }
}
