//! Our media transport against implementations that share no code of ours.

mod aiortc;
mod browsers;
mod capture;
mod certificates;
mod names;
mod openssl;
mod peer_connection;
mod public;
mod relay;
mod rtpengine;
mod str0m;
mod wiretap;
