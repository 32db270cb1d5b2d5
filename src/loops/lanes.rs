//! Four f32 that are computed with together: WebAssembly's `v128`, elsewhere an array that the compiler makes a vector of.

pub use implementation::Lanes;

/// log 2 in two parts, the first with few digits, so that its multiples are exact (Cephes, expf.c).
const LN_2: [f32; 2] = [0.693_359_4, -2.121_944_4e-4];
/// e^x for |x| ≤ (log 2) / 2 as a polynomial, the highest power first (Cephes, expf.c).
const EXP: [f32; 8] = [1.987_569_1e-4, 1.398_199_9e-3, 8.333_452e-3, 4.166_579_6e-2, 1.666_666_5e-1, 0.5, 1.0, 1.0];

#[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
mod implementation {
    use core::arch::wasm32::*;

    use super::{EXP, LN_2};

    #[derive(Clone, Copy)]
    pub struct Lanes(v128);

    impl Lanes {
        #[inline(always)]
        pub fn splat(x: f32) -> Self {
            Self(f32x4_splat(x))
        }

        #[inline(always)]
        pub fn load(x: &[f32; 4]) -> Self {
            // SAFETY: sixteen readable bytes; any alignment will do.
            Self(unsafe { v128_load(x.as_ptr().cast()) })
        }

        #[inline(always)]
        pub fn store(self, to: &mut [f32; 4]) {
            // SAFETY: sixteen writable bytes; any alignment will do.
            unsafe { v128_store(to.as_mut_ptr().cast(), self.0) }
        }

        #[inline(always)]
        pub fn add(self, other: Self) -> Self {
            Self(f32x4_add(self.0, other.0))
        }

        /// `self + a·b`, rounded twice
        #[inline(always)]
        pub fn add_product(self, a: Self, b: Self) -> Self {
            Self(f32x4_add(self.0, f32x4_mul(a.0, b.0)))
        }

        #[inline(always)]
        pub fn total(self) -> f32 {
            let pairs = f32x4_add(self.0, i32x4_shuffle::<2, 3, 0, 1>(self.0, self.0));
            f32x4_extract_lane::<0>(pairs) + f32x4_extract_lane::<1>(pairs)
        }

        /// e^x, within two units in the last place.
        #[inline(always)]
        pub fn exp(self) -> Self {
            let (x, splat) = (f32x4_min(f32x4_max(self.0, f32x4_splat(-104.0)), f32x4_splat(89.0)), f32x4_splat);
            let n = f32x4_nearest(f32x4_mul(x, splat(std::f32::consts::LOG2_E)));
            let r = f32x4_sub(f32x4_sub(x, f32x4_mul(n, splat(LN_2[0]))), f32x4_mul(n, splat(LN_2[1])));
            let mut p = splat(EXP[0]);
            for factor in &EXP[1..] {
                p = f32x4_add(f32x4_mul(p, r), splat(*factor));
            }
            // Two powers of two, of which neither is too large to be a number.
            let n = i32x4_trunc_sat_f32x4(n);
            let half = i32x4_shr(n, 1);
            let power = |n| i32x4_shl(i32x4_add(n, i32x4_splat(127)), 23);
            Self(f32x4_mul(f32x4_mul(p, power(half)), power(i32x4_sub(n, half))))
        }

        /// Rows of a 4 × 4 matrix into its columns.
        #[inline(always)]
        pub fn transpose([a, b, c, d]: [Self; 4]) -> [Self; 4] {
            let (ab, cd) = (i32x4_shuffle::<0, 4, 1, 5>(a.0, b.0), i32x4_shuffle::<0, 4, 1, 5>(c.0, d.0));
            let (ab_high, cd_high) = (i32x4_shuffle::<2, 6, 3, 7>(a.0, b.0), i32x4_shuffle::<2, 6, 3, 7>(c.0, d.0));
            [
                Self(i64x2_shuffle::<0, 2>(ab, cd)),
                Self(i64x2_shuffle::<1, 3>(ab, cd)),
                Self(i64x2_shuffle::<0, 2>(ab_high, cd_high)),
                Self(i64x2_shuffle::<1, 3>(ab_high, cd_high)),
            ]
        }
    }
}

#[cfg(not(all(target_arch = "wasm32", target_feature = "simd128")))]
mod implementation {
    use super::{EXP, LN_2};

    #[derive(Clone, Copy)]
    pub struct Lanes([f32; 4]);

    impl Lanes {
        #[inline(always)]
        pub fn splat(x: f32) -> Self {
            Self([x; 4])
        }

        #[inline(always)]
        pub fn load(x: &[f32; 4]) -> Self {
            Self(*x)
        }

        #[inline(always)]
        pub fn store(self, to: &mut [f32; 4]) {
            *to = self.0;
        }

        #[inline(always)]
        pub fn add(self, other: Self) -> Self {
            Self(std::array::from_fn(|i| self.0[i] + other.0[i]))
        }

        /// `self + a·b`, rounded twice
        #[inline(always)]
        pub fn add_product(self, a: Self, b: Self) -> Self {
            Self(std::array::from_fn(|i| self.0[i] + a.0[i] * b.0[i]))
        }

        #[inline(always)]
        pub fn total(self) -> f32 {
            let [a, b, c, d] = self.0;
            (a + c) + (b + d)
        }

        /// e^x, within two units in the last place.
        #[inline(always)]
        pub fn exp(self) -> Self {
            Self(self.0.map(|x| {
                let x = if x.is_nan() { x } else { x.clamp(-104.0, 89.0) };
                let n = (x * std::f32::consts::LOG2_E).round_ties_even();
                let r = x - n * LN_2[0] - n * LN_2[1];
                let p = EXP[1..].iter().fold(EXP[0], |p, factor| p * r + factor);
                // Two powers of two, of which neither is too large to be a number.
                let n = n as i32;
                let power = |n: i32| f32::from_bits(((n + 127) << 23) as u32);
                p * power(n >> 1) * power(n - (n >> 1))
            }))
        }

        /// Rows of a 4 × 4 matrix into its columns.
        #[inline(always)]
        pub fn transpose(rows: [Self; 4]) -> [Self; 4] {
            std::array::from_fn(|i| Self(std::array::from_fn(|j| rows[j].0[i])))
        }
    }
}
