//! Horizontal bars as SVG, with a background of their own, so that they are legible on light pages and on dark ones.

use std::fmt::Write;

use crate::peers::Kind;

/// One bar.
#[derive(Clone, Debug)]
pub struct Bar {
    /// Whose it is.
    pub name: String,
    /// Which decides its colour.
    pub kind: Kind,
    /// The lengths of its parts, from left to right.
    pub parts: Vec<f64>,
    /// What stands at its end.
    pub label: String,
    /// The least and the greatest of what its whole length is the median of.
    pub spread: Option<(f64, f64)>,
}

/// Bars below each other.
#[derive(Clone, Debug)]
pub struct Chart {
    /// What it shows.
    pub title: String,
    /// How.
    pub subtitle: String,
    /// What the parts of the bars are, from left to right.
    pub legend: Vec<&'static str>,
    /// From top to bottom.
    pub bars: Vec<Bar>,
}

const FONT: &str = "font-family=\"system-ui, -apple-system, 'Segoe UI', 'DejaVu Sans', Helvetica, Arial, sans-serif\"";
const TEXT: &str = "#1f2328";
const FAINT: &str = "#59636e";
const ROW: f64 = 24.0;
const BAR: f64 = 14.0;
const MARGIN: f64 = 20.0;
/// Bars that are longer than so many times the reference are cut, so that the short ones can be told apart.
const CUT: f64 = 4.0;

/// The colours of a bar's parts.
fn colours(kind: Kind) -> [&'static str; 3] {
    match kind {
        Kind::Ringlane => ["#b3400a", "#ee8d4d", "#f8cba8"],
        Kind::Variant => ["#c9743f", "#f0ab7e", "#fbe0cd"],
        Kind::Peer => ["#20558f", "#78a6d6", "#c3d9ef"],
        Kind::Limit => ["#6b7280", "#a9afb8", "#d5d8dd"],
    }
}

impl Chart {
    /// The chart as a document.
    pub fn svg(&self) -> String {
        const WIDTH: f64 = 860.0;
        let names = 130.0;
        let bars_at = MARGIN + names;
        let width = WIDTH - bars_at - MARGIN - 125.0; // The rest is for what stands at their ends.
        let top = 92.0;
        let height = top + self.bars.len() as f64 * ROW + 14.0;
        let mut svg = open(WIDTH, height, &self.title, &self.subtitle);
        legend(
            &mut svg,
            &self.legend,
            74.0,
            self.bars.iter().any(|bar| bar.kind == Kind::Limit),
        );
        let scale = Scale::of(self.bars.iter(), width);
        for (number, bar) in self.bars.iter().enumerate() {
            let y = top + number as f64 * ROW;
            name(&mut svg, bar, bars_at - 10.0, y);
            draw(&mut svg, bar, &scale, bars_at, y);
        }
        svg + "</svg>\n"
    }
}

/// Several charts of the same participants beside each other, in the order of the first: what fits in a README.
pub fn panels(title: &str, subtitle: &str, charts: &[Chart]) -> String {
    const NAMES: f64 = 120.0;
    const PANEL: f64 = 262.0;
    let width = 2.0 * MARGIN + NAMES + PANEL * charts.len() as f64;
    let Some(first) = charts.first() else {
        return open(width, 100.0, title, subtitle) + "</svg>\n";
    };
    // Who takes no part in the first comes after those who do.
    let mut order: Vec<&Bar> = Vec::new();
    for bar in charts.iter().flat_map(|chart| &chart.bars) {
        if !order.iter().any(|earlier| earlier.name == bar.name) {
            order.push(bar);
        }
    }
    let top = 124.0;
    let height = top + order.len() as f64 * ROW + 14.0;
    let mut svg = open(width, height, title, subtitle);
    let has_limits = order.iter().any(|bar| bar.kind == Kind::Limit);
    legend(&mut svg, &first.legend, 74.0, has_limits);
    for (number, bar) in order.iter().enumerate() {
        let y = top + number as f64 * ROW;
        if bar.kind == Kind::Ringlane {
            let _ = writeln!(
                svg,
                "<rect x=\"{x}\" y=\"{y}\" width=\"{wide}\" height=\"{ROW}\" rx=\"4\" fill=\"#fff3ea\"/>",
                x = MARGIN - 8.0,
                wide = width - 2.0 * MARGIN + 16.0,
            );
        }
        name(&mut svg, bar, MARGIN + NAMES - 10.0, y);
    }
    for (column, chart) in charts.iter().enumerate() {
        let x = MARGIN + NAMES + PANEL * column as f64;
        text(&mut svg, (x, 110.0), 13.0, TEXT, "font-weight=\"600\"", &chart.title);
        let scale = Scale::of(chart.bars.iter(), PANEL - 82.0);
        for (number, bar) in order.iter().enumerate() {
            let y = top + number as f64 * ROW;
            match chart.bars.iter().find(|own| own.name == bar.name) {
                Some(own) => draw(&mut svg, own, &scale, x, y),
                None => text(&mut svg, (x, y + 16.0), 11.0, FAINT, "", "takes no part"),
            }
        }
    }
    svg + "</svg>\n"
}

/// How long a bar is drawn.
struct Scale {
    /// What fills the width.
    most: f64,
    width: f64,
}

impl Scale {
    fn of<'a>(bars: impl Iterator<Item = &'a Bar> + Clone, width: f64) -> Scale {
        let length = |bar: &Bar| bar.parts.iter().sum::<f64>();
        let greatest = bars.clone().map(length).fold(0.0, f64::max);
        let ours = bars.clone().find(|bar| bar.kind == Kind::Ringlane).map(length);
        let reference = ours
            .or_else(|| bars.map(length).min_by(f64::total_cmp))
            .unwrap_or(greatest);
        let most = if reference > 0.0 {
            greatest.min(CUT * reference)
        } else {
            greatest
        };
        Scale {
            most: most.max(f64::MIN_POSITIVE),
            width,
        }
    }

    fn pixels(&self, value: f64) -> f64 {
        (value.max(0.0) / self.most).min(1.0) * self.width
    }
}

fn draw(svg: &mut String, bar: &Bar, scale: &Scale, x: f64, y: f64) {
    let y = y + (ROW - BAR) / 2.0;
    let mut sum = 0.0;
    for (part, colour) in bar.parts.iter().zip(colours(bar.kind)) {
        let from = scale.pixels(sum);
        sum += part.max(0.0);
        let wide = scale.pixels(sum) - from;
        let _ = writeln!(
            svg,
            "<rect x=\"{:.1}\" y=\"{y:.1}\" width=\"{wide:.1}\" height=\"{BAR}\" fill=\"{colour}\"/>",
            x + from,
        );
    }
    let is_cut = sum > scale.most * 1.000_001;
    let end = x + scale.pixels(sum);
    if is_cut {
        // Two slanted gaps say that the bar goes on.
        for gap in [14.0, 22.0] {
            let _ = writeln!(
                svg,
                "<path d=\"M{:.1} {:.1} l4 -{}\" stroke=\"#ffffff\" stroke-width=\"3\"/>",
                end - gap,
                y + BAR + 1.0,
                BAR + 2.0,
            );
        }
    }
    let mut label_at = end;
    if let Some((low, high)) = bar.spread.filter(|_| !is_cut) {
        let (from, to) = (x + scale.pixels(low), x + scale.pixels(high));
        let _ = writeln!(
            svg,
            "<path d=\"M{from:.1} {y:.1} v{BAR} M{from:.1} {middle:.1} H{to:.1} M{to:.1} {y:.1} v{BAR}\" \
             stroke=\"{TEXT}\" stroke-width=\"1\" stroke-opacity=\"0.75\" fill=\"none\"/>",
            middle = y + BAR / 2.0,
        );
        label_at = label_at.max(to);
    }
    let weight = if bar.kind == Kind::Ringlane {
        "font-weight=\"700\""
    } else {
        ""
    };
    text(svg, (label_at + 6.0, y + BAR - 3.0), 12.0, TEXT, weight, &bar.label);
}

fn name(svg: &mut String, bar: &Bar, x: f64, y: f64) {
    let (colour, weight) = match bar.kind {
        Kind::Ringlane => (colours(bar.kind)[0], "font-weight=\"700\""),
        Kind::Peer | Kind::Variant => (TEXT, ""),
        Kind::Limit => (FAINT, "font-style=\"italic\""),
    };
    let attributes = format!("text-anchor=\"end\" {weight}");
    text(svg, (x, y + 16.0), 13.0, colour, &attributes, &bar.name);
}

fn open(width: f64, height: f64, title: &str, subtitle: &str) -> String {
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" width=\"{width}\" \
         height=\"{height}\" role=\"img\" aria-label=\"{label}\" {FONT}>\n\
         <rect x=\"0.5\" y=\"0.5\" width=\"{w}\" height=\"{h}\" rx=\"8\" fill=\"#ffffff\" stroke=\"#d1d9e0\"/>\n",
        label = escaped(title),
        w = width - 1.0,
        h = height - 1.0,
    );
    text(&mut svg, (MARGIN, 30.0), 17.0, TEXT, "font-weight=\"600\"", title);
    text(&mut svg, (MARGIN, 50.0), 12.0, FAINT, "", subtitle);
    svg
}

/// What the shades mean, in the colours of each kind.
fn legend(svg: &mut String, parts: &[&'static str], y: f64, has_limits: bool) {
    let mut x = MARGIN;
    let mut kinds = vec![(Kind::Ringlane, "Ringlane"), (Kind::Peer, "peers")];
    if has_limits {
        kinds.push((Kind::Limit, "limits: bare loops"));
    }
    for (kind, name) in kinds {
        for colour in &colours(kind)[..parts.len()] {
            let _ = writeln!(
                svg,
                "<rect x=\"{x}\" y=\"{}\" width=\"11\" height=\"11\" fill=\"{colour}\"/>",
                y - 10.0
            );
            x += 11.0;
        }
        text(svg, (x + 6.0, y), 12.0, FAINT, "", name);
        x += 26.0 + name.chars().count() as f64 * 6.6;
    }
    if parts.len() > 1 {
        let shades = format!("from dark to light: {}", parts.join(", "));
        text(svg, (x, y), 12.0, FAINT, "", &shades);
    }
}

fn text(svg: &mut String, (x, y): (f64, f64), size: f64, colour: &str, attributes: &str, content: &str) {
    let content = escaped(content);
    let _ = writeln!(
        svg,
        "<text x=\"{x:.1}\" y=\"{y:.1}\" font-size=\"{size}\" fill=\"{colour}\" {attributes}>{content}</text>"
    );
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::{Bar, Chart, Scale, panels};
    use crate::peers::Kind;

    fn bar(name: &str, kind: Kind, length: f64) -> Bar {
        Bar {
            name: name.to_owned(),
            kind,
            parts: vec![length / 2.0, length / 2.0],
            label: String::new(),
            spread: None,
        }
    }

    #[test]
    fn the_longest_bar_fills_the_width_and_much_longer_ones_are_cut() {
        let bars = [bar("a", Kind::Ringlane, 10.0), bar("b", Kind::Peer, 30.0)];
        let scale = Scale::of(bars.iter(), 300.0);
        assert_eq!((scale.pixels(10.0), scale.pixels(30.0)), (100.0, 300.0));
        let bars = [bar("a", Kind::Ringlane, 10.0), bar("b", Kind::Peer, 900.0)];
        let scale = Scale::of(bars.iter(), 400.0);
        assert_eq!((scale.pixels(10.0), scale.pixels(900.0)), (100.0, 400.0));
    }

    #[test]
    fn names_cannot_break_the_document() {
        let chart = Chart {
            title: "a < b & \"c\"".to_owned(),
            subtitle: String::new(),
            legend: vec!["user", "system"],
            bars: vec![bar("<b>", Kind::Peer, 1.0)],
        };
        let svg = chart.svg();
        assert!(svg.contains("a &lt; b &amp; &quot;c&quot;") && !svg.contains("<b>"));
        assert!(panels("t", "s", &[chart]).contains("&lt;b&gt;"));
    }
}
