// What is heard and said, of whichever client: levels from the statistics of its connections, pitch and digits from the sound itself.

/// Every peer connection of the page.
export const connections = [];
window.RTCPeerConnection = class extends RTCPeerConnection {
  constructor(...all) {
    super(...all);
    connections.push(this);
  }
};

/// Audio levels of what comes in and of what goes out.
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

const ROWS = [697, 770, 852, 941];
const COLUMNS = [1209, 1336, 1477, 1633];
const KEYS = ["123A", "456B", "789C", "*0#D"];
/// Below this, in dB, nothing is heard.
const SILENCE = -60;

/// Looks at the sound that is played.
class Ear {
  constructor() {
    this.context = new AudioContext();
    this.analyser = new AnalyserNode(this.context, { fftSize: 4096, smoothingTimeConstant: 0 });
    this.bins = new Float32Array(this.analyser.frequencyBinCount);
  }

  listen() {
    const stream = document.getElementById("remote").srcObject;
    if (stream && stream !== this.stream && stream.getAudioTracks().length > 0) {
      this.stream = stream;
      this.source?.disconnect();
      this.source = new MediaStreamAudioSourceNode(this.context, { mediaStream: stream });
      this.source.connect(this.analyser);
    }
    this.analyser.getFloatFrequencyData(this.bins);
    this.width = this.context.sampleRate / this.analyser.fftSize;
  }

  strongest(from = 0, to = this.bins.length) {
    let best = from;
    for (let bin = from; bin < to; bin++) if (this.bins[bin] > this.bins[best]) best = bin;
    return best;
  }

  /// The strongest frequency in hertz; 0 in silence.
  pitch() {
    const best = this.strongest();
    return this.bins[best] > SILENCE ? best * this.width : 0;
  }

  /// The key whose two tones are heard and nothing else as loud.
  digit() {
    const bin = (hertz) => Math.round(hertz / this.width);
    const near = (list, at) => list.findIndex((hertz) => Math.abs(bin(hertz) - at) <= 1);
    const low = this.strongest(bin(300), bin(1075));
    const high = this.strongest(bin(1075), bin(3000));
    const [row, column] = [near(ROWS, low), near(COLUMNS, high)];
    const [one, other] = [this.bins[low], this.bins[high]];
    if (row < 0 || column < 0 || Math.min(one, other) < SILENCE || Math.abs(one - other) > 12) return undefined;
    return KEYS[row][column];
  }
}

/// Tells levels four times a second, and each digit once. `state`: of the call, for those who want to know when a level was.
export function watch(state) {
  const ear = new Ear();
  let digit;
  setInterval(() => {
    ear.listen();
    const heard = ear.digit();
    if (heard !== digit && heard) say({ event: "digit", digit: heard });
    digit = heard;
  }, 25);
  setInterval(async () => {
    const now = await levels();
    if (now.packets > 0) say({ event: "level", ...now, pitch: ear.pitch(), state: state() ?? null });
  }, 250);
}
