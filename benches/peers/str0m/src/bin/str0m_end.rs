//! The far end of calls, by str0m, for the tests: what it hears it says again. Driven by JSON lines, as the tests' other far ends.

use std::error::Error;
use std::io::{BufRead, Write};
use std::net::{SocketAddr, UdpSocket};
use std::sync::mpsc::{Receiver, TryRecvError, channel};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use str0m::change::{SdpAnswer, SdpOffer, SdpPendingOffer};
use str0m::media::{Direction, MediaKind, Mid};
use str0m::net::{Protocol, Receive};
use str0m::rtp::{RtpPacket, RtpWrite};
use str0m::{Candidate, Event, Input, Output, Rtc};

type Fault = Box<dyn Error + Send + Sync>;

fn main() -> Result<(), Fault> {
    let commands = lines();
    let mut call: Option<Call> = None;
    loop {
        let command = match &mut call {
            None => commands.recv().ok(),
            Some(call) => {
                call.work()?;
                match commands.try_recv() {
                    Ok(command) => Some(command),
                    Err(TryRecvError::Empty) => continue,
                    Err(TryRecvError::Disconnected) => None,
                }
            }
        };
        let Some(command) = command else {
            return Ok(());
        };
        let told = match obey(&command, &mut call) {
            Ok(told) => told,
            Err(fault) => json!({ "event": "failed", "reason": fault.to_string() }),
        };
        println!("{told}");
        std::io::stdout().flush()?;
    }
}

/// The commands, as they come. They end with the input.
fn lines() -> Receiver<Value> {
    let (sender, receiver) = channel();
    std::thread::spawn(move || {
        for line in std::io::stdin().lock().lines().map_while(Result::ok) {
            let Ok(command) = serde_json::from_str(&line) else {
                return;
            };
            if sender.send(command).is_err() {
                return;
            }
        }
    });
    receiver
}

fn obey(command: &Value, call: &mut Option<Call>) -> Result<Value, Fault> {
    let what = command["do"].as_str().unwrap_or_default();
    let sdp = || command["sdp"].as_str().ok_or("no description");
    if what == "open" {
        *call = Some(Call::new()?);
        return Ok(json!({ "event": "ready" }));
    }
    let open = call.as_mut().ok_or("no call")?;
    Ok(match what {
        "offer" => json!({ "event": "description", "sdp": open.offer()? }),
        "answer" => json!({ "event": "description", "sdp": open.answer(sdp()?)? }),
        "accept" => {
            open.accept(sdp()?)?;
            json!({ "event": "accepted" })
        }
        "close" => {
            *call = None;
            json!({ "event": "closed" })
        }
        other => return Err(format!("{other} is not known").into()),
    })
}

/// One call.
struct Call {
    rtc: Rtc,
    socket: UdpSocket,
    address: SocketAddr,
    pending: Option<SdpPendingOffer>,
    mid: Option<Mid>,
    said: u64,
}

impl Call {
    fn new() -> Result<Self, Fault> {
        let socket = UdpSocket::bind("127.0.0.1:0")?;
        let address = socket.local_addr()?;
        let mut rtc = Rtc::builder().set_rtp_mode(true).build(Instant::now());
        rtc.add_local_candidate(Candidate::host(address, "udp")?)
            .ok_or("the candidate was refused")?;
        Ok(Self {
            rtc,
            socket,
            address,
            pending: None,
            mid: None,
            said: 0,
        })
    }

    fn offer(&mut self) -> Result<String, Fault> {
        let mut changes = self.rtc.sdp_api();
        let mid = changes.add_media(MediaKind::Audio, Direction::SendRecv, None, None, None);
        self.mid = Some(mid);
        let (offer, pending) = changes.apply().ok_or("there is nothing to offer")?;
        self.pending = Some(pending);
        Ok(offer.to_sdp_string())
    }

    fn answer(&mut self, offer: &str) -> Result<String, Fault> {
        let offer = SdpOffer::from_sdp_string(offer)?;
        Ok(self.rtc.sdp_api().accept_offer(offer)?.to_sdp_string())
    }

    fn accept(&mut self, answer: &str) -> Result<(), Fault> {
        let pending = self.pending.take().ok_or("an answer without an offer")?;
        let answer = SdpAnswer::from_sdp_string(answer)?;
        Ok(self.rtc.sdp_api().accept_answer(pending, answer)?)
    }

    /// Sends what there is to send, and receives for a moment.
    fn work(&mut self) -> Result<(), Fault> {
        let at = loop {
            match self.rtc.poll_output()? {
                Output::Timeout(at) => break at,
                Output::Transmit(transmit) => {
                    self.socket
                        .send_to(&transmit.contents, transmit.destination)?;
                }
                Output::Event(Event::MediaAdded(added)) => self.mid = Some(added.mid),
                Output::Event(Event::RtpPacket(packet)) => self.echo(&packet)?,
                Output::Event(_) => {}
            }
        };
        // Commands are looked for in between.
        let pause = at.saturating_duration_since(Instant::now());
        let pause = pause.clamp(Duration::from_millis(1), Duration::from_millis(5));
        self.socket.set_read_timeout(Some(pause))?;
        let mut datagram = [0; 2048];
        if let Ok((length, from)) = self.socket.recv_from(&mut datagram) {
            let receive = Receive::new(Protocol::Udp, from, self.address, &datagram[..length])?;
            self.rtc
                .handle_input(Input::Receive(Instant::now(), receive))?;
        }
        Ok(self.rtc.handle_input(Input::Timeout(Instant::now()))?)
    }

    fn echo(&mut self, packet: &RtpPacket) -> Result<(), Fault> {
        let mid = self.mid.ok_or("sound, and no media")?;
        self.said += 1;
        let mut direct = self.rtc.direct_api();
        let stream = direct.stream_tx_by_mid(mid, None).ok_or("no stream")?;
        let (number, time) = (self.said.into(), packet.header.timestamp);
        let kind = packet.header.payload_type;
        stream.write_rtp(RtpWrite::new(
            kind,
            number,
            time,
            Instant::now(),
            packet.payload.as_ref(),
        ));
        Ok(())
    }
}
