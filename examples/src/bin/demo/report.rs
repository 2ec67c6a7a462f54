//! The HTML report: one file, no script, nothing fetched; it can be mailed as it is.

use std::fmt::Write as _;
use std::path::Path;

use crate::calls::{CallStory, ENOUGH};
use crate::error::Error;
use crate::processes::file;
use crate::timeline::Step;
use crate::wave;

const WIDTH: f64 = 960.0;

/// Writes the page.
pub(crate) fn write(
    page: &Path,
    connect: &[Step],
    stories: &[&CallStory],
    speech: &Path,
) -> Result<(), Error> {
    let played = wave::read(speech).unwrap_or_default();
    let mut html = String::from(HEAD);
    html.push_str("<h1>offhook demo</h1><p>Two real, encrypted WebRTC calls on one machine: speech was played into each, recorded when it \
                   came back, and compared.</p>");
    section(&mut html, "To the server", &time_line(connect));
    for story in stories {
        let heard = wave::read(&story.recording).unwrap_or_default();
        let mut body = figures(story);
        body += &time_line(&story.steps);
        body += &waveforms(&played, &heard);
        body += &bars(
            "jitter, ms",
            story
                .seconds
                .iter()
                .map(|second| (second.at_s, second.jitter_ms)),
        );
        #[expect(clippy::cast_precision_loss, reason = "packets of one second")]
        let lost = story
            .seconds
            .iter()
            .map(|second| (second.at_s, second.lost as f64));
        body += &bars("lost packets", lost);
        section(&mut html, story.title, &body);
    }
    html.push_str("</main></body></html>\n");
    std::fs::write(page, html).map_err(file("cannot write", page))
}

fn section(html: &mut String, title: &str, body: &str) {
    let _ = write!(html, "<section><h2>{}</h2>{body}</section>", escape(title));
}

fn figures(story: &CallStory) -> String {
    let quality = &story.quality;
    let mut rows = vec![
        ("packets sent", quality.packets_sent.to_string()),
        ("packets received", quality.packets_received.to_string()),
        ("packets lost", quality.packets_lost.to_string()),
        ("jitter", format!("{:.2} ms", quality.jitter_ms)),
        (
            "jitter buffer",
            format!("{:.0} ms", quality.jitter_buffer_ms),
        ),
        (
            "round trip",
            quality
                .round_trip_ms
                .map_or_else(|| "not reported".to_owned(), |ms| format!("{ms:.2} ms")),
        ),
        (
            "MOS (E-model)",
            quality
                .mos
                .map_or_else(|| "unknown".to_owned(), |mos| format!("{mos:.2}")),
        ),
    ];
    if let Some(comparison) = &story.comparison {
        let verdict = if comparison.correlation >= ENOUGH {
            "came back"
        } else {
            "did not come back"
        };
        rows.push(("mouth to ear", format!("{:.0} ms", comparison.delay_ms)));
        rows.push((
            "correlation",
            format!("{:.3} ({verdict})", comparison.correlation),
        ));
    }
    let cells = rows
        .iter()
        .map(|(name, value)| format!("<div><dt>{name}</dt><dd>{value}</dd></div>"));
    format!("<dl>{}</dl>", cells.collect::<String>())
}

/// Each step as a dot on one axis of milliseconds, its name under it in a table.
fn time_line(steps: &[Step]) -> String {
    let end = steps.iter().map(|step| step.at_ms).fold(1.0, f64::max);
    let mut svg = format!(
        "<svg viewBox='0 0 {WIDTH} 40' role='img' aria-label='time line'><line x1='10' y1='20' x2='950' y2='20' class='axis'/>"
    );
    for step in steps {
        let x = 10.0 + 940.0 * step.at_ms / end;
        let _ = write!(
            svg,
            "<circle cx='{x:.1}' cy='20' r='5' class='dot'><title>{} {:.1} ms</title></circle>",
            escape(step.name),
            step.at_ms
        );
    }
    svg.push_str("</svg><table>");
    for step in steps {
        let (name, detail) = (escape(step.name), escape(&step.detail));
        let _ = write!(
            svg,
            "<tr><td>{name}</td><td class='ms'>{:.1} ms</td><td>{detail}</td></tr>",
            step.at_ms
        );
    }
    svg.push_str("</table>");
    svg
}

/// What was played above the axis line, what was heard below it, on the same axis of seconds.
fn waveforms(played: &[f32], heard: &[f32]) -> String {
    let samples = played.len().max(heard.len()).max(1);
    #[expect(clippy::cast_precision_loss, reason = "seconds of a short recording")]
    let seconds = samples as f64 / f64::from(wave::RATE);
    let mut svg = format!(
        "<svg viewBox='0 0 {WIDTH} 220' role='img' aria-label='waveforms of what was played and heard'>"
    );
    for (signal, class, base) in [(played, "played", 55.0), (heard, "heard", 155.0)] {
        let _ = write!(
            svg,
            "<path class='{class}' d='{}'/>",
            envelope(signal, samples, base)
        );
    }
    let _ = write!(
        svg,
        "<text x='4' y='14'>played</text><text x='4' y='114'>heard</text><line x1='0' y1='205' x2='{WIDTH}' y2='205' class='axis'/>"
    );
    let mut second = 0.0;
    while second <= seconds {
        let x = WIDTH * second / seconds;
        let _ = write!(
            svg,
            "<line x1='{x:.1}' y1='201' x2='{x:.1}' y2='209' class='axis'/><text x='{x:.1}' y='219'>{second:.0} s</text>"
        );
        second += 1.0;
    }
    svg.push_str("</svg>");
    svg
}

/// The outline of a signal: its extremes per column, as one closed path.
fn envelope(signal: &[f32], samples: usize, base: f64) -> String {
    const COLUMNS: usize = 960;
    let per_column = samples.div_ceil(COLUMNS).max(1);
    let extremes = signal.chunks(per_column).map(|column| {
        column
            .iter()
            .fold((0.0_f64, 0.0_f64), |(low, high), &sample| {
                (low.min(f64::from(sample)), high.max(f64::from(sample)))
            })
    });
    let extremes: Vec<_> = extremes.collect();
    let mut path = format!("M0 {base}");
    for (column, (_, high)) in extremes.iter().enumerate() {
        let _ = write!(path, "L{column} {:.1}", base - 45.0 * high);
    }
    for (column, (low, _)) in extremes.iter().enumerate().rev() {
        let _ = write!(path, "L{column} {:.1}", base - 45.0 * low);
    }
    path.push('Z');
    path
}

/// One bar a second.
fn bars(title: &str, values: impl Iterator<Item = (f64, f64)>) -> String {
    let values: Vec<_> = values.collect();
    let most = values.iter().map(|(_, value)| *value).fold(1.0, f64::max);
    let end = values.iter().map(|(at, _)| *at).fold(1.0, f64::max);
    let mut svg = format!(
        "<svg viewBox='0 0 {WIDTH} 84' role='img' aria-label='{0} per second'><text x='4' y='12'>{0} per second, at most {most:.1}</text>",
        escape(title)
    );
    for (at, value) in values {
        let (x, height) = (4.0 + 930.0 * at / end, 60.0 * value.max(0.0) / most);
        let _ = write!(
            svg,
            "<rect x='{x:.1}' y='{:.1}' width='14' height='{:.1}' class='bar'><title>{at:.0} s: {value:.2}</title></rect>",
            80.0 - height,
            height.max(0.8)
        );
    }
    svg.push_str("</svg>");
    svg
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('\'', "&#39;")
}

const HEAD: &str = "<!doctype html><html lang='en'><head><meta charset='utf-8'><meta name='viewport' content='width=device-width'>\
<title>offhook demo</title><style>\
:root{color-scheme:light dark;--ink:#1b1f24;--soft:#667;--line:#ccd;--paper:#fff;--a:#2463eb;--b:#d9480f}\
@media(prefers-color-scheme:dark){:root{--ink:#e8eaed;--soft:#9aa;--line:#445;--paper:#15181c;--a:#7aa5ff;--b:#ff9860}}\
body{font:15px/1.5 system-ui,sans-serif;color:var(--ink);background:var(--paper);margin:0}\
main{max-width:960px;margin:2rem auto;padding:0 1rem}h1{margin:0}section{border-top:1px solid var(--line);margin-top:2rem}\
dl{display:grid;grid-template-columns:repeat(auto-fit,minmax(9rem,1fr));gap:.5rem 1rem}dt{color:var(--soft);font-size:13px}\
dd{margin:0;font-size:20px;font-variant-numeric:tabular-nums}table{border-collapse:collapse}td{padding:0 1rem 0 0}\
.ms{text-align:right;font-variant-numeric:tabular-nums;color:var(--soft)}svg{width:100%;height:auto;display:block;margin:.5rem 0}\
svg text{font-size:11px;fill:var(--soft)}.axis{stroke:var(--line)}.dot,.bar,.played{fill:var(--a)}.heard{fill:var(--b)}\
</style></head><body><main>";
