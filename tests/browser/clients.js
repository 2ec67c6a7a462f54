// The real browser clients behind one small face: start(plan) logs in; command() calls and acts on the call. Whoever calls is answered.

import { TelnyxRTC } from "/node_modules/@telnyx/webrtc/lib/bundle.mjs";
import { connections, watch } from "/levels.js";
import { jssip, sipjs } from "/sip.js";

const failed = (error) => say({ event: "failed", reason: error instanceof Error ? error.message : JSON.stringify(error) });

/// The call that commands are about.
let call;
let dial;
/// What a SIP client can do, in place of the commands below.
let face;

/// A token as a page of an application gets it: from the application's own server.
async function fetchToken(source) {
  const answer = await fetch(source.url, { method: "POST", headers: { authorization: `Bearer ${source.secret}` } });
  if (!answer.ok) throw new Error(`no token: status ${answer.status}`);
  return (await answer.json()).token;
}

/// What the states of the SDK are told as.
const states = { early: "early", active: "active", held: "held", recovering: "recovering", hangup: "ended", destroy: "ended", purge: "ended" };

const clients = {
  async jssip(plan) {
    face = await jssip(plan, failed);
  },

  async sipjs(plan) {
    face = await sipjs(plan, failed);
  },

  async telnyx(plan) {
    const login = plan.anonymous
      ? { anonymous_login: plan.anonymous }
      : plan.token_source
        ? { login_token: await fetchToken(plan.token_source) }
        : { login: plan.login, password: plan.password };
    const client = new TelnyxRTC({ host: plan.server, iceServers: [], enableCallReports: plan.reports ?? false, ...login });
    client.remoteElement = "remote";
    client.on("telnyx.ready", () => say({ event: "ready" }));
    client.on("telnyx.error", (error) => {
      // That a socket is gone is what some stories are about; the client comes back by itself.
      const { code, fatal } = error.error ?? {};
      if (fatal === false) console.warn("error", code);
      else failed(error.error ?? error);
    });
    client.on("telnyx.ai.conversation", (message) => say({ event: "assistant", data: message.params }));
    const told = new Map();
    client.on("telnyx.notification", (notification) => {
      if (notification.type !== "callUpdate") return;
      call = notification.call;
      if (told.get(call.id) === call.state) return;
      const before = told.get(call.id);
      told.set(call.id, call.state);
      if (call.state === "ringing" && call.direction === "inbound") {
        say({ event: "incoming", number: call.options.remoteCallerNumber });
        call.answer();
      }
      const name = states[call.state];
      if (name && name !== states[before]) say(name === "ended" ? { event: name, cause: call.cause } : { event: name });
    });
    dial = (number) => {
      call = client.newCall({ destinationNumber: number, audio: true, iceServers: [], remoteElement: "remote" });
    };
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
      call.answer(stream.getTracks());
      say({ event: "active" });
    });
    dial = (number) => follow(client.call(stream.getTracks(), number));
    say({ event: "ready" });
  },
};

/// Has the SDK restart ICE; tells when the server has answered and the new path stands.
async function restartIce() {
  const connection = connections.at(-1);
  const name = () => /a=ice-ufrag:(\S+)/.exec(connection.remoteDescription?.sdp ?? "")?.[1];
  const before = name();
  const { started, reason } = call.peer.restartIce();
  if (!started) return failed(new Error(`no ICE restart: ${reason}`));
  const look = setInterval(() => {
    if (name() === before || connection.signalingState !== "stable" || !["connected", "completed"].includes(connection.iceConnectionState)) return;
    clearInterval(look);
    say({ event: "restarted" });
  }, 50);
}

const commands = {
  call: ({ number }) => dial(number),
  hangup: () => call.hangup(),
  dtmf: ({ digits }) => call.dtmf(digits),
  hold: () => call.hold(),
  unhold: () => call.unhold(),
  restart_ice: restartIce,
  mark: ({ number }) => say({ event: "marked", number }),
  // The SDK fails without a list of attachments.
  message: ({ text }) => call.sendConversationMessage(text, []),
};

window.start = async (plan) => {
  watch(() => face?.state() ?? call?.state);
  try {
    await clients[plan.client](plan);
  } catch (error) {
    failed(error);
  }
};

window.command = (command) => {
  // What comes of it is told by events.
  const act = face?.[command.do] ?? commands[command.do];
  try {
    Promise.resolve(act(command)).catch(failed);
  } catch (error) {
    failed(error);
  }
};
