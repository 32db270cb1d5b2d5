//! The k largest values of each row with their places, found on the device.

use burn::tensor::Tensor;

use super::passes::check_finite;
use crate::error::{Result, check_setting};
use crate::tensors::{read, upload};

/// Each of the k is a round of its own over all values.
const MOST: usize = 100;

/// What takes the place of a value that has been found.
const TAKEN: f32 = f32::MIN;

/// `Err` unless the `k` largest of `n` can be asked for.
pub fn check_k(k: usize, n: usize) -> Result<()> {
    check_setting(k >= 1 && k <= n.min(MOST), "k", k, &format!("from 1 to {}", n.min(MOST)))
}

/// The k largest of some rows, largest first; of equal values the first in the row comes first.
#[derive(Default)]
pub struct Strongest {
    /// `[rows, k]` both
    pub places: Vec<u32>,
    pub values: Vec<f32>,
}

/// Finds the `k` largest of each row, all `[rows, n]` on the device. The answer is values and places, `[rows, 2k]`.
pub fn strongest(mut values: Tensor<2>, k: usize) -> Tensor<2> {
    let [_, n] = values.dims();
    let places = upload((0..n).map(|i| i as f32).collect(), [1, n], &values.device()); // exact below 2²⁴
    let (mut largest, mut found) = (Vec::with_capacity(2 * k), Vec::with_capacity(k));
    for _ in 0..k {
        let max = values.clone().max_dim(1);
        // The first place that reaches the maximum: argmax does not say which of equals it gives.
        let lower = values.clone().lower(max.clone()).float() * n as f64;
        let place = (lower + places.clone()).min_dim(1);
        values = values.mask_fill(places.clone().equal(place.clone()), TAKEN);
        largest.push(max);
        found.push(place);
    }
    largest.append(&mut found);
    Tensor::cat(largest, 1)
}

impl Strongest {
    /// Appends rows that [`strongest`] gave.
    pub async fn read(&mut self, found: Tensor<2>) -> Result<()> {
        let width = found.dims()[1];
        let table = read(found).await?.data;
        check_finite(&table)?;
        for row in table.chunks_exact(width) {
            let (values, places) = row.split_at(width / 2);
            self.values.extend_from_slice(values);
            self.places.extend(places.iter().map(|&place| place as u32));
        }
        Ok(())
    }
}
