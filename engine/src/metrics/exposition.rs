//! The two text formats in which metrics are told, and the choice between them.

use std::collections::HashSet;
use std::fmt;

use prometheus_client::encoding::text;
use prometheus_client::registry::Registry;

/// A text format for metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Format {
    /// OpenMetrics 1.0: <https://prometheus.io/docs/specs/om/open_metrics_spec/>.
    OpenMetrics,
    /// Prometheus' own, 0.0.4: <https://prometheus.io/docs/instrumenting/exposition_formats/>.
    Prometheus,
}

/// OpenMetrics where it is named with any weight but zero, as Prometheus itself does; else what everything understands. What
/// else is accepted does not matter: RFC 9110 §12.5.1 lets a server disregard it.
pub(super) fn negotiate<'a>(accept: impl Iterator<Item = &'a [u8]>) -> Format {
    let is_open_metrics = |range: &[u8]| {
        let mut parts = range.split(|byte| *byte == b';').map(<[u8]>::trim_ascii);
        let named = parts
            .next()
            .is_some_and(|name| name.eq_ignore_ascii_case(b"application/openmetrics-text"));
        named && !parts.any(is_zero_weight)
    };
    let mut ranges = accept.flat_map(|value| value.split(|byte| *byte == b','));
    if ranges.any(is_open_metrics) {
        Format::OpenMetrics
    } else {
        Format::Prometheus
    }
}

/// `q=0`, `q=0.`, up to `q=0.000` (RFC 9110 §12.4.2).
fn is_zero_weight(parameter: &[u8]) -> bool {
    let weight = parameter.strip_prefix(b"q=").or_else(|| parameter.strip_prefix(b"Q="));
    weight.is_some_and(|weight| weight.starts_with(b"0") && weight.iter().all(|byte| matches!(byte, b'0' | b'.')))
}

impl Format {
    pub(super) fn content_type(self) -> &'static str {
        match self {
            Format::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
            Format::Prometheus => "text/plain; version=0.0.4; charset=utf-8",
        }
    }

    pub(super) fn encode(self, registry: &Registry) -> Result<String, fmt::Error> {
        let mut encoded = String::with_capacity(16 * 1024);
        text::encode(&mut encoded, registry)?;
        Ok(match self {
            Format::OpenMetrics => encoded,
            Format::Prometheus => to_prometheus(&encoded),
        })
    }
}

/// The differences that matter. In OpenMetrics a counter `x` has the sample `x_total` and an info `y` the sample `y_info`;
/// Prometheus wants metadata of the sample's own name, has no infos, and knows neither units nor an end. Exemplars, which it
/// does not know either, are cut off.
fn to_prometheus(open_metrics: &str) -> String {
    let of_kind = |kind: &str| -> HashSet<&str> {
        let kinds = open_metrics.lines().filter_map(|line| line.strip_prefix("# TYPE "));
        let named = kinds
            .filter_map(|line| line.split_once(' '))
            .filter(|(_, is)| *is == kind);
        named.map(|(name, _)| name).collect()
    };
    let (counters, infos) = (of_kind("counter"), of_kind("info"));
    let suffix = |name: &str| match () {
        () if counters.contains(name) => "_total",
        () if infos.contains(name) => "_info",
        () => "",
    };
    let mut text = String::with_capacity(open_metrics.len());
    for line in open_metrics.lines() {
        let metadata = line.strip_prefix("# ").and_then(|rest| rest.split_once(' '));
        match metadata {
            Some((keyword @ ("HELP" | "TYPE"), rest)) => {
                let (name, rest) = rest.split_once(' ').unwrap_or((rest, ""));
                let rest = match (keyword, rest) {
                    ("TYPE", "info") => "gauge",
                    ("TYPE", "unknown") => "untyped",
                    (_, rest) => rest,
                };
                text.push_str(&format!("# {keyword} {name}{} {rest}\n", suffix(name)));
            }
            None if line.starts_with("# ") => {} // The end.
            Some(_) if line.starts_with("# UNIT ") => {}
            Some(_) | None => {
                text.push_str(without_exemplar(line));
                text.push('\n');
            }
        }
    }
    text
}

/// A sample without the exemplar behind its value. A label's value may contain what begins one, in quotes.
fn without_exemplar(sample: &str) -> &str {
    let mut quoted = false;
    let mut escaped = false;
    for (at, byte) in sample.bytes().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            b'#' if !quoted => return sample[..at].trim_end(),
            _ => {}
        }
    }
    sample
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn open_metrics_is_for_those_who_name_it() {
        let prometheus = "application/openmetrics-text;version=1.0.0;q=0.8,text/plain;version=0.0.4;q=0.7,*/*;q=0.1";
        for (accept, format) in [
            (vec![], Format::Prometheus),
            (vec!["*/*"], Format::Prometheus),
            (vec!["text/plain"], Format::Prometheus),
            (vec![prometheus], Format::OpenMetrics),
            (vec!["text/plain", "Application/OpenMetrics-Text"], Format::OpenMetrics),
            (vec!["application/openmetrics-text; q=0"], Format::Prometheus),
            (vec!["application/openmetrics-text;q=0.000, */*"], Format::Prometheus),
            (vec!["application/openmetrics-text;q=0.001"], Format::OpenMetrics),
            (vec!["application/openmetrics-textual"], Format::Prometheus),
        ] {
            assert_eq!(
                negotiate(accept.iter().map(|value| value.as_bytes())),
                format,
                "{accept:?}"
            );
        }
    }

    #[test]
    fn names_types_and_ends_are_prometheus_own() {
        let open_metrics = "# HELP a A counter.\n# TYPE a counter\na_total 1 # {trace=\"7\"} 1.0\n\
                            # HELP b_bytes A gauge.\n# TYPE b_bytes gauge\n# UNIT b_bytes bytes\nb_bytes{c=\"# \\\" #\"} 2\n\
                            # HELP d An info.\n# TYPE d info\nd_info{v=\"1\"} 1\n# EOF\n";
        let prometheus = "# HELP a_total A counter.\n# TYPE a_total counter\na_total 1\n\
                          # HELP b_bytes A gauge.\n# TYPE b_bytes gauge\nb_bytes{c=\"# \\\" #\"} 2\n\
                          # HELP d_info An info.\n# TYPE d_info gauge\nd_info{v=\"1\"} 1\n";
        assert_eq!(to_prometheus(open_metrics), prometheus);
    }
}
