//! Measuring in turns: on a machine that others use as well, only what runs side by side compares.
//!
//! In each round every contender takes one turn, so that a busy minute slows all of them. The least turn
//! is what the work costs undisturbed; the median of the ratios within rounds says what a user sees. Work
//! is measured in the time that its thread runs, so that waiting for a processor does not count.

use std::hint::black_box;
use std::time::{Duration, Instant};

use rustix::time::{ClockId, clock_gettime};

/// The turns of one contender, in nanoseconds an operation, one a round.
pub struct Series(Vec<f64>);

impl Series {
    /// Keeps measured turns.
    pub const fn new(nanos: Vec<f64>) -> Self {
        Self(nanos)
    }

    /// Returns the least turn.
    pub fn least(&self) -> f64 {
        self.0.iter().copied().fold(f64::INFINITY, f64::min)
    }

    /// Returns the turn at a fraction of the sorted turns: 0.5 is the median.
    pub fn quantile(&self, fraction: f64) -> f64 {
        quantile(self.0.clone(), fraction)
    }

    /// Returns the median, over all rounds, of this turn divided by the other's turn of the same round.
    pub fn median_ratio(&self, base: &Self) -> f64 {
        quantile(self.0.iter().zip(&base.0).map(|(mine, other)| mine / other).collect(), 0.5)
    }
}

fn quantile(mut values: Vec<f64>, fraction: f64) -> f64 {
    values.sort_by(f64::total_cmp);
    values[((values.len() - 1) as f64 * fraction).round() as usize]
}

/// Places on the stack that turns run at, one after the other.
const DEPTHS: usize = 64;

/// Runs all contenders in turns of about `turn` each. Every other round goes backwards, so that nobody
/// always follows the same neighbour, and every round runs at another place on the stack, where the
/// arithmetic of curves is up to a tenth faster or slower.
pub fn in_turns(contenders: &mut [Box<dyn FnMut() + '_>], rounds: usize, turn: Duration) -> Vec<Series> {
    let repetitions: Vec<u32> = contenders.iter_mut().map(|work| repetitions(work, turn)).collect();
    let mut series: Vec<Vec<f64>> = vec![Vec::with_capacity(rounds); contenders.len()];
    for round in 0..rounds {
        for step in 0..contenders.len() {
            let index = if round % 2 == 0 { step } else { contenders.len() - 1 - step };
            let nanos = deeper(round % DEPTHS, &mut || {
                let start = thread_nanos();
                for _ in 0..repetitions[index] {
                    contenders[index]();
                }
                thread_nanos() - start
            });
            series[index].push(nanos as f64 / f64::from(repetitions[index]));
        }
    }
    series.into_iter().map(Series).collect()
}

/// Runs `work` that many frames deeper on the stack.
#[inline(never)]
fn deeper(depth: usize, work: &mut dyn FnMut() -> i64) -> i64 {
    let frame = black_box([0_u64; 9]);
    let result = if depth == 0 { work() } else { deeper(depth - 1, work) };
    black_box(frame);
    result
}

/// Returns how often `work` runs in about `turn`; this warms it up as well.
fn repetitions(work: &mut dyn FnMut(), turn: Duration) -> u32 {
    let mut count = 1;
    loop {
        let start = Instant::now();
        for _ in 0..count {
            work();
        }
        let elapsed = start.elapsed();
        if elapsed >= turn {
            return count;
        }
        count *= 2;
    }
}

/// Returns for how long this thread has run.
pub fn thread_nanos() -> i64 {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    time.tv_sec * 1_000_000_000 + time.tv_nsec
}
