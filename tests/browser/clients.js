// The real browser clients behind one small face: start(plan) logs in and calls or waits; command() acts on the call.

import { TelnyxRTC } from "/node_modules/@telnyx/webrtc/lib/bundle.mjs";

// Every peer connection, whichever client made it, so that levels can be read from its statistics.
const connections = [];
window.RTCPeerConnection = class extends RTCPeerConnection {
  constructor(...all) {
    super(...all);
    connections.push(this);
  }
};

/// Audio energy since the last look, of what came in and of what went out.
async function levels() {
  const sums = { inbound: 0, outbound: 0, packets: 0 };
  for (const connection of connections.filter((each) => each.connectionState === "connected")) {
    for (const report of (await connection.getStats()).values()) {
      if (report.type === "inbound-rtp" && report.kind === "audio") {
        sums.inbound = Math.max(sums.inbound, report.audioLevel ?? 0);
        sums.packets += report.packetsReceived;
      }
      if (report.type === "media-source" && report.kind === "audio") sums.outbound = Math.max(sums.outbound, report.audioLevel ?? 0);
    }
  }
  return sums;
}

function watchLevels() {
  setInterval(async () => {
    const now = await levels();
    if (now.packets > 0) say({ event: "level", ...now });
  }, 250);
}

let call;

const clients = {
  telnyx(plan) {
    const client = new TelnyxRTC({
      host: plan.server, iceServers: [], enableCallReports: false,
      ...(plan.token ? { login_token: plan.token } : { login: plan.login, password: plan.password }),
    });
    client.remoteElement = "remote";
    client.on("telnyx.ready", () => {
      say({ event: "ready" });
      if (plan.role === "caller") call = client.newCall({ destinationNumber: plan.number, audio: true, iceServers: [], remoteElement: "remote" });
    });
    client.on("telnyx.error", (error) => say({ event: "failed", reason: JSON.stringify(error.error ?? error) }));
    const told = new Set();
    client.on("telnyx.notification", (notification) => {
      if (notification.type !== "callUpdate") return;
      call = notification.call;
      const once = (name, more = {}) => {
        if (told.has(call.id + name)) return;
        told.add(call.id + name);
        say({ event: name, ...more });
      };
      if (call.state === "ringing" && call.direction === "inbound") {
        once("incoming", { number: call.options.remoteCallerNumber });
        if (plan.role === "callee" && !told.has(call.id + "answer")) {
          told.add(call.id + "answer");
          call.answer();
        }
      }
      if (call.state === "active") once("active");
      if (call.state === "hangup" || call.state === "destroy") once("ended", { cause: call.cause });
    });
    client.connect();
  },

  async vertojs(plan) {
    const client = new Verto.Verto({ transportConfig: { socketUrl: plan.server, login: plan.login, passwd: plan.password }, rtcConfig: { iceServers: [] }, ice_timeout: 1000 });
    await client.login();
    const stream = await navigator.mediaDevices.getUserMedia({ audio: true });
    const follow = (each) => {
      call = each;
      call.subscribeEvent("track", (track) => {
        document.getElementById("remote").srcObject = new MediaStream([track]);
      });
      call.subscribeEvent("answer", () => say({ event: "active" }));
      call.subscribeEvent("bye", () => say({ event: "ended" }));
    };
    client.subscribeEvent("invite", (each) => {
      follow(each);
      say({ event: "incoming", number: each.options.caller_id_number });
      if (plan.role === "callee") {
        call.answer(stream.getTracks());
        say({ event: "active" });
      }
    });
    say({ event: "ready" });
    if (plan.role === "caller") follow(client.call(stream.getTracks(), plan.number));
  },
};

window.start = async (plan) => {
  watchLevels();
  try {
    await clients[plan.client](plan);
  } catch (error) {
    say({ event: "failed", reason: error instanceof Error ? error.message : JSON.stringify(error) });
  }
};

window.command = (command) => {
  if (command.do === "hangup") call.hangup();
  if (command.do === "dtmf") call.dtmf(command.digits);
};
