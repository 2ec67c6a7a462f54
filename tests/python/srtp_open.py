"""Opens SRTP and SRTCP packets with libsrtp. Usage: srtp_open.py PROFILE

A line of standard input is `KEY KIND PACKET`: master key and salt in hex, `rtp` or `rtcp`, the packet in hex. A line of standard output is the
opened packet in hex, or `refused` and why. The packets of one key are those of one direction.
"""

import sys

from pylibsrtp import Error, Policy, Session

PROFILES = {
    "SRTP_AEAD_AES_128_GCM": Policy.SRTP_PROFILE_AEAD_AES_128_GCM,
    "SRTP_AEAD_AES_256_GCM": Policy.SRTP_PROFILE_AEAD_AES_256_GCM,
    "SRTP_AES128_CM_HMAC_SHA1_80": Policy.SRTP_PROFILE_AES128_CM_SHA1_80,
    "SRTP_AES128_CM_HMAC_SHA1_32": Policy.SRTP_PROFILE_AES128_CM_SHA1_32,
}

profile = PROFILES[sys.argv[1]]
sessions = {}
for line in sys.stdin:
    key, kind, packet = line.split()
    if key not in sessions:
        policy = Policy(key=bytes.fromhex(key), ssrc_type=Policy.SSRC_ANY_INBOUND, srtp_profile=profile)
        sessions[key] = Session(policy)
    unprotect = sessions[key].unprotect if kind == "rtp" else sessions[key].unprotect_rtcp
    try:
        print(unprotect(bytes.fromhex(packet)).hex())
    except Error as error:
        print("refused", error)
