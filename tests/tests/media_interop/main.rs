//! Our media transport against implementations that share no code of ours.

mod openssl;
mod peer_connection;
mod rtpengine;
