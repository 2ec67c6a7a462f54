//! The REST API from request to answer, in a time that a test sets.

mod desk;
mod faults;
mod lists;
mod objects;
