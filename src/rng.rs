//! Seeded randomness, the same on every device and in every browser: ChaCha8.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng as _, SeedableRng};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// A stream of random numbers fixed by its seed.
#[derive(Debug, Clone, PartialEq)]
pub struct Rng(ChaCha8Rng);

impl Rng {
    pub fn new(seed: u64) -> Self {
        Self(ChaCha8Rng::seed_from_u64(seed))
    }

    /// Another stream of the same seed, independent of it; stream 0 is [`Rng::new`]'s.
    pub fn substream(seed: u64, stream: u64) -> Self {
        let mut rng = Self::new(seed);
        rng.0.set_stream(stream);
        rng
    }

    /// Uniform in [0, 1), 53 bits.
    pub fn uniform(&mut self) -> f64 {
        (self.0.next_u64() >> 11) as f64 / (1u64 << 53) as f64
    }

    /// Uniform in `0..n` (n > 0), without bias that matters: n is below 2^32.
    pub fn below(&mut self, n: usize) -> usize {
        ((u128::from(self.0.next_u64()) * n as u128) >> 64) as usize
    }

    /// `n` values uniform in [-bound, bound).
    pub fn symmetric(&mut self, n: usize, bound: f64) -> Vec<f32> {
        (0..n).map(|_| ((2.0 * self.uniform() - 1.0) * bound) as f32).collect()
    }

    /// Standard normal (Box–Muller).
    pub fn normal(&mut self) -> f64 {
        (-2.0 * (1.0 - self.uniform()).ln()).sqrt() * (std::f64::consts::TAU * self.uniform()).cos()
    }

    /// The numbers `0..n` in random order (Fisher–Yates).
    pub fn permutation(&mut self, n: usize) -> Vec<u32> {
        let mut order: Vec<u32> = (0..n as u32).collect();
        for i in (1..n).rev() {
            order.swap(i, self.below(i + 1));
        }
        order
    }
}

/// `seed/stream/position`, in hexadecimal.
impl Serialize for Rng {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let seed: String = self.0.get_seed().iter().map(|b| format!("{b:02x}")).collect();
        serializer.serialize_str(&format!("{seed}/{:x}/{:x}", self.0.get_stream(), self.0.get_word_pos()))
    }
}

impl<'de> Deserialize<'de> for Rng {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        parse(&text).ok_or_else(|| de::Error::custom("no state of the random numbers"))
    }
}

fn parse(text: &str) -> Option<Rng> {
    let mut parts = text.split('/');
    let (seed, stream, position) = (parts.next()?, parts.next()?, parts.next()?);
    if seed.len() != 64 || !seed.is_ascii() || parts.next().is_some() {
        return None;
    }
    let mut bytes = [0; 32];
    for (byte, at) in bytes.iter_mut().zip((0..64).step_by(2)) {
        *byte = u8::from_str_radix(seed.get(at..at + 2)?, 16).ok()?;
    }
    let mut rng = ChaCha8Rng::from_seed(bytes);
    rng.set_stream(u64::from_str_radix(stream, 16).ok()?);
    let position = u128::from_str_radix(position, 16).ok()?;
    if position >= 1 << 68 {
        return None; // 2^64 blocks of 16 words
    }
    rng.set_word_pos(position);
    Some(Rng(rng))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_fixes_the_stream_and_a_permutation_holds_every_number() {
        assert_eq!(Rng::new(7).permutation(100), Rng::new(7).permutation(100));
        assert_ne!(Rng::new(7).permutation(100), Rng::new(8).permutation(100));
        let mut sorted = Rng::new(1).permutation(1000);
        sorted.sort();
        assert_eq!(sorted, (0..1000).collect::<Vec<u32>>());
    }

    #[test]
    fn a_stored_stream_goes_on_where_it_was() {
        for used in [0, 1, 7, 1000] {
            let mut rng = Rng::substream(9, 3);
            rng.symmetric(used, 1.0);
            let mut restored: Rng = serde_json::from_str(&serde_json::to_string(&rng).unwrap()).unwrap();
            assert_eq!(restored.permutation(50), rng.permutation(50));
        }
        let seed = "00".repeat(32);
        for bad in ["", "00/0/0", &format!("{seed}/0"), &format!("{seed}/0/-1"), &format!("{seed}/0/100000000000000000"), &format!("{seed}/0/0/0")] {
            assert!(serde_json::from_value::<Rng>(bad.into()).is_err(), "{bad}");
        }
        assert_ne!(Rng::new(9).permutation(50), Rng::substream(9, 3).permutation(50));
    }

    #[test]
    fn symmetric_values_have_the_mean_and_variance_of_a_uniform_law() {
        let x = Rng::new(3).symmetric(100_000, 2.0);
        let mean = x.iter().map(|&v| f64::from(v)).sum::<f64>() / 1e5;
        let var = x.iter().map(|&v| f64::from(v).powi(2)).sum::<f64>() / 1e5;
        assert!(mean.abs() < 0.02 && (var - 4.0 / 3.0).abs() < 0.02, "{mean} {var}");
        assert!(x.iter().all(|v| (-2.0..=2.0).contains(v)));
    }
}
