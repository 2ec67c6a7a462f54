"""An end of a call by aiortc, told what to do by JSON lines on standard input (see tests/src/far_end.rs)."""

import asyncio
import fractions
import json
import math
import sys
import time
import traceback
from array import array

import aioice.ice
from aiortc import MediaStreamTrack, RTCConfiguration, RTCPeerConnection, RTCSessionDescription
from av import AudioFrame, AudioResampler

# Both ends are on loopback, which it leaves out otherwise.
aioice.ice.get_host_addresses = lambda use_ipv4, use_ipv6: ["127.0.0.1"]

RATE = 48000
FRAME = RATE // 50
# The ear listens at this rate, a quarter of a second at a time.
EAR_RATE = 8000
# Peaks below this, out of 32768, are silence.
SILENCE = 300


def say(**event):
    print(json.dumps(event), flush=True)


class Tone(MediaStreamTrack):
    kind = "audio"

    def __init__(self, hertz):
        super().__init__()
        self.step = 2 * math.pi * hertz / RATE
        self.sent = 0
        self.begun = None

    async def recv(self):
        self.begun = self.begun or time.monotonic()
        await asyncio.sleep(max(0, self.begun + self.sent / RATE - time.monotonic()))
        frame = AudioFrame(format="s16", layout="mono", samples=FRAME)
        at = range(self.sent, self.sent + FRAME)
        frame.planes[0].update(array("h", (int(10000 * math.sin(self.step * i)) for i in at)).tobytes())
        frame.pts, frame.sample_rate, frame.time_base = self.sent, RATE, fractions.Fraction(1, RATE)
        self.sent += FRAME
        return frame


def pitch(samples):
    """The frequency of a tone by its crossings of zero; 0 in silence."""
    if max(map(abs, samples)) < SILENCE:
        return 0
    crossings = sum(1 for one, other in zip(samples, samples[1:]) if one < 0 <= other)
    return crossings * EAR_RATE / len(samples)


async def listen(track):
    resampler = AudioResampler(format="s16", layout="mono", rate=EAR_RATE)
    heard = array("h")
    while True:
        for frame in resampler.resample(await track.recv()):
            heard.frombytes(bytes(frame.planes[0])[: 2 * frame.samples])
        while len(heard) >= EAR_RATE // 4:
            part, heard = heard[: EAR_RATE // 4], heard[EAR_RATE // 4 :]
            say(event="level", pitch=pitch(part))


class End:
    connection = None

    async def open(self, command):
        await self.close(command)
        # Without servers: the usual ones are on the Internet.
        self.connection = RTCPeerConnection(RTCConfiguration(iceServers=[]))
        self.listeners = []
        self.connection.on("track", lambda track: self.listeners.append(asyncio.ensure_future(listen(track))))
        self.hertz = command["hertz"]
        say(event="ready")

    async def offer(self, command):
        self.connection.addTrack(Tone(self.hertz))
        await self.describe(await self.connection.createOffer())

    async def answer(self, command):
        await self.connection.setRemoteDescription(RTCSessionDescription(command["sdp"], "offer"))
        self.connection.addTrack(Tone(self.hertz))
        await self.describe(await self.connection.createAnswer())

    async def describe(self, description):
        await self.connection.setLocalDescription(description)
        say(event="description", sdp=self.connection.localDescription.sdp)

    async def accept(self, command):
        await self.connection.setRemoteDescription(RTCSessionDescription(command["sdp"], "answer"))
        say(event="accepted")

    async def close(self, command):
        if self.connection:
            for listener in self.listeners:
                listener.cancel()
            await self.connection.close()
            say(event="closed")
            self.connection = None


async def main():
    lines = asyncio.StreamReader(limit=1 << 20)
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)
    end = End()
    while line := await lines.readline():
        command = json.loads(line)
        try:
            await getattr(end, command["do"])(command)
        except Exception as error:
            traceback.print_exc()
            say(event="failed", reason=repr(error))
    await end.close(None)


asyncio.run(main())
