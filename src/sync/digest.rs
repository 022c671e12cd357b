//! SHA-256 sums: of a file's content, and of the listing of a whole tree.

use std::fmt;
use std::str::FromStr;

use sha2::{Digest as _, Sha256};

/// A SHA-256 sum, written as 64 hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Digest(pub [u8; 32]);

impl Digest {
    /// Of records as `find … -print0 | LC_ALL=C sort -z | sha256sum` sees them; sorts them first.
    pub fn of_records(mut records: Vec<Vec<u8>>) -> Self {
        records.sort_unstable();
        let mut sum = Sha256::new();
        for record in records {
            sum.update(&record);
            sum.update(b"\0");
        }
        Self(sum.finalize().into())
    }

    /// Of bytes.
    pub fn of(bytes: &[u8]) -> Self {
        Self(Sha256::digest(bytes).into())
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Digest({self})")
    }
}

impl FromStr for Digest {
    type Err = hex::FromHexError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut sum = [0; 32];
        hex::decode_to_slice(text, &mut sum)?;
        Ok(Self(sum))
    }
}
