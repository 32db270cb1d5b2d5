//! The quantile function of the standard normal law.

use std::f64::consts::PI;

/// The z below which a standard normal variable lies with `probability`, within 1e-8 of it.
///
/// Abramowitz & Stegun 26.2.23 for a start, then Newton's steps on the distribution function.
pub fn quantile(probability: f64) -> f64 {
    if probability <= 0.0 || probability >= 1.0 {
        return if probability <= 0.0 { f64::NEG_INFINITY } else { f64::INFINITY };
    }
    let tail = probability.min(1.0 - probability);
    let t = (-2.0 * tail.ln()).sqrt();
    let mut z = t - (2.515517 + 0.802853 * t + 0.010328 * t * t) / (1.0 + 1.432788 * t + 0.189269 * t * t + 0.001308 * t * t * t);
    for _ in 0..3 {
        let density = (-z * z / 2.0).exp() / (2.0 * PI).sqrt();
        z += (upper(z) - tail) / density;
    }
    if probability < 0.5 { -z } else { z }
}

/// 1 − Φ(z) for z ≥ 0, roughly: a series near 0, a continued fraction further out.
fn upper(z: f64) -> f64 {
    let density = (-z * z / 2.0).exp() / (2.0 * PI).sqrt();
    if z < 3.0 {
        // Φ(z) = 1/2 + φ(z) (z + z³/3 + z⁵/(3·5) + …)
        let (mut term, mut sum, mut odd) = (z, z, 1.0);
        while term.abs() > 1e-17 {
            odd += 2.0;
            term *= z * z / odd;
            sum += term;
        }
        return 0.5 - density * sum;
    }
    // φ(z) / (z + 1 / (z + 2 / (z + 3 / …)))
    let fraction = (1..=200).rev().fold(z, |below, k| z + f64::from(k) / below);
    density / fraction
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_those_of_the_tables() {
        for (p, z) in [
            (0.5, 0.0),
            (0.9, 1.2815515655446004),
            (0.975, 1.959963984540054),
            (0.99, 2.3263478740408408),
            (0.999, 3.090232306167813),
            (1e-6, -4.753424308822899),
        ] {
            assert!((quantile(p) - z).abs() < 1e-8, "{p}: {} against {z}", quantile(p));
        }
        assert_eq!(quantile(0.3), -quantile(0.7));
    }
}
