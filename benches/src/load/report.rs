//! What a run found, for people and for programs.

use std::fmt;
use std::time::Duration;

use hdrhistogram::Histogram;
use serde::{Deserialize, Serialize};

/// The figures of one run. They are good for ratios between runs on one machine, and for little else.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// Commands that ended in the measured time.
    pub commands: u64,
    /// Seconds measured.
    pub seconds: f64,
    /// Commands a second.
    pub iops: f64,
    /// Megabytes (10^6 bytes) a second.
    pub mb_per_s: f64,
    /// Median latency in microseconds, from the moment a command was queued to the moment its end was read.
    pub latency_us_p50: f64,
    /// 99th percentile.
    pub latency_us_p99: f64,
    /// 99.9th percentile.
    pub latency_us_p999: f64,
    /// The slowest.
    pub latency_us_max: f64,
    /// Processor seconds that the generator itself used in a second: near 1, it may be what is measured.
    pub generator_load: f64,
}

impl Report {
    pub(crate) fn new(latencies_ns: &Histogram<u64>, measured: Duration, busy: Duration, block_len: u32) -> Self {
        let (commands, seconds) = (latencies_ns.len(), measured.as_secs_f64());
        let us = |quantile| latencies_ns.value_at_quantile(quantile) as f64 / 1000.0;
        let iops = commands as f64 / seconds;
        Report {
            commands,
            seconds,
            iops,
            mb_per_s: iops * f64::from(block_len) / 1e6,
            latency_us_p50: us(0.5),
            latency_us_p99: us(0.99),
            latency_us_p999: us(0.999),
            latency_us_max: latencies_ns.max() as f64 / 1000.0,
            generator_load: busy.as_secs_f64() / seconds,
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{:.0} IOPS, {:.1} MB/s ({} commands in {:.2} s)",
            self.iops, self.mb_per_s, self.commands, self.seconds
        )?;
        write!(
            f,
            "latency p50 {:.1} us, p99 {:.1} us, p99.9 {:.1} us, max {:.1} us; generator load {:.2}",
            self.latency_us_p50, self.latency_us_p99, self.latency_us_p999, self.latency_us_max, self.generator_load
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_follow_from_the_latencies_and_the_time() {
        let mut latencies = Histogram::new(3).unwrap();
        for us in 1..=1000u64 {
            latencies.record(us * 1000).unwrap();
        }
        let report = Report::new(&latencies, Duration::from_secs(2), Duration::from_millis(500), 4096);
        assert_eq!((report.commands, report.iops), (1000, 500.0));
        assert!((report.mb_per_s - 2.048).abs() < 1e-9);
        assert!((report.latency_us_p50 - 500.0).abs() < 1.0 && (report.latency_us_p999 - 999.0).abs() < 2.0);
        assert!((report.generator_load - 0.25).abs() < 1e-9);
    }
}
