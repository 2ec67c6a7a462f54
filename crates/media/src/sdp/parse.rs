//! Reads a description tolerantly: telephony's odd shapes pass, what could hurt us is bounded before anything is allocated.
