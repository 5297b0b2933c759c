//! One case, measured for every contestant in turns.

use std::net::TcpStream;
use std::thread;
use std::time::Duration;

use ferrite_iscsi::initiator::{Answer, Completion, Initiator, Request, Settings, cdb};

use super::{Case, Contestant, Error};
use crate::load::{Access, Options, Pattern, Report, run};

/// Bytes of a filling write, and how many are in flight.
const FILL_LEN: u64 = 256 << 10;
const FILL_DEPTH: usize = 8;

/// Medians over the rounds of one contestant in one case.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Figures {
    /// Commands a second.
    pub iops: f64,
    /// 99th percentile of the latency in microseconds.
    pub latency_us_p99: f64,
    /// The target's processor time for a command, in microseconds.
    pub busy_us: f64,
    /// (highest - lowest) / median of the commands a second.
    pub spread: f64,
    /// The highest load of the generator's processor in any round.
    pub generator_load: f64,
}

/// One case with the figures of each contestant, in the order they were given.
#[derive(Debug, Clone, PartialEq)]
pub struct Measured {
    /// What was measured.
    pub case: Case,
    /// What came of it.
    pub figures: Vec<Figures>,
}

/// Writes the whole unit once: a memory disk that was never written answers reads from one page of zeroes.
///
/// # Errors
/// Those of the connection, and of any write.
pub fn prefill(contestant: &Contestant) -> Result<(), Error> {
    let failed = |error: ferrite_iscsi::initiator::Error| Error::Contestant(format!("{}: {error}", contestant.name));
    let stream = TcpStream::connect(contestant.address).map_err(Error::system(contestant.name))?;
    stream.set_nodelay(true).map_err(Error::system(contestant.name))?;
    let settings = Settings::normal("iqn.2026-11.org.ferrite:fill", contestant.target.as_str());
    let mut initiator = Initiator::login(stream, &settings).map_err(failed)?;
    // The peer counts no R2Ts.
    initiator.manners.check_exp_data_sn = false;
    initiator.settle(contestant.lun).map_err(failed)?;
    let capacity = initiator.read_capacity(contestant.lun).map_err(failed)?;
    let blocks = FILL_LEN / u64::from(capacity.block_size);
    let mut pattern: Vec<u8> = (0..FILL_LEN).map(|at| (at / 8) as u8 | 1).collect();
    for (index, lba) in (0..capacity.blocks / blocks).map(|index| index * blocks).enumerate() {
        pattern[..8].copy_from_slice(&lba.to_be_bytes());
        let request = Request::new(contestant.lun, &cdb::write16(lba, blocks as u32)).writing(pattern.clone());
        initiator.submit(&request).map_err(failed)?;
        if index >= FILL_DEPTH {
            good(initiator.complete().map_err(failed)?)?;
        }
    }
    while initiator.in_flight() > 0 {
        good(initiator.complete().map_err(failed)?)?;
    }
    initiator.logout().map_err(failed).map(drop)
}

fn good(completion: Completion) -> Result<(), Error> {
    match completion.answer {
        Answer::Scsi(result) if result.is_good() => Ok(()),
        answer => Err(Error::Contestant(format!("a filling write ended with {answer:?}"))),
    }
}

/// Measures `case` for all contestants: `rounds` rounds of `measured` each, the generator on processor `cpu`.
///
/// # Errors
/// Where any run fails: half a comparison is none.
pub fn measure(
    contestants: &[Contestant],
    case: Case,
    rounds: usize,
    measured: Duration,
    cpu: usize,
) -> Result<Measured, Error> {
    let mut all = vec![Vec::new(); contestants.len()];
    for round in 0..rounds {
        let mut order: Vec<usize> = (0..contestants.len()).collect();
        if round % 2 == 1 {
            order.reverse();
        }
        for index in order {
            all[index].push(one(&contestants[index], case, measured, cpu)?);
        }
    }
    Ok(Measured { case, figures: all.iter().map(|runs| figures(runs)).collect() })
}

/// One run: what the generator found, and the target's processor time for each command.
fn one(contestant: &Contestant, case: Case, measured: Duration, cpu: usize) -> Result<(Report, f64), Error> {
    let options = Options {
        address: contestant.address,
        target: contestant.target.clone(),
        lun: contestant.lun,
        pattern: Pattern { access: if case.writes { Access::Write } else { Access::Read }, random: case.random() },
        block_len: case.block_len,
        depth: case.depth,
        connections: case.connections,
        measured,
        warmup: measured / 5,
        digests: false,
        pin: Some(cpu),
        spin: false,
    };
    let before = contestant.busy()?;
    // A thread of its own, so that the pinning ends with the run.
    let report = thread::scope(|scope| scope.spawn(|| run(&options)).join().expect("the generator does not panic"));
    let report = report.map_err(|source| Error::Run { contestant: contestant.name, case: case.to_string(), source })?;
    // Login, warm-up and draining are in this time too; the warm-up is a fifth of what is counted.
    let busy = contestant.busy()?.saturating_sub(before);
    let busy_us = busy.as_secs_f64() * 1e6 / (report.commands as f64 * 1.2).max(1.0);
    Ok((report, busy_us))
}

fn figures(runs: &[(Report, f64)]) -> Figures {
    let iops: Vec<f64> = runs.iter().map(|(report, _)| report.iops).collect();
    let lowest = iops.iter().copied().fold(f64::INFINITY, f64::min);
    let highest = iops.iter().copied().fold(0.0, f64::max);
    let middle = median(iops);
    Figures {
        iops: middle,
        latency_us_p99: median(runs.iter().map(|(report, _)| report.latency_us_p99).collect()),
        busy_us: median(runs.iter().map(|(_, busy)| *busy).collect()),
        spread: (highest - lowest) / middle,
        generator_load: runs.iter().map(|(report, _)| report.generator_load).fold(0.0, f64::max),
    }
}

fn median(mut values: Vec<f64>) -> f64 {
    assert!(!values.is_empty(), "a case has at least one round");
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    if values.len() % 2 == 1 { values[middle] } else { (values[middle - 1] + values[middle]) / 2.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_lies_in_the_middle() {
        assert_eq!(median(vec![3.0]), 3.0);
        assert_eq!(median(vec![9.0, 1.0, 2.0]), 2.0);
        assert_eq!(median(vec![4.0, 1.0, 2.0, 100.0]), 3.0);
    }

    #[test]
    fn figures_are_medians_and_the_worst_of_the_rest() {
        let report = |iops, load| Report {
            commands: 1,
            seconds: 1.0,
            iops,
            mb_per_s: 0.0,
            latency_us_p50: 0.0,
            latency_us_p99: iops / 10.0,
            latency_us_p999: 0.0,
            latency_us_max: 0.0,
            generator_load: load,
        };
        let runs = [(report(100.0, 0.2), 1.0), (report(80.0, 0.9), 3.0), (report(120.0, 0.1), 2.0)];
        let figures = figures(&runs);
        assert_eq!((figures.iops, figures.latency_us_p99, figures.busy_us), (100.0, 10.0, 2.0));
        assert_eq!((figures.spread, figures.generator_load), (0.4, 0.9));
    }
}
