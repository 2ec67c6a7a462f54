//! The page: what a frame costs by the number of ends, drawn, and the table below it.

use std::fmt::Write;

use crate::runs::{Outcome, Row, Sweep};

const WIDTH: f64 = 900.0;
const HEIGHT: f64 = 420.0;
const LEFT: f64 = 60.0;
const BOTTOM: f64 = 40.0;
/// One for each line; told apart in grey too.
const COLOURS: [&str; 5] = ["#0b6e4f", "#c1440e", "#3b5bdb", "#8a6d00", "#862e9c"];
const DASHES: [&str; 5] = ["", "8 4", "2 3", "10 3 2 3", "5 5"];

/// A page that needs nothing else.
pub(crate) fn page(sweep: &Sweep) -> String {
    format!(
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>Cost of a call's end</title>\
         <style>body{{font:15px sans-serif;max-width:960px;margin:2em auto;color:#222}}table{{border-collapse:collapse}}\
         td,th{{padding:.2em .7em;text-align:right;border-bottom:1px solid #ddd}}td:nth-child(2),th:nth-child(2){{text-align:left}}\
         text{{font:12px sans-serif;fill:#222}}</style><h1>Cost of a call's end</h1>\
         <p>Processor time for each packet of one end: made, protected, sent, received and opened. Both ends of every call in one \
         process on one core, loopback, 50 packets a second each way, {} s for each point.</p>{}{}</html>\n",
        sweep.seconds,
        plot(sweep),
        table(sweep)
    )
}

fn plot(sweep: &Sweep) -> String {
    let figures = sweep.rows.iter().flat_map(|row| &row.outcomes);
    let figures = figures.filter_map(|outcome| Some(outcome.figures()?.cpu_us_per_frame));
    let top = figures.fold(1.0_f64, f64::max) * 1.1;
    let (first, last) = (
        sweep.ends.iter().min().copied().unwrap_or(1),
        sweep.ends.iter().max().copied().unwrap_or(2),
    );
    let (low, high) = (f64::from(first.max(1)).ln(), f64::from(last.max(2)).ln());
    let x = |ends: u32| {
        let share = (f64::from(ends.max(1)).ln() - low) / (high - low).max(1e-9);
        LEFT + share * (WIDTH - LEFT - 140.0)
    };
    let y = |cost: f64| (HEIGHT - BOTTOM) * (1.0 - cost / top) + 10.0;
    let mut svg = format!(
        "<svg viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" aria-label=\"cost of a frame by the number of ends\">"
    );
    for step in 0..=4 {
        let cost = top * f64::from(step) / 4.0;
        let at = y(cost);
        let _ = write!(
            svg,
            "<line x1=\"{LEFT}\" x2=\"{}\" y1=\"{at:.1}\" y2=\"{at:.1}\" stroke=\"#ddd\"/>\
             <text x=\"{}\" y=\"{:.1}\" text-anchor=\"end\">{cost:.0} µs</text>",
            WIDTH - 140.0,
            LEFT - 6.0,
            at + 4.0
        );
    }
    for &ends in &sweep.ends {
        let at = x(ends);
        let _ = write!(
            svg,
            "<text x=\"{at:.1}\" y=\"{}\" text-anchor=\"middle\">{ends}</text>",
            HEIGHT - 8.0
        );
    }
    for (index, row) in sweep.rows.iter().enumerate() {
        svg.push_str(&line(sweep, row, index, &x, &y));
    }
    svg.push_str("</svg>");
    svg
}

fn line(
    sweep: &Sweep,
    row: &Row,
    index: usize,
    x: &dyn Fn(u32) -> f64,
    y: &dyn Fn(f64) -> f64,
) -> String {
    let points = row.outcomes.iter().zip(&sweep.ends);
    let points: Vec<(f64, f64)> = points
        .filter_map(|(outcome, ends)| Some((x(*ends), y(outcome.figures()?.cpu_us_per_frame))))
        .collect();
    let Some(&(last_x, last_y)) = points.last() else {
        return String::new();
    };
    let mut path = String::new();
    for (x, y) in &points {
        let _ = write!(path, "{x:.1},{y:.1} ");
    }
    let colour = COLOURS[index % COLOURS.len()];
    let dash = DASHES[index % DASHES.len()];
    format!(
        "<polyline points=\"{path}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"2\" stroke-dasharray=\"{dash}\"/>\
         <text x=\"{:.1}\" y=\"{:.1}\" style=\"fill:{colour}\">{}</text>",
        last_x + 8.0,
        last_y + 4.0,
        escaped(&row.name)
    )
}

fn table(sweep: &Sweep) -> String {
    let mut rows = String::new();
    for (index, ends) in sweep.ends.iter().enumerate() {
        for row in &sweep.rows {
            let name = escaped(&row.name);
            let cells = match row.outcomes.get(index) {
                Some(Outcome::Ran(figures)) => format!(
                    "<td>{:.2}<td>{:.1}<td>{}<td>{}<td>{:.1}<td>{:.1}<td>{:.1}<td>{:.0}",
                    figures.cpu_us_per_frame,
                    figures.cpu_percent,
                    figures.lost,
                    figures.late,
                    figures.rss_kib_per_call,
                    figures.setup_p50_ms,
                    figures.setup_p99_ms,
                    figures.setups_per_cpu_second
                ),
                Some(Outcome::Failed(why)) => {
                    format!("<td colspan=\"8\">failed: {}", escaped(why))
                }
                Some(Outcome::Overloaded) => {
                    "<td colspan=\"8\">not run: fewer were too many".to_owned()
                }
                None => String::new(),
            };
            let _ = write!(rows, "<tr><td>{ends}<td>{name}{cells}");
        }
    }
    format!(
        "<table><tr><th>ends<th>stack<th>µs a frame<th>% of a core<th>lost<th>late<th>KiB an end<th>set-up p50, ms<th>p99, ms\
         <th>set-ups a CPU second{rows}</table>"
    )
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;")
}
