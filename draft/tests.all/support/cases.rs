//! How property tests choose their cases. An ordinary run takes the same ones every time; `tests/run
//! --long` many more, from a seed that nobody has tried yet and that a failed test shows.
//!
//! Shared by the tests inside the library and those beside it.

use proptest::test_runner::{Config, RngSeed};

/// The seed of ordinary runs.
const ORDINARY: u64 = 20_261_128;
/// How many times more cases a long run has.
const LONG: u32 = 60;

/// So many cases in an ordinary run, and sixty times as many in a long one. `DEPLOYER_TEST_SEED` repeats
/// those of another run.
#[allow(clippy::print_stderr, reason = "only the output of a failed test is shown")]
pub fn cases(ordinary: u32) -> Config {
    let is_long = std::env::var_os("DEPLOYER_TESTS_LONG").is_some();
    let given = std::env::var("DEPLOYER_TEST_SEED").ok();
    let seed = match given {
        Some(text) => text.parse().expect("DEPLOYER_TEST_SEED is a whole number"),
        None if is_long => rand::random::<u64>(),
        None => ORDINARY,
    };
    eprintln!("To repeat this: DEPLOYER_TEST_SEED={seed}");
    Config {
        rng_seed: RngSeed::Fixed(seed),
        cases: if is_long { ordinary * LONG } else { ordinary },
        ..Config::default()
    }
}
