//! The k-th largest, by selection.

/// The k-th largest of `values`, the first being the largest; `room` is overwritten. The smallest where there are fewer, `None` where
/// there is none. What is no number counts as the smallest of all.
pub fn kth_largest(values: impl Iterator<Item = f32>, k: usize, room: &mut Vec<u32>) -> Option<f32> {
    room.clear();
    room.extend(values.map(key));
    if room.is_empty() {
        return None;
    }
    let k = k.clamp(1, room.len());
    let at = room.len() - k;
    Some(value(*room.select_nth_unstable(at).1))
}

/// Ordered as the values are.
fn key(x: f32) -> u32 {
    let bits = x.to_bits();
    if x.is_nan() {
        0
    } else if bits >> 31 == 0 {
        bits | 1 << 31
    } else {
        !bits
    }
}

fn value(key: u32) -> f32 {
    f32::from_bits(if key >> 31 == 1 { key ^ 1 << 31 } else { !key })
}

/// 1 where a value reaches the bound, else 0.
pub fn reach(out: &mut [f32], values: &[f32], bound: f32) {
    for (out, x) in out.iter_mut().zip(values) {
        *out = if *x >= bound { 1.0 } else { 0.0 };
    }
}
