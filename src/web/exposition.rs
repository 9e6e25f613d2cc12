//! How figures are written for Prometheus and its relatives: the text format 0.0.4, or OpenMetrics 1.0.0 for who asks for it.

use std::fmt::Write;

use crate::meter::Spans;

/// Which of the two.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Format {
    /// Prometheus, text format 0.0.4.
    Text,
    /// OpenMetrics 1.0.0.
    OpenMetrics,
}

impl Format {
    /// What an `Accept` asks for. Whoever names OpenMetrics, with whatever weight but 0, gets it, as Prometheus does.
    pub(super) fn accepted(accept: &str) -> Format {
        let wanted = accept.split(',').map(str::trim).any(|range| {
            let mut parts = range.split(';').map(str::trim);
            let is_it = parts.next().is_some_and(|kind| kind.eq_ignore_ascii_case("application/openmetrics-text"));
            let is_none = |part: &str| matches!(part, "q=0" | "q=0.0" | "q=0.00" | "q=0.000");
            let other = |part: &str| part.strip_prefix("version=").is_some_and(|version| !version.starts_with("1.0"));
            is_it && !parts.any(|part| is_none(part) || other(part))
        });
        if wanted { Format::OpenMetrics } else { Format::Text }
    }

    /// The Content-Type.
    pub(super) fn content_type(self) -> &'static str {
        match self {
            Format::Text => "text/plain; version=0.0.4; charset=utf-8",
            Format::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
        }
    }
}

/// A label and its value.
pub(super) type Label<'a> = (&'a str, &'a str);

/// A page of figures.
#[derive(Debug)]
pub(super) struct Page {
    format: Format,
    text: String,
}

impl Page {
    pub(super) fn new(format: Format) -> Page {
        Page { format, text: String::with_capacity(16 << 10) }
    }

    /// What goes up and down: one figure.
    pub(super) fn gauge(&mut self, name: &str, help: &str, value: f64) {
        self.gauges(name, help, [(&[][..], value)]);
    }

    /// … one for each set of labels.
    pub(super) fn gauges<'a>(
        &mut self,
        name: &str,
        help: &str,
        samples: impl IntoIterator<Item = (&'a [Label<'a>], f64)>,
    ) {
        self.head(name, "gauge", help);
        samples.into_iter().for_each(|(labels, value)| self.sample(name, "", labels, value));
    }

    /// What only grows, until the process ends: one figure. `_total` is added to its name.
    pub(super) fn counter(&mut self, name: &str, help: &str, value: f64) {
        self.counters(name, help, [(&[][..], value)]);
    }

    /// … one for each set of labels.
    pub(super) fn counters<'a>(
        &mut self,
        name: &str,
        help: &str,
        samples: impl IntoIterator<Item = (&'a [Label<'a>], f64)>,
    ) {
        match self.format {
            Format::Text => self.head(&format!("{name}_total"), "counter", help),
            Format::OpenMetrics => self.head(name, "counter", help),
        }
        samples.into_iter().for_each(|(labels, value)| self.sample(name, "_total", labels, value));
    }

    /// How long something takes.
    pub(super) fn histogram(&mut self, name: &str, help: &str, spans: &Spans) {
        self.head(name, "histogram", help);
        for (bound, count) in &spans.up_to {
            // Debug writes "1.0", as OpenMetrics wants bounds.
            self.sample(name, "_bucket", &[("le", &format!("{bound:?}"))], *count as f64);
        }
        self.sample(name, "_bucket", &[("le", "+Inf")], spans.count as f64);
        self.sample(name, "_sum", &[], spans.sum);
        self.sample(name, "_count", &[], spans.count as f64);
    }

    /// The page.
    pub(super) fn finish(mut self) -> String {
        if self.format == Format::OpenMetrics {
            self.text.push_str("# EOF\n");
        }
        self.text
    }

    fn head(&mut self, name: &str, kind: &str, help: &str) {
        // Writing into a String does not fail.
        _ = write!(self.text, "# HELP {name} {}\n# TYPE {name} {kind}\n", escaped(help, self.format));
    }

    fn sample(&mut self, name: &str, ending: &str, labels: &[Label<'_>], value: f64) {
        _ = write!(self.text, "{name}{ending}");
        for (place, (label, value)) in labels.iter().enumerate() {
            let before = if place == 0 { '{' } else { ',' };
            _ = write!(self.text, "{before}{label}=\"{}\"", escaped(value, Format::OpenMetrics));
        }
        let after = if labels.is_empty() { "" } else { "}" };
        _ = writeln!(self.text, "{after} {value}");
    }
}

/// Backslashes and line feeds are escaped everywhere; quotes in values, and in OpenMetrics in help as well.
fn escaped(text: &str, format: Format) -> String {
    let text = text.replace('\\', "\\\\").replace('\n', "\\n");
    if format == Format::OpenMetrics { text.replace('"', "\\\"") } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(format: Format) -> String {
        let mut page = Page::new(format);
        page.gauges("up", "Whether \"it\" is.", [(&[("trunk", "a\\b\"c\nd")][..], 1.0)]);
        page.counter("calls", "Calls.", 12.0);
        page.histogram("wait_seconds", "Waits.", &Spans { up_to: vec![(0.001, 1), (1.0, 2)], count: 3, sum: 7.25 });
        page.finish()
    }

    #[test]
    fn a_page_for_prometheus() {
        let expected = r#"# HELP up Whether "it" is.
# TYPE up gauge
up{trunk="a\\b\"c\nd"} 1
# HELP calls_total Calls.
# TYPE calls_total counter
calls_total 12
# HELP wait_seconds Waits.
# TYPE wait_seconds histogram
wait_seconds_bucket{le="0.001"} 1
wait_seconds_bucket{le="1.0"} 2
wait_seconds_bucket{le="+Inf"} 3
wait_seconds_sum 7.25
wait_seconds_count 3
"#;
        assert_eq!(page(Format::Text), expected);
    }

    #[test]
    fn the_same_page_in_open_metrics() {
        let text = page(Format::OpenMetrics);
        assert!(text.contains("# HELP calls Calls.\n# TYPE calls counter\ncalls_total 12\n"), "{text}");
        assert!(text.contains("# HELP up Whether \\\"it\\\" is.\n") && text.ends_with("\n# EOF\n"), "{text}");
    }

    #[test]
    fn open_metrics_is_for_who_asks_for_it() {
        let prometheus = "application/openmetrics-text;version=1.0.0;q=0.5,text/plain;version=0.0.4;q=0.3,*/*;q=0.1";
        assert_eq!(Format::accepted(prometheus), Format::OpenMetrics);
        for other in ["", "*/*", "text/plain;version=0.0.4", "application/openmetrics-text;q=0"] {
            assert_eq!(Format::accepted(other), Format::Text, "{other}");
        }
        assert_eq!(Format::accepted("application/openmetrics-text; version=2.0.0, */*"), Format::Text);
    }
}
