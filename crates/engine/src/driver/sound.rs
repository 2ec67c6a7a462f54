//! Opens what a call sends and where what it hears goes, off the shard's task because it may take time.

use std::time::SystemTime;

use offhook_media::audio::program::AudioProgram;
use offhook_media::codec::settings::OpusSettings;
use offhook_media::device::disk::Disk;
use offhook_media::device::open::{RecordingNames, open_sink, open_source};
use offhook_media::graph::sink::Sink;
use offhook_media::graph::source::Source;
use offhook_media::program::Program;
use offhook_signaling::call_id::CallId;
use tokio::task::spawn_blocking;

use crate::config::AudioConfig;
use crate::driver::clock;

/// What a call does with its audio, ready for the worker.
pub(crate) struct Opened {
    pub(crate) program: Box<dyn Program>,
    /// What could not be opened, a sentence each; the program does without.
    pub(crate) faults: Vec<String>,
}

/// Opens input and output of one call. A card may take half a second, a disk on a network longer.
pub(crate) async fn open(audio: AudioConfig, disk: Disk, call: CallId, time: SystemTime) -> Opened {
    let opened = spawn_blocking(move || open_now(&audio, &disk, &call, time)).await;
    opened.unwrap_or_else(|error| {
        let fault = format!("the sound of the call could not be opened: {error}");
        Opened {
            program: program(Source::silence(), Sink::discard()),
            faults: vec![fault],
        }
    })
}

fn open_now(audio: &AudioConfig, disk: &Disk, call: &CallId, time: SystemTime) -> Opened {
    let mut faults = Vec::new();
    let source = open_source(&audio.input, disk).unwrap_or_else(|error| {
        faults.push(error.to_string());
        Source::silence()
    });
    let name = file_name(call.as_str());
    let time = clock::for_file_name(time);
    let sink = open_sink(
        &audio.output,
        RecordingNames {
            call: &name,
            time: &time,
        },
        disk,
    )
    .unwrap_or_else(|error| {
        faults.push(error.to_string());
        Sink::discard()
    });
    Opened {
        program: program(source, sink),
        faults,
    }
}

fn program(source: Source, sink: Sink) -> Box<dyn Program> {
    Box::new(AudioProgram::new(OpusSettings::default(), source, sink))
}

/// A server chooses the names of its calls: nothing of one may lead out of the folder.
fn file_name(call: &str) -> String {
    let safe = |c: char| {
        if c.is_ascii_alphanumeric() || matches!(c, '-' | '_') {
            c
        } else {
            '_'
        }
    };
    call.chars().take(64).map(safe).collect()
}

#[cfg(test)]
mod tests {
    use super::file_name;

    #[test]
    fn a_call_cannot_choose_the_folder_of_its_recording() {
        assert_eq!(file_name("../../etc/passwd"), "______etc_passwd");
        assert_eq!(file_name("5f3b-9a_1"), "5f3b-9a_1");
        assert_eq!(file_name(&"x".repeat(300)).len(), 64);
    }
}
