//! `offhookd doctor` as a real process: bad set-ups, each finding with its code and place; a good one in silence.

mod clinic;
mod ice;
mod live;
mod offline;
mod servers;
mod tokens;
