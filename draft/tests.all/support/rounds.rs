//! How thorough a test is. An ordinary run is short and the same every time; `tests/run --long` does
//! more rounds with numbers that nobody has seen yet.

/// `short` in an ordinary run, `long` in a long one.
pub fn rounds(short: usize, long: usize) -> usize {
    if is_long() { long } else { short }
}

/// Whether this is a long run.
pub fn is_long() -> bool {
    std::env::var_os("DEPLOYER_TESTS_LONG").is_some()
}

/// Numbers that look random and follow from a seed.
pub struct Dice(u64);

impl Dice {
    /// Begins with `DEPLOYER_TEST_SEED` where it is set, otherwise with `ordinary` in an ordinary run
    /// and anywhere in a long one. The seed is printed, so a failure shows how to repeat it.
    #[allow(clippy::print_stderr, reason = "only the output of a failed test is shown")]
    pub fn new(ordinary: u64) -> Self {
        let given = std::env::var("DEPLOYER_TEST_SEED").ok();
        let seed = match given {
            Some(text) => text.parse().expect("DEPLOYER_TEST_SEED is a whole number"),
            None if is_long() => rand::random::<u64>(),
            None => ordinary,
        };
        eprintln!("To repeat this: DEPLOYER_TEST_SEED={seed}");
        Self(seed)
    }

    /// A number below `end`.
    pub fn below(&mut self, end: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % end
    }
}
