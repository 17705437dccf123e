//! Lines over a logarithmic axis, as SVG.

use std::fmt::Write as _;

/// A line of the chart.
#[derive(Clone, Debug)]
pub(super) struct Line {
    pub(super) name: String,
    /// Any colour that SVG knows.
    pub(super) colour: &'static str,
    /// From left to right; what is below 1 on the axis below is drawn at 1.
    pub(super) points: Vec<(f64, f64)>,
}

const WIDTH: f64 = 720.0;
const HEIGHT: f64 = 400.0;
/// Room for the numbers at the left and below.
const MARGIN: f64 = 56.0;

/// Draws the lines; the axis below is logarithmic, that at the left begins at zero.
pub(super) fn draw(title: &str, below: &str, left: &str, lines: &[Line]) -> String {
    let points = || lines.iter().flat_map(|line| &line.points);
    let right = points().map(|point| point.0).fold(10.0, f64::max).log10();
    let top = points().map(|point| point.1).fold(1.0, f64::max) * 1.1;
    let x = |value: f64| MARGIN + value.max(1.0).log10() / right * (WIDTH - 1.5 * MARGIN);
    let y = |value: f64| HEIGHT - MARGIN - value / top * (HEIGHT - 2.0 * MARGIN);
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" \
         font-family=\"sans-serif\" font-size=\"12\">\n\
         <rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n"
    );
    text(&mut svg, WIDTH / 2.0, 20.0, title);
    text(&mut svg, WIDTH / 2.0, HEIGHT - 12.0, below);
    text(&mut svg, MARGIN, 40.0, left);
    let mut decade = 1.0_f64;
    while decade.log10() <= right {
        line(
            &mut svg,
            "#ddd",
            &[(x(decade), y(0.0)), (x(decade), y(top))],
        );
        text(&mut svg, x(decade), y(0.0) + 16.0, &decade.to_string());
        decade *= 10.0;
    }
    let step = step_of(top);
    let mut mark = 0.0;
    while mark <= top {
        line(
            &mut svg,
            "#ddd",
            &[(x(1.0), y(mark)), (WIDTH - MARGIN / 2.0, y(mark))],
        );
        text(&mut svg, MARGIN - 20.0, y(mark) + 4.0, &mark.to_string());
        mark += step;
    }
    for (entry, row) in lines.iter().zip(0_u8..) {
        let drawn: Vec<(f64, f64)> = entry.points.iter().map(|(a, b)| (x(*a), y(*b))).collect();
        line(&mut svg, entry.colour, &drawn);
        let height = 44.0 + 16.0 * f64::from(row);
        line(
            &mut svg,
            entry.colour,
            &[
                (MARGIN + 20.0, height + 10.0),
                (MARGIN + 44.0, height + 10.0),
            ],
        );
        let name = escaped(&entry.name);
        let _ = writeln!(
            svg,
            "<text x=\"{}\" y=\"{}\">{name}</text>",
            MARGIN + 50.0,
            height + 14.0
        );
    }
    svg + "</svg>\n"
}

/// A round number of which five to ten make up the axis.
fn step_of(top: f64) -> f64 {
    let decade = 10_f64.powf((top / 5.0).log10().floor());
    let times = [5.0, 2.0, 1.0]
        .into_iter()
        .find(|times| top / (times * decade) >= 5.0);
    times.unwrap_or(1.0) * decade
}

fn text(svg: &mut String, x: f64, y: f64, what: &str) {
    let what = escaped(what);
    let _ = writeln!(
        svg,
        "<text x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"middle\">{what}</text>"
    );
}

fn line(svg: &mut String, colour: &str, points: &[(f64, f64)]) {
    let words: Vec<String> = points
        .iter()
        .map(|(x, y)| format!("{x:.1},{y:.1}"))
        .collect();
    let _ = writeln!(
        svg,
        "<polyline fill=\"none\" stroke=\"{colour}\" stroke-width=\"1.5\" points=\"{}\"/>",
        words.join(" ")
    );
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_is_drawn_within_the_picture() {
        let lines = [Line {
            name: "a & b".to_owned(),
            colour: "red",
            points: vec![(1.0, 80.0), (1e6, 220.0)],
        }];
        let svg = draw("title", "sessions", "cycles", &lines);
        assert!(svg.contains("stroke=\"red\"") && svg.contains("a &amp; b"));
        for point in svg.split("points=\"").skip(1) {
            let all = point.split('"').next().unwrap_or_default();
            for pair in all.split_whitespace() {
                let (x, y) = pair.split_once(',').unwrap_or(("-1", "-1"));
                let inside = |word: &str, most: f64| {
                    word.parse()
                        .is_ok_and(|value: f64| (0.0..=most).contains(&value))
                };
                assert!(inside(x, WIDTH) && inside(y, HEIGHT), "{pair}");
            }
        }
    }

    #[test]
    fn marks_are_few_and_round() {
        for (top, step) in [(242.0, 20.0), (100.0, 20.0), (9.0, 1.0)] {
            assert!(
                (step_of(top) - step).abs() < 1e-9,
                "{top}: {}",
                step_of(top)
            );
        }
    }
}
