//! Garbage, seeded: half noise, half valid traffic with some of it changed.

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

/// A login that the sandbox accepts. User 9 is nobody's in the test.
pub(crate) const LOGIN: &str = r#"{"jsonrpc":"2.0","id":"1","method":"login","params":{"login":"demo-9","passwd":"sandbox","User-Agent":{"sdkVersion":"1","data":"x"}}}"#;

const FRAMES: [&str; 8] = [
    LOGIN,
    r#"{"jsonrpc":"2.0","id":"2","method":"telnyx_rtc.gatewayState","params":{}}"#,
    r#"{"jsonrpc":"2.0","id":"3","method":"telnyx_rtc.invite","params":{"sessid":"s","sdp":"v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\na=fingerprint:sha-256 00:11\r\nm=audio 9 UDP/TLS/RTP/SAVPF 111\r\nc=IN IP4 127.0.0.1\r\na=rtpmap:111 opus/48000/2\r\na=ice-ufrag:abcd\r\na=ice-pwd:0123456789012345678901\r\n","dialogParams":{"callID":"8e2f6a1e-0000-4000-8000-000000000001","destination_number":"9196"}}}"#,
    r#"{"jsonrpc":"2.0","id":"4","method":"telnyx_rtc.bye","params":{"dialogParams":{"callID":"8e2f6a1e-0000-4000-8000-000000000001"},"cause":"NORMAL_CLEARING","causeCode":16}}"#,
    r#"{"jsonrpc":"2.0","id":"5","method":"telnyx_rtc.info","params":{"dtmf":"5","dialogParams":{"callID":"x"}}}"#,
    r#"{"jsonrpc":"2.0","id":"6","method":"verto.modify","params":{"action":"hold","dialogParams":{"callID":"x"}}}"#,
    r#"{"jsonrpc":"2.0","id":7,"result":{"method":"telnyx_rtc.ping"}}"#,
    r#"[{"jsonrpc":"2.0","id":8,"method":"echo","params":{"a":[1,2,{"b":null}]}}]"#,
];

/// What a server sends to a client that has logged in.
const SERVER_FRAMES: [&str; 10] = [
    r#"{"jsonrpc":"2.0","id":1,"result":{"message":"logged in","sessid":"5a2e5f3a-0000-4000-8000-000000000001"}}"#,
    r#"{"jsonrpc":"2.0","id":2,"method":"telnyx_rtc.clientReady","params":{"reattached_sessions":[]}}"#,
    r#"{"jsonrpc":"2.0","id":3,"result":{"params":{"state":"REGED"}}}"#,
    r#"{"jsonrpc":"2.0","id":4,"method":"telnyx_rtc.invite","params":{"callID":"8e2f6a1e-0000-4000-8000-000000000002","caller_id_name":"X","caller_id_number":"1","callee_id_number":"2","sdp":"v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\nm=audio 9 UDP/TLS/RTP/SAVPF 111\r\nc=IN IP4 127.0.0.1\r\na=fingerprint:sha-256 00:11\r\na=rtpmap:111 opus/48000/2\r\na=ice-ufrag:abcd\r\na=ice-pwd:0123456789012345678901\r\n"}}"#,
    r#"{"jsonrpc":"2.0","id":5,"method":"telnyx_rtc.ringing","params":{"callID":"8e2f6a1e-0000-4000-8000-000000000002"}}"#,
    r#"{"jsonrpc":"2.0","id":6,"method":"telnyx_rtc.media","params":{"callID":"8e2f6a1e-0000-4000-8000-000000000002","sdp":"v=0\r\n"}}"#,
    r#"{"jsonrpc":"2.0","id":7,"method":"telnyx_rtc.answer","params":{"callID":"8e2f6a1e-0000-4000-8000-000000000002"}}"#,
    r#"{"jsonrpc":"2.0","id":8,"method":"telnyx_rtc.bye","params":{"callID":"8e2f6a1e-0000-4000-8000-000000000002","cause":"USER_BUSY","causeCode":17}}"#,
    r#"{"jsonrpc":"2.0","id":9,"method":"telnyx_rtc.ping","params":{}}"#,
    r#"{"jsonrpc":"2.0","id":null,"error":{"code":-32001,"message":"Authentication Required"}}"#,
];

const LINES: [&str; 14] = [
    r#"{"jsonrpc":"2.0","id":1,"method":"status"}"#,
    r#"{"jsonrpc":"2.0","id":2,"method":"dtmf","params":{"call":"x","digits":"12#"}}"#,
    r#"{"jsonrpc":"2.0","id":3,"method":"mute","params":{"call":"x","on":true}}"#,
    r#"{"jsonrpc":"2.0","id":3,"method":"deaf","params":{"call":"x","on":true}}"#,
    r#"{"jsonrpc":"2.0","id":"a","method":"hangup","params":{"call":"x","cause":"USER_BUSY"}}"#,
    r#"{"jsonrpc":"2.0","id":4,"method":"subscribe"}"#,
    r#"{"jsonrpc":"2.0","id":5,"method":"answer","params":{"call":"x","headers":[{"name":"X-A","value":"b"}]}}"#,
    r#"{"jsonrpc":"2.0","id":6,"method":"transfer","params":{"call":"x","to":"1002"}}"#,
    r#"{"jsonrpc":"2.0","id":7,"method":"message","params":{"account":"none","to":"1002","text":"hello","images":["a"]}}"#,
    r#"{"jsonrpc":"2.0","id":8,"method":"token","params":{"account":"none","token":"a.b.c"}}"#,
    r#"{"jsonrpc":"2.0","id":9,"method":"jsapi","params":{"account":"none","command":"status","data":{"a":[1,2]}}}"#,
    r#"{"jsonrpc":"2.0","id":10,"method":"watch","params":{"account":"none","channels":["a","b"]}}"#,
    r#"{"jsonrpc":"2.0","id":11,"method":"moderate","params":{"call":"x","command":"kick","member":"1","value":2}}"#,
    r#"{"jsonrpc":"2.0","id":12,"method":"switch","params":{"call":"x"}}"#,
];

pub(crate) struct Mutator {
    rng: StdRng,
}

impl Mutator {
    pub(crate) fn seeded(seed: u64) -> Self {
        Self {
            rng: StdRng::seed_from_u64(seed),
        }
    }

    pub(crate) fn noise(&mut self, most: usize) -> Vec<u8> {
        let length = self.rng.random_range(0..=most);
        (0..length).map(|_| self.rng.random()).collect()
    }

    /// A few bytes changed, removed, doubled or cut off.
    pub(crate) fn changed(&mut self, valid: &[u8]) -> Vec<u8> {
        let mut bytes = valid.to_vec();
        for _ in 0..self.rng.random_range(1..=4) {
            if bytes.is_empty() {
                break;
            }
            let at = self.rng.random_range(0..bytes.len());
            match self.rng.random_range(0..4) {
                0 => bytes[at] = self.rng.random(),
                1 => drop(bytes.remove(at)),
                2 => bytes.truncate(at),
                _ => {
                    let end = (at + self.rng.random_range(1..40)).min(bytes.len());
                    let piece = bytes[at..end].to_vec();
                    bytes.splice(at..at, piece);
                }
            }
        }
        bytes
    }

    fn half(&mut self) -> bool {
        self.rng.random()
    }

    /// STUN, DTLS, RTP or RTCP, or nothing of the kind.
    pub(crate) fn datagram(&mut self) -> Vec<u8> {
        if self.half() {
            return self.noise(1500);
        }
        let valid: Vec<u8> = match self.rng.random_range(0..4) {
            // A Binding request without attributes (RFC 8489 section 5).
            0 => [&[0, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42][..], &[7; 12]].concat(),
            // A DTLS 1.2 handshake record (RFC 6347 section 4.1) that holds the head of a ClientHello.
            1 => [
                &[
                    22, 254, 253, 0, 0, 0, 0, 0, 0, 0, 0, 0, 25, 1, 0, 0, 13, 0, 0, 0, 0, 0, 0, 0,
                    13,
                ][..],
                &[0; 13],
            ]
            .concat(),
            // RTP, payload type 111 (RFC 3550 section 5.1).
            2 => [&[0x80, 111, 0, 1, 0, 0, 3, 192, 1, 2, 3, 4][..], &[9; 90]].concat(),
            // A receiver report (RFC 3550 section 6.4.2).
            _ => [&[0x81, 201, 0, 7, 1, 2, 3, 4][..], &[0; 24], &[5; 14]].concat(),
        };
        self.changed(&valid)
    }

    pub(crate) fn control_line(&mut self) -> Vec<u8> {
        let mut line = if self.half() {
            self.noise(2000)
        } else {
            let which = self.rng.random_range(0..LINES.len());
            self.changed(LINES[which].as_bytes())
        };
        line.push(b'\n');
        line
    }

    /// A WebSocket frame with mutated JSON in it, or bytes that are no frame.
    pub(crate) fn frame(&mut self) -> Vec<u8> {
        match self.rng.random_range(0..8) {
            0 => self.noise(200),
            1 => text_frame(&self.noise(500)),
            _ => {
                let which = self.rng.random_range(0..FRAMES.len());
                text_frame(&self.changed(FRAMES[which].as_bytes()))
            }
        }
    }
}

impl Mutator {
    /// A WebSocket frame as a server sends it, with mutated JSON in it, or bytes that are no frame.
    pub(crate) fn server_frame(&mut self) -> Vec<u8> {
        // Rarely: what is no frame, or no text, ends the connection.
        let payload = match self.rng.random_range(0..400) {
            0 => return self.noise(200),
            1 => self.noise(500),
            _ => {
                let which = self.rng.random_range(0..SERVER_FRAMES.len());
                let valid = SERVER_FRAMES[which].as_bytes();
                // Some stay whole, so that what follows them meets a session that has got further.
                if self.half() {
                    valid.to_vec()
                } else {
                    String::from_utf8_lossy(&self.changed(valid))
                        .into_owned()
                        .into_bytes()
                }
            }
        };
        // Without the mask, which a client alone sets.
        let mut frame = vec![0x81];
        match u16::try_from(payload.len()) {
            Ok(length) if length < 126 => frame.push(payload.len().to_le_bytes()[0]),
            Ok(length) => {
                frame.push(126);
                frame.extend(length.to_be_bytes());
            }
            Err(_) => return frame,
        }
        frame.extend(payload);
        frame
    }
}

/// A masked text frame (RFC 6455 section 5.2); the mask is zero.
pub(crate) fn text_frame(payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![0x81];
    match u16::try_from(payload.len()) {
        Ok(length) if length < 126 => frame.push(0x80 | payload.len().to_le_bytes()[0]),
        Ok(length) => {
            frame.push(0x80 | 126);
            frame.extend(length.to_be_bytes());
        }
        Err(_) => {
            frame.push(0x80 | 127);
            frame.extend((payload.len() as u64).to_be_bytes());
        }
    }
    frame.extend([0; 4]);
    frame.extend(payload);
    frame
}
