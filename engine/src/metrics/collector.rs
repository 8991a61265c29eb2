//! The cores' metrics as families for a registry: names, helps, labels.

use std::fmt;
use std::iter::once;
use std::time::Duration;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, NoLabelSet};
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::Unit;

use super::snapshot::CoreMetrics;
use crate::server::ServerHandle;

/// The metrics of a server's cores, gathered whenever a registry is encoded. Each has the label `core`, the system's number of
/// the core.
#[derive(Debug)]
pub struct CoreCollector {
    server: ServerHandle,
}

impl CoreCollector {
    /// A collector for a registry of one's own.
    pub fn new(server: ServerHandle) -> CoreCollector {
        CoreCollector { server }
    }
}

impl Collector for CoreCollector {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let cores = self.server.metrics();
        let families = &mut Families {
            encoder: &mut encoder,
            cores: &cores,
        };
        families.requests()?;
        families.latencies()?;
        families.connections()?;
        families.failures()?;
        families.core()
    }
}

/// One more label besides the core's, and a figure.
type Labelled = (Option<(&'static str, String)>, u64);

struct Families<'a, 'b> {
    encoder: &'a mut DescriptorEncoder<'b>,
    cores: &'a [CoreMetrics],
}

impl Families<'_, '_> {
    fn requests(&mut self) -> fmt::Result {
        let help = "Requests answered, by the class of the response's status";
        self.labelled("ringlane_requests", help, |core| {
            let classes = core.requests.iter().zip(1..);
            let labelled = classes.map(|(count, class)| (Some(("class", format!("{class}xx"))), *count));
            labelled.collect()
        })?;
        let help = "Bytes received from clients";
        self.single(
            "ringlane_received",
            help,
            Some(&Unit::Bytes),
            MetricType::Counter,
            |core| core.bytes_received,
        )?;
        let help = "Bytes handed to the system to be sent to clients";
        self.single("ringlane_sent", help, Some(&Unit::Bytes), MetricType::Counter, |core| {
            core.bytes_sent
        })
    }

    fn latencies(&mut self) -> fmt::Result {
        let help = "Time from a request's whole head to its response's head";
        let name = "ringlane_request_duration";
        let kind = MetricType::Histogram;
        let mut family = self.encoder.encode_descriptor(name, help, Some(&Unit::Seconds), kind)?;
        for core in self.cores {
            let seconds = |bound: Option<Duration>| bound.map_or(f64::INFINITY, |bound| bound.as_secs_f64());
            let buckets = core.latencies.buckets.iter();
            let buckets: Vec<_> = buckets.map(|(bound, count)| (seconds(*bound), *count)).collect();
            let (sum, count) = (core.latencies.sum.as_secs_f64(), core.latencies.count());
            let labels = [("core", core.usage.core.to_string())];
            family
                .encode_family(&labels)?
                .encode_histogram::<NoLabelSet>(sum, count, &buckets, None)?;
        }
        Ok(())
    }

    fn connections(&mut self) -> fmt::Result {
        let help = "Connections accepted";
        self.count("ringlane_connections_opened", help, |core| core.connections_opened)?;
        let help = "Connections closed";
        self.count("ringlane_connections_closed", help, |core| core.connections_closed)?;
        let help = "Connections that have left HTTP for another protocol";
        self.count("ringlane_upgrades", help, |core| core.upgrades)?;
        let help = "Connections that are open";
        self.gauge("ringlane_connections", help, |core| core.usage.connections as u64)?;
        let help = "Connections that are not idle: from a request's first byte to its response's last";
        self.gauge("ringlane_exchanges", help, |core| core.usage.exchanges as u64)?;
        let help = "Handlers that wait, streamed responses and upgraded connections";
        self.gauge("ringlane_tasks", help, |core| core.usage.tasks as u64)?;
        let help = "How often accepting was paused because connections_max was reached";
        self.count("ringlane_accept_pauses", help, |core| core.accept_pauses)
    }

    fn failures(&mut self) -> fmt::Result {
        let help = "Requests that the engine refused, by the status of its answer";
        self.labelled("ringlane_refusals", help, |core| {
            let name = |status: Option<u16>| status.map_or("other".to_owned(), |status| status.to_string());
            let refusals = core.refusals.by_status.iter();
            let labelled = refusals.map(|(status, count)| (Some(("status", name(*status))), *count));
            labelled.collect()
        })?;
        let help = "Handlers that panicked";
        self.count("ringlane_handler_panics", help, |core| core.panics)?;
        let help = "Peers that were waited for too long, by what they were waited for";
        self.labelled("ringlane_timeouts", help, |core| {
            let timeouts = core.timeouts;
            let kinds = [
                ("head", timeouts.head),
                ("idle", timeouts.idle),
                ("body", timeouts.body),
                ("write", timeouts.write),
                ("close", timeouts.close),
            ];
            let labelled = kinds.map(|(kind, count)| (Some(("kind", kind.to_owned())), count));
            labelled.into()
        })
    }

    fn core(&mut self) -> fmt::Result {
        let help = "Rounds: how often the core has entered its io_uring";
        self.count("ringlane_rounds", help, |core| core.rounds)?;
        let help = "Completions worked off, without those of timers";
        self.count("ringlane_completions", help, |core| core.completions)?;
        let help = "Receives that found no buffer (ENOBUFS) and were put off";
        self.count("ringlane_receives_starved", help, |core| core.receives_starved)?;
        let help = "Entries that found completions held back because their queue was full";
        self.count("ringlane_completion_overflows", help, |core| core.completion_overflows)?;
        let help = "Pooled buffers that hold something";
        self.gauge("ringlane_buffers_in_use", help, |core| core.usage.buffers as u64)?;
        let help = "Pooled buffers that there are";
        self.gauge("ringlane_buffers", help, |core| core.pool_buffers)?;
        let help = "Pooled buffers that occupy memory";
        self.gauge("ringlane_buffers_resident", help, |core| core.pool_buffers_resident)?;
        let help = "Memory outside of the pool that holds the beginnings of long request heads";
        let unit = Some(&Unit::Bytes);
        self.single("ringlane_long_heads", help, unit, MetricType::Gauge, |core| {
            core.usage.head_bytes as u64
        })
    }

    fn count(&mut self, name: &str, help: &str, figure: impl Fn(&CoreMetrics) -> u64) -> fmt::Result {
        self.single(name, help, None, MetricType::Counter, figure)
    }

    fn labelled(&mut self, name: &str, help: &str, figures: impl Fn(&CoreMetrics) -> Vec<Labelled>) -> fmt::Result {
        self.family(name, help, None, MetricType::Counter, figures)
    }

    fn gauge(&mut self, name: &str, help: &str, figure: impl Fn(&CoreMetrics) -> u64) -> fmt::Result {
        self.single(name, help, None, MetricType::Gauge, figure)
    }

    /// A family of one figure per core.
    fn single(
        &mut self,
        name: &str,
        help: &str,
        unit: Option<&Unit>,
        kind: MetricType,
        figure: impl Fn(&CoreMetrics) -> u64,
    ) -> fmt::Result {
        self.family(name, help, unit, kind, |core| vec![(None, figure(core))])
    }

    fn family(
        &mut self,
        name: &str,
        help: &str,
        unit: Option<&Unit>,
        kind: MetricType,
        figures: impl Fn(&CoreMetrics) -> Vec<Labelled>,
    ) -> fmt::Result {
        let mut family = self.encoder.encode_descriptor(name, help, unit, kind)?;
        for core in self.cores {
            for (label, figure) in figures(core) {
                let labels: Vec<_> = once(("core", core.usage.core.to_string())).chain(label).collect();
                let labels = labels.as_slice();
                let mut metric = family.encode_family(&labels)?;
                if matches!(kind, MetricType::Counter) {
                    metric.encode_counter::<NoLabelSet, u64, u64>(&figure, None)?;
                } else {
                    metric.encode_gauge(&figure)?;
                }
            }
        }
        Ok(())
    }
}
