//! How is a comparison told? As ratios, with how sure they are and how to repeat them.

use std::fmt::Write as _;
use std::fs;

use super::{Contestant, Figures, Measured};

/// A generator that uses more of its processor than this may be what is measured.
const GENERATOR_LOAD_MAX: f64 = 0.9;

/// Rounds that lie further apart than this, as a part of their median, make a ratio a guess.
const SPREAD_MAX: f64 = 0.3;

/// The whole report as Markdown. The first contestant is compared with each of the others.
///
/// # Panics
/// Where a case lacks figures for a contestant.
pub fn report(contestants: &[Contestant], measured: &[Measured], conditions: &str) -> String {
    let (first, others) = contestants.split_first().expect("there is somebody to compare");
    let mut text = format!(
        "# {} beside {}\n\n\
         Ratios of medians, measured by `side-by-side` in one run on one machine. They say how the contestants stand\n\
         to each other under the same conditions; they say nothing of what another machine would show. A ratio of\n\
         commands or bytes above 1 is in favour of {}, one of latency or processor time below 1.\n\n",
        first.name,
        others.iter().map(|other| other.name).collect::<Vec<_>>().join(" and "),
        first.name
    );
    for contestant in contestants {
        let _ = writeln!(text, "- {}: {}", contestant.name, contestant.what);
    }
    let _ = writeln!(text, "\n{conditions}\n");
    let mut header = String::from("| case (connections x depth) |");
    let mut rule = String::from("| --- |");
    for other in others {
        for what in ["throughput", "p99 latency", "processor time per command"] {
            let _ = write!(header, " {what}, {} : {} |", first.name, other.name);
            rule.push_str(" ---: |");
        }
    }
    let _ = writeln!(text, "{header} remarks |\n{rule} --- |");
    for Measured { case, figures } in measured {
        assert_eq!(figures.len(), contestants.len(), "every contestant has figures");
        let _ = write!(text, "| {case} |");
        for other in &figures[1..] {
            let own = &figures[0];
            for ratio in [own.iops / other.iops, own.latency_us_p99 / other.latency_us_p99, own.busy_us / other.busy_us]
            {
                let _ = write!(text, " {} |", shown(ratio));
            }
        }
        let _ = writeln!(text, " {} |", remarks(contestants, figures));
    }
    text.push_str(REPEAT);
    text
}

/// The text of a file that had `old`, once `report` takes the place of the report in it: what stands below `BY_HAND`
/// stays.
pub fn in_place_of(old: &str, report: String) -> String {
    match old.find(BY_HAND) {
        Some(at) => format!("{report}\n{}", &old[at..]),
        None => report,
    }
}

/// Nothing below it comes from this program.
const BY_HAND: &str = "<!-- Below this line nothing is generated. -->";

/// Two digits, because there are no more; a ratio of nothing to nothing is none.
fn shown(ratio: f64) -> String {
    match ratio {
        ratio if !ratio.is_finite() => "-".to_owned(),
        ratio if ratio >= 10.0 => format!("{ratio:.0}"),
        ratio if ratio >= 1.0 => format!("{ratio:.1}"),
        ratio => format!("{ratio:.2}"),
    }
}

fn remarks(contestants: &[Contestant], figures: &[Figures]) -> String {
    let named = |told: &dyn Fn(&Figures) -> Option<String>| -> String {
        let each = contestants.iter().zip(figures);
        let parts: Vec<String> =
            each.filter_map(|(contestant, figures)| Some(format!("{}{}", contestant.name, told(figures)?))).collect();
        parts.join(", ")
    };
    let busy = named(&|figures| (figures.generator_load > GENERATOR_LOAD_MAX).then(String::new));
    let apart = named(&|figures| (figures.spread > SPREAD_MAX).then(|| format!(" {:.0} %", figures.spread * 100.0)));
    let remarks = [("generator busy: ", busy), ("rounds apart: ", apart)];
    let said = remarks.iter().filter(|(_, what)| !what.is_empty()).map(|(head, what)| format!("{head}{what}"));
    said.collect::<Vec<_>>().join("; ")
}

/// What the machine is, and whether it was doing something else: from /proc.
pub fn machine() -> String {
    let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
    let processors = read("/proc/cpuinfo");
    let model = processors.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    let count = processors.lines().filter(|line| line.starts_with("processor")).count();
    let load = read("/proc/loadavg");
    format!(
        "{} ({count} processors), Linux {}, load average before the run {}",
        model.map_or("unknown processor", |(_, model)| model),
        read("/proc/sys/kernel/osrelease").trim(),
        load.split_whitespace().next().unwrap_or("unknown")
    )
}

const REPEAT: &str = "
## How to read it

- The targets run on processor 0, the generator (`ferrite-load`) on processor 1; everything goes over loopback.
- Processor time per command counts all threads of the target, and login and draining with it; it is measured in
  hundredths of a second, so at a depth of 1 it is coarse.
- At a depth of 1 the wake-up of an idle processor is most of what is measured, on virtual machines above all.
- The wire limit answers without looking: what a target loses against it, it loses by its own work.
- Where the generator was busy, its own work is part of what is measured, and that contestant may be faster.
- Where rounds lie apart, the machine did something else as well: repeat such a case before you believe it.
- A ratio within 15 % of 1 is no difference.

## How to repeat it

```text
apt-get install tgt
cargo build --release -p ferrite -p ferrite-benches
.build/release/side-by-side --out benches/RESULTS.md
```
";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ratios_have_two_digits() {
        assert_eq!([0.123, 0.999, 1.04, 9.94, 12.6].map(shown), ["0.12", "1.00", "1.0", "9.9", "13"]);
        assert_eq!([f64::NAN, f64::INFINITY].map(shown), ["-", "-"]);
    }

    #[test]
    fn what_stands_by_hand_below_a_report_stays_when_the_report_is_made_anew() {
        let own = format!("{BY_HAND}\n\n# More\n");
        assert_eq!(in_place_of(&format!("old\n\n{own}"), "new\n".to_owned()), format!("new\n\n{own}"));
        assert_eq!(in_place_of("old\n", "new\n".to_owned()), "new\n");
    }

    #[test]
    fn the_machine_is_described() {
        assert!(machine().contains("processors), Linux "));
    }
}
