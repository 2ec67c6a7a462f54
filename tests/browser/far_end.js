// The page of far_end.mjs: a connection that says a tone, as it is told.

/// One after the other: a description comes before the candidates that belong to it.
let said = Promise.resolve();
window.say = (event) => {
  said = said.then(() => fetch("/say", { method: "POST", body: JSON.stringify(event) })).catch(() => {});
};
const failed = (error) => say({ event: "failed", reason: String(error) });
window.addEventListener("error", (event) => failed(event.message));

// Loaded once `say` is there.
const { watch } = await import("/levels.js");

const context = new AudioContext();
let connection;
let plan;

/// The tone as a track.
function tone(hertz) {
  const oscillator = new OscillatorNode(context, { frequency: hertz });
  const volume = new GainNode(context, { gain: 0.4 });
  const end = new MediaStreamAudioDestinationNode(context, { channelCount: 1 });
  oscillator.connect(volume).connect(end);
  oscillator.start();
  return end.stream;
}

function addTone() {
  const stream = tone(plan.hertz);
  connection.addTrack(stream.getAudioTracks()[0], stream);
}

/// Whole, unless candidates are told one by one.
async function describe(description) {
  const gathered = new Promise((resolve) => {
    connection.addEventListener("icegatheringstatechange", () => connection.iceGatheringState === "complete" && resolve());
  });
  await connection.setLocalDescription(description);
  if (!plan.trickle && connection.iceGatheringState !== "complete") await gathered;
  say({ event: "description", sdp: connection.localDescription.sdp });
}

const commands = {
  open(command) {
    connection?.close();
    plan = command;
    const [urls, username, credential] = plan.relay ?? [];
    connection = new RTCPeerConnection(
      plan.relay ? { iceServers: [{ urls, username, credential }], iceTransportPolicy: "relay" } : { iceServers: [] },
    );
    connection.addEventListener("track", (event) => {
      document.getElementById("remote").srcObject = new MediaStream([event.track]);
    });
    connection.addEventListener("icecandidate", ({ candidate }) => {
      if (plan.trickle && candidate?.candidate) say({ event: "candidate", candidate: candidate.candidate });
    });
    say({ event: "ready" });
  },

  async offer({ restart }) {
    if (!connection.getSenders().some((sender) => sender.track)) {
      if (plan.more_than_sound) connection.addTransceiver("video");
      addTone();
      if (plan.more_than_sound) connection.createDataChannel("data");
    }
    await describe(await connection.createOffer({ iceRestart: restart ?? false }));
  },

  async answer({ sdp }) {
    await connection.setRemoteDescription({ type: "offer", sdp });
    if (!connection.getSenders().some((sender) => sender.track)) addTone();
    await describe(await connection.createAnswer());
  },

  async accept({ sdp }) {
    await connection.setRemoteDescription({ type: "answer", sdp });
    say({ event: "accepted" });
  },

  async candidate({ candidate }) {
    await connection.addIceCandidate({ candidate, sdpMLineIndex: 0 });
  },

  close() {
    connection.close();
    say({ event: "closed" });
  },
};

watch(() => connection?.connectionState);
let queue = Promise.resolve();
new EventSource("/commands").addEventListener("message", ({ data }) => {
  const command = JSON.parse(data);
  queue = queue.then(() => commands[command.do](command)).catch(failed);
});
