//! The causes that this exchange gives, beside those that `signaling` has constants for.

use offhook_signaling::cause::Cause;

/// Q.850: no such number.
pub(crate) const UNALLOCATED_NUMBER: u16 = 1;
/// Q.850: no route, which FreeSWITCH says of a number that its dialplan lacks.
pub(crate) const NO_ROUTE_DESTINATION: u16 = 3;
/// Q.850: too many calls.
pub(crate) const SWITCH_CONGESTION: u16 = 42;
/// Q.850: media could not be set up again.
pub(crate) const BEARERCAPABILITY_NOTAVAIL: u16 = 58;
/// FreeSWITCH: the sandbox ends.
pub(crate) const SYSTEM_SHUTDOWN: u16 = 701;
/// FreeSWITCH: nobody is logged in under that name.
pub(crate) const USER_NOT_REGISTERED: u16 = 806;

/// The cause of a number; an unknown number is kept, without a name.
pub(crate) fn cause(code: u16) -> Cause {
    Cause::from_wire(None, Some(code), None)
}
