//! One call of the matrix.

use std::fmt;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use offhook_control::notice::Event;
use offhook_tests::phone::{PATIENCE, Path, Phone};

/// Better pairs are found well before.
const SETTLING: Duration = Duration::from_secs(10);

/// What became of it.
#[derive(Clone, Debug)]
pub(crate) enum Cell {
    /// Each heard the other.
    Heard {
        /// The caller's view.
        caller: Path,
        /// The answerer's.
        answerer: Path,
        /// From the answer to the first sound, at the caller's.
        took: Duration,
    },
    /// It did not come so far; the words stand above, in the test's output.
    Broken,
}

impl fmt::Display for Cell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self::Heard {
            caller,
            answerer,
            took,
        } = self
        else {
            return f.write_str("BROKEN");
        };
        let text = format!(
            "{}>{} {}>{} {}",
            caller.local_kind(),
            caller.remote_kind(),
            answerer.local_kind(),
            answerer.remote_kind(),
            took.as_millis()
        );
        f.write_str(&text)
    }
}

/// A call from one to the other, until each has heard the other's tone and the paths are those wanted, or are not in time.
pub(crate) fn call(
    caller: &Mutex<Phone>,
    answerer: &Mutex<Phone>,
    fits: impl Fn(&Path, &Path) -> bool,
) -> Cell {
    // Who broke before may be at work again.
    let mut caller = caller.lock().unwrap_or_else(|broken| broken.into_inner());
    let mut answerer = answerer.lock().unwrap_or_else(|broken| broken.into_inner());
    let here = caller.control.call(&answerer.number);
    let there = answerer.takes_a_call();
    caller.is_through(&here);
    answerer.is_through(&there);
    caller.hears(&here, answerer.tone);
    answerer.hears(&there, caller.tone);
    let (path, far) = settled((&mut caller, &here), (&mut answerer, &there), fits);
    let cell = Cell::Heard {
        caller: path,
        answerer: far,
        took: until_sound(&caller, &here),
    };
    caller.hangs_up(&here);
    answerer.control.wait_ended(&there, PATIENCE);
    cell
}

/// Both paths, once they are the ones that are wanted: another pair may have been the first that worked.
fn settled(
    (caller, here): (&mut Phone, &str),
    (answerer, there): (&mut Phone, &str),
    fits: impl Fn(&Path, &Path) -> bool,
) -> (Path, Path) {
    let begun = Instant::now();
    loop {
        let (ours, theirs) = (caller.path(here), answerer.path(there));
        if fits(&ours, &theirs) || begun.elapsed() > SETTLING {
            return (ours, theirs);
        }
        caller.listens();
    }
}

fn until_sound(phone: &Phone, call: &str) -> Duration {
    let notices = &phone.control.notices;
    let told = |wanted: fn(&Event) -> bool| {
        let mut own = notices.iter();
        own.find(|notice| notice.call.as_deref() == Some(call) && wanted(&notice.event))
            .map_or(0, |notice| notice.time_ms)
    };
    let answered = told(|event| matches!(event, Event::Answered(_)));
    let sound = told(|event| matches!(event, Event::FirstRtpReceived));
    Duration::from_millis(sound.saturating_sub(answered))
}
