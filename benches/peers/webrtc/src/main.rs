//! Calls over loopback, carried by webrtc on tokio: a connection, a track and a task that sends for each end.

/// As for its sibling.
#[path = "../../rtc/src/opus.rs"]
mod opus;

use std::error::Error;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use bytes::Bytes;
use offhook_peers_ends::arguments::Plan;
use offhook_peers_ends::driver::Fault;
use offhook_peers_ends::meter::{Counts, DRAIN, LATE, Meter, PAYLOAD, SETTLE, SLOT};
use rtc::rtp::packet::Packet;
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval_at, sleep, timeout};
use webrtc::media_stream::track_local::TrackLocal;
use webrtc::media_stream::track_local::static_rtp::TrackLocalStaticRTP;
use webrtc::media_stream::track_remote::{TrackRemote, TrackRemoteEvent};
use webrtc::peer_connection::{
    PeerConnection, PeerConnectionBuilder, PeerConnectionEventHandler, RTCIceGatheringState,
    RTCPeerConnectionState,
};
use webrtc::runtime::{Receiver, Runtime, Sender, channel, default_runtime};

use crate::opus::{header, media, track};

const STUCK: Duration = Duration::from_secs(60);

fn main() -> Result<(), Box<dyn Error + Send + Sync>> {
    let plan = Plan::from_command_line()?;
    // As many threads as there are cores for us: `core` leaves one.
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?
        .block_on(run(plan))
}

#[derive(Default)]
struct Shared {
    sent: AtomicU64,
    received: AtomicU64,
    late: AtomicU64,
    refused: AtomicU64,
    quiet: AtomicBool,
    /// How long each end took.
    took: Mutex<Vec<Duration>>,
}

impl Shared {
    fn counts(&self) -> Counts {
        Counts {
            sent: self.sent.load(Ordering::Relaxed),
            received: self.received.load(Ordering::Relaxed),
            late: self.late.load(Ordering::Relaxed),
            send_errors: self.refused.load(Ordering::Relaxed),
        }
    }
}

struct Handler {
    gathered: Sender<()>,
    connected: Sender<()>,
    shared: Arc<Shared>,
    begun: Instant,
}

#[async_trait::async_trait]
impl PeerConnectionEventHandler for Handler {
    async fn on_ice_gathering_state_change(&self, state: RTCIceGatheringState) {
        if state == RTCIceGatheringState::Complete {
            let _ = self.gathered.try_send(());
        }
    }

    async fn on_connection_state_change(&self, state: RTCPeerConnectionState) {
        if state == RTCPeerConnectionState::Connected {
            if let Ok(mut took) = self.shared.took.lock() {
                took.push(self.begun.elapsed());
            }
            let _ = self.connected.try_send(());
        }
    }

    async fn on_track(&self, track: Arc<dyn TrackRemote>) {
        let shared = Arc::clone(&self.shared);
        tokio::spawn(async move {
            while let Some(event) = track.poll().await {
                match event {
                    TrackRemoteEvent::OnRtpPacket(_) => {
                        shared.received.fetch_add(1, Ordering::Relaxed);
                    }
                    TrackRemoteEvent::OnEnded => break,
                    _ => {}
                }
            }
        });
    }
}

struct End {
    connection: Arc<dyn PeerConnection>,
    track: Arc<TrackLocalStaticRTP>,
    ssrc: u32,
    gathered: Receiver<()>,
    connected: Receiver<()>,
}

impl End {
    async fn new(
        index: usize,
        begun: Instant,
        shared: &Arc<Shared>,
        runtime: &Arc<dyn Runtime>,
    ) -> Result<Self, Fault> {
        let (media, registry) = media()?;
        let (gathered_sender, gathered) = channel(1);
        let (connected_sender, connected) = channel(1);
        let handler = Handler {
            gathered: gathered_sender,
            connected: connected_sender,
            shared: Arc::clone(shared),
            begun,
        };
        let connection = PeerConnectionBuilder::new()
            .with_media_engine(media)
            .with_interceptor_registry(registry)
            .with_handler(Arc::new(handler))
            .with_runtime(Arc::clone(runtime))
            .with_udp_addrs(vec!["127.0.0.1:0".to_owned()])
            .build()
            .await?;
        let ssrc = 0x5000_0000 + index as u32;
        let track = Arc::new(TrackLocalStaticRTP::new(track(ssrc)));
        connection
            .add_track(Arc::clone(&track) as Arc<dyn TrackLocal>)
            .await?;
        Ok(Self {
            connection: Arc::new(connection),
            track,
            ssrc,
            gathered,
            connected,
        })
    }

    async fn local(&mut self) -> Result<rtc::peer_connection::sdp::RTCSessionDescription, Fault> {
        timeout(STUCK, self.gathered.recv()).await?;
        let description = self.connection.local_description().await;
        Ok(description.ok_or("no local description")?)
    }

    async fn talk(self, index: usize, shared: Arc<Shared>) -> Arc<dyn PeerConnection> {
        let share = Duration::from_micros(((index as u64) * 7919) % 20_000);
        let mut slots = interval_at(tokio::time::Instant::now() + share, SLOT);
        slots.set_missed_tick_behavior(MissedTickBehavior::Burst);
        let mut slot = 0_u64;
        while !shared.quiet.load(Ordering::Relaxed) {
            let due = slots.tick().await;
            if due.elapsed() > LATE {
                shared.late.fetch_add(1, Ordering::Relaxed);
            }
            let packet = Packet {
                header: header(self.ssrc, slot),
                payload: Bytes::from_static(&PAYLOAD),
            };
            slot += 1;
            shared.sent.fetch_add(1, Ordering::Relaxed);
            if self.track.write_rtp(packet).await.is_err() {
                shared.refused.fetch_add(1, Ordering::Relaxed);
            }
        }
        self.connection
    }
}

/// Connects the ends of one call.
async fn call(
    pair: usize,
    shared: Arc<Shared>,
    runtime: Arc<dyn Runtime>,
) -> Result<[(usize, End); 2], Fault> {
    let begun = Instant::now();
    let mut caller = End::new(pair * 2, begun, &shared, &runtime).await?;
    let mut callee = End::new(pair * 2 + 1, begun, &shared, &runtime).await?;
    let offer = caller.connection.create_offer(None).await?;
    caller.connection.set_local_description(offer).await?;
    let offer = caller.local().await?;
    callee.connection.set_remote_description(offer).await?;
    let answer = callee.connection.create_answer(None).await?;
    callee.connection.set_local_description(answer).await?;
    let answer = callee.local().await?;
    caller.connection.set_remote_description(answer).await?;
    timeout(STUCK, caller.connected.recv()).await?;
    timeout(STUCK, callee.connected.recv()).await?;
    Ok([(pair * 2, caller), (pair * 2 + 1, callee)])
}

async fn run(plan: Plan) -> Result<(), Fault> {
    let runtime = default_runtime().ok_or("no runtime")?;
    let shared = Arc::new(Shared::default());
    let mut meter = Meter::start()?;
    let (mut calls, mut talks) = (JoinSet::new(), JoinSet::new());
    let mut next = 0;
    loop {
        while next < plan.pairs && calls.len() < plan.inflight {
            calls.spawn(call(next, Arc::clone(&shared), Arc::clone(&runtime)));
            next += 1;
        }
        let Some(connected) = calls.join_next().await else {
            break;
        };
        for (index, end) in connected?? {
            talks.spawn(end.talk(index, Arc::clone(&shared)));
        }
    }
    let took = shared.took.lock().map(|took| took.clone());
    meter.set_up(took.map_err(|_| "the list of set-ups is lost")?)?;
    sleep(SETTLE).await;
    meter.begin(shared.counts())?;
    sleep(plan.span).await;
    meter.end(shared.counts())?;
    shared.quiet.store(true, Ordering::Relaxed);
    let mut connections = Vec::new();
    while let Some(connection) = talks.join_next().await {
        connections.push(connection?);
    }
    sleep(DRAIN).await;
    meter.show(shared.counts(), &plan);
    Ok(())
}
