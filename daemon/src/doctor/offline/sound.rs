//! Sound devices and files that calls need.

use offhook_engine::config::AudioConfig;
use offhook_engine::driver::sound;

use crate::config::audio;
use crate::config::raw::Text;
use crate::doctor::code::Code;
use crate::doctor::finding::Finding;
use crate::doctor::offline::scene::Scene;

pub(crate) fn check(scene: &Scene<'_>) -> Vec<Finding> {
    let Some(raw) = scene.raw.as_ref().and_then(|raw| raw.audio.as_ref()) else {
        return Vec::new();
    };
    // What cannot be read at all is the config check's to tell.
    let Ok(wanted) = audio::read(Some(raw), scene.folder()) else {
        return Vec::new();
    };
    let AudioConfig { input, output, .. } = wanted;
    let input = AudioConfig {
        input,
        ..AudioConfig::default()
    };
    let output = AudioConfig {
        output,
        ..AudioConfig::default()
    };
    let each = [
        ("input", &raw.input, input),
        ("output", &raw.output, output),
    ];
    each.into_iter()
        .filter_map(|(key, text, audio)| finding(key, text.as_ref()?, &audio, scene))
        .collect()
}

fn finding(key: &str, text: &Text, audio: &AudioConfig, scene: &Scene<'_>) -> Option<Finding> {
    let fault = sound::check(audio).err()?;
    let remedy = if fault.may_pass() {
        "plug it in, or name another one; the daemon starts without it and takes it when it comes"
    } else {
        "correct it: the daemon does not start without"
    };
    Some(Finding::new(
        Code::SoundUnavailable,
        scene.at(text.span().start),
        &format!("`{key}`: {fault}"),
        remedy,
    ))
}
