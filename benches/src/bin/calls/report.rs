//! Why there are no figures.

use crate::run::Failure;

#[expect(
    clippy::print_stderr,
    reason = "a person reads why there are no figures"
)]
pub(crate) fn complain(failure: &Failure) {
    eprintln!("calls: {failure}");
}
