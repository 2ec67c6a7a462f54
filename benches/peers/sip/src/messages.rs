//! The messages: what a SIP user agent behind a WebSocket sends and gets all day.

/// Name and text of each.
pub(crate) fn all() -> [(&'static str, String); 4] {
    [
        ("INVITE with SDP", message(INVITE, SDP)),
        ("200 to it, with SDP", message(ANSWER, SDP)),
        ("REGISTER with digest", message(REGISTER, "")),
        ("NOTIFY of presence", message(NOTIFY, PRESENCE)),
    ]
}

/// Lines as they go over the wire, with the length of the body.
fn message(head: &str, body: &str) -> String {
    let body = body.replace('\n', "\r\n");
    let head = head.trim_start().replace('\n', "\r\n");
    format!("{head}Content-Length: {}\r\n\r\n{body}", body.len())
}

const INVITE: &str = r#"
INVITE sip:bob@example.com SIP/2.0
Via: SIP/2.0/WSS b1f0c3d2e4a5.invalid;branch=z9hG4bK7d8a6f3b2c1e4d5f6a7b8c9d
Max-Forwards: 70
From: "Alice Example" <sip:alice@example.com>;tag=9fxced76sl4a8b
To: <sip:bob@example.com>
Call-ID: 0a1b2c3d4e5f60718293a4b5c6d7e8f9
CSeq: 2 INVITE
Contact: <sip:alice@b1f0c3d2e4a5.invalid;transport=ws;ob>;+sip.ice
Proxy-Authorization: Digest username="alice", realm="example.com", nonce="Yk1nT2pJd3pQb1dYa2M5R2Z6", uri="sip:bob@example.com", response="5f4dcc3b5aa765d61d8327deb882cf99a1b2c3d4e5f60718293a4b5c6d7e8f90", algorithm=SHA-256, cnonce="0a4f113b8e2c7d61", qop=auth, nc=00000001
Route: <sip:edge.example.com;transport=ws;lr>
Allow: INVITE, ACK, CANCEL, BYE, UPDATE, PRACK, OPTIONS, INFO, REFER, NOTIFY, MESSAGE, SUBSCRIBE
Supported: replaces, 100rel, timer, gruu, outbound, norefersub, tdialog, 199, histinfo
Session-Expires: 1800
Min-SE: 90
User-Agent: offhook/0.1.0
Content-Type: application/sdp
"#;

const ANSWER: &str = r#"
SIP/2.0 200 OK
Via: SIP/2.0/WSS b1f0c3d2e4a5.invalid;branch=z9hG4bK7d8a6f3b2c1e4d5f6a7b8c9d;rport=51234;received=192.0.2.10
Record-Route: <sip:edge.example.com;transport=ws;lr;did=4a2.7f1>
Record-Route: <sip:core.example.com;lr;ftag=9fxced76sl4a8b>
From: "Alice Example" <sip:alice@example.com>;tag=9fxced76sl4a8b
To: "Bob" <sip:bob@example.com>;tag=as58f4201b
Call-ID: 0a1b2c3d4e5f60718293a4b5c6d7e8f9
CSeq: 2 INVITE
Contact: <sip:bob@198.51.100.7:5066;transport=tcp>
Allow: INVITE, ACK, CANCEL, BYE, UPDATE, PRACK, OPTIONS, INFO, REFER, NOTIFY, MESSAGE
Supported: replaces, timer
Require: timer
Session-Expires: 1800;refresher=uac
P-Asserted-Identity: "Bob" <sip:bob@example.com>
Server: Example PBX 1.2
Content-Type: application/sdp
"#;

const REGISTER: &str = r#"
REGISTER sip:example.com SIP/2.0
Via: SIP/2.0/WSS b1f0c3d2e4a5.invalid;branch=z9hG4bK1c2d3e4f5a6b7c8d9e0f1a2b
Max-Forwards: 70
From: <sip:alice@example.com>;tag=3b2a1c0d9e8f
To: <sip:alice@example.com>
Call-ID: f9e8d7c6b5a493827160f5e4d3c2b1a0
CSeq: 41 REGISTER
Contact: <sip:alice@b1f0c3d2e4a5.invalid;transport=ws;ob>;+sip.instance="<urn:uuid:00000000-0000-4000-8000-000000000001>";reg-id=1;+sip.ice;expires=600
Authorization: Digest username="alice", realm="example.com", nonce="Yk1nT2pJd3pQb1dYa2M5R2Z6", uri="sip:example.com", response="5f4dcc3b5aa765d61d8327deb882cf99a1b2c3d4e5f60718293a4b5c6d7e8f90", algorithm=SHA-256, cnonce="0a4f113b8e2c7d61", qop=auth, nc=00000027
Expires: 600
Supported: path, outbound, gruu
Allow: INVITE, ACK, CANCEL, BYE, UPDATE, PRACK, OPTIONS, INFO, REFER, NOTIFY, MESSAGE, SUBSCRIBE
User-Agent: offhook/0.1.0
"#;

const NOTIFY: &str = r#"
NOTIFY sip:alice@b1f0c3d2e4a5.invalid;transport=ws;ob SIP/2.0
Via: SIP/2.0/WSS edge.example.com:443;branch=z9hG4bKfd3.5a4c1e27000000000000000000000000.0
Via: SIP/2.0/TCP 198.51.100.20:5060;branch=z9hG4bKfd3.91b0aa17000000000000000000000000.0
Max-Forwards: 68
Record-Route: <sip:edge.example.com;transport=ws;lr;did=4a2.7f1>
From: <sip:bob@example.com>;tag=a6a1c5f60faecf035a1ae5b6e96e979a-3b1c
To: <sip:alice@example.com>;tag=77a1c0d9e8f2
Call-ID: 5c6d7e8f90a1b2c3d4e5f60718293a4b
CSeq: 7 NOTIFY
Contact: <sip:presence@198.51.100.20:5060;transport=tcp>
Event: presence
Subscription-State: active;expires=3540
User-Agent: Example Presence
Content-Type: application/pidf+xml
"#;

const PRESENCE: &str = r#"<?xml version="1.0" encoding="UTF-8"?>
<presence xmlns="urn:ietf:params:xml:ns:pidf" entity="sip:bob@example.com">
  <tuple id="bs35r9">
    <status><basic>open</basic></status>
    <contact priority="0.8">sip:bob@example.com</contact>
    <note xml:lang="en">At the desk</note>
    <timestamp>2026-08-27T16:49:29Z</timestamp>
  </tuple>
</presence>
"#;

const SDP: &str = r#"v=0
o=- 4611731400430051336 2 IN IP4 192.0.2.10
s=-
t=0 0
a=group:BUNDLE 0
a=ice-options:ice2
m=audio 51000 UDP/TLS/RTP/SAVPF 111 9 0 8 110 101
c=IN IP4 192.0.2.10
a=mid:0
a=rtcp-mux
a=sendrecv
a=ice-ufrag:F7gI
a=ice-pwd:x9cml/YzichV2+XlhiMu8g
a=fingerprint:sha-256 D2:B9:31:8F:DF:24:D8:0E:ED:D2:EF:25:9E:AF:6F:B8:34:AE:53:9C:E6:F3:8F:F2:64:15:FA:E8:7F:53:2D:38
a=setup:actpass
a=rtpmap:111 opus/48000/2
a=fmtp:111 minptime=10;useinbandfec=1
a=rtpmap:9 G722/8000
a=rtpmap:0 PCMU/8000
a=rtpmap:8 PCMA/8000
a=rtpmap:110 telephone-event/48000
a=fmtp:110 0-15
a=rtpmap:101 telephone-event/8000
a=fmtp:101 0-15
a=ptime:20
a=ssrc:1399694169 cname:user@host
a=candidate:1 1 UDP 2130706431 192.0.2.10 51000 typ host
a=candidate:2 1 UDP 1694498815 203.0.113.4 51000 typ srflx raddr 192.0.2.10 rport 51000
a=end-of-candidates
"#;
