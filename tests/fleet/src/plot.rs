//! The plot of docs/fleets.md: the number of started processes over time, with one line for each policy.

use std::fmt::Write as _;

use crate::policy::Policy;
use crate::simulation::{Fleet, Outcome};

const PROCESSES: u32 = 10_000;
/// Length of the time axis in seconds.
const SECONDS: f64 = 60.0;
/// The area of the lines: left, top, width, height.
const AREA: (f64, f64, f64, f64) = (80.0, 46.0, 500.0, 300.0);
/// Number of points in a line.
const POINTS: u32 = 250;
/// Colours that are readable on white and on black.
const COLOURS: [&str; 5] = ["#2f81f7", "#d29922", "#db61a2", "#3fb950", "#f85149"];
const GREY: &str = "#848d97";

/// Draws an SVG picture of 10,000 processes with a suitable deadline.
pub fn plot() -> String {
    let bound = Fleet::suited(PROCESSES, Policy::Envconf).bound();
    let mut svg = String::from(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 890 410\" font-family=\"sans-serif\" font-size=\"12\">\n",
    );
    text(
        &mut svg,
        (AREA.0, 24.0),
        "start\" font-size=\"14",
        "10,000 processes start within a second, 300 calls a second",
    );
    axes(&mut svg);
    line(
        &mut svg,
        GREY,
        "6 4",
        &[(0.0, 0.0), (bound, f64::from(PROCESSES)), (SECONDS, f64::from(PROCESSES))],
    );
    label(&mut svg, 0, GREY, "the quota's bound");
    for (at, policy) in Policy::ALL.into_iter().enumerate() {
        let outcome = Fleet::suited(PROCESSES, policy).run();
        line(&mut svg, COLOURS[at], "none", &points(&outcome));
        let gave_up = match outcome.gave_up {
            0 => String::new(),
            number => format!(" ({number} gave up)"),
        };
        label(&mut svg, at + 1, COLOURS[at], &format!("{}{gave_up}", policy.name()));
    }
    svg + "</svg>\n"
}

fn points(outcome: &Outcome) -> Vec<(f64, f64)> {
    let times = (0..=POINTS).map(|at| SECONDS * f64::from(at) / f64::from(POINTS));
    times.map(|time| (time, outcome.up.partition_point(|up| *up <= time) as f64)).collect()
}

fn axes(svg: &mut String) {
    for seconds in (0..=60).step_by(10) {
        let (x, y) = place((f64::from(seconds), 0.0));
        text(svg, (x, y + 18.0), "middle", &format!("{seconds}"));
    }
    for up in (0..=PROCESSES).step_by(2_500) {
        let (x, y) = place((0.0, f64::from(up)));
        let thousands = format!("{},{:03}", up / 1_000, up % 1_000);
        text(svg, (x - 8.0, y + 4.0), "end", if up > 0 { &thousands } else { "0" });
        let _ = writeln!(
            svg,
            r#"<line x1="{x:.1}" y1="{y:.1}" x2="{:.1}" y2="{y:.1}" stroke="{GREY}" stroke-opacity="0.3"/>"#,
            x + AREA.2
        );
    }
    let (middle, bottom) = (AREA.0 + AREA.2 / 2.0, AREA.1 + AREA.3 + 40.0);
    text(svg, (middle, bottom), "middle", "seconds since the first start");
    let (left, middle) = (18.0, AREA.1 + AREA.3 / 2.0);
    let turned = format!("middle\" transform=\"rotate(-90 {left:.1} {middle:.1})");
    text(svg, (left, middle), &turned, "processes that are up");
}

/// Returns grey text with its anchor, which may have other attributes after it.
fn text(svg: &mut String, (x, y): (f64, f64), anchor: &str, text: &str) {
    let _ =
        writeln!(svg, r#"<text x="{x:.1}" y="{y:.1}" fill="{GREY}" text-anchor="{anchor}">{text}</text>"#);
}

fn line(svg: &mut String, colour: &str, dashes: &str, points: &[(f64, f64)]) {
    let _ = write!(
        svg,
        r#"<polyline fill="none" stroke="{colour}" stroke-width="2" stroke-dasharray="{dashes}" points=""#
    );
    for (at, point) in points.iter().enumerate() {
        let (x, y) = place(*point);
        let _ = write!(svg, "{}{x:.1},{y:.1}", if at > 0 { " " } else { "" });
    }
    *svg += "\"/>\n";
}

/// Writes the name of a line in its colour, to the right.
fn label(svg: &mut String, at: usize, colour: &str, text: &str) {
    let (x, y) = (AREA.0 + AREA.2 + 12.0, AREA.1 + 14.0 + 20.0 * at as f64);
    let _ = writeln!(svg, r#"<text x="{x:.1}" y="{y:.1}" fill="{colour}">{text}</text>"#);
}

/// Returns the position of a time and a number of processes.
fn place((seconds, up): (f64, f64)) -> (f64, f64) {
    (AREA.0 + AREA.2 * seconds / SECONDS, AREA.1 + AREA.3 * (1.0 - up / f64::from(PROCESSES)))
}
