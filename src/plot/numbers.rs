//! Numbers as they are written on a plot: no digit that says nothing, no "0.30000000004".

/// Labels for ticks `step` apart, all in the style that the largest of them needs.
pub fn tick_labels(values: &[f64], step: f64) -> Vec<String> {
    let largest = values.iter().fold(0.0_f64, |m, v| m.max(v.abs()));
    let label = |v: f64| {
        if v == 0.0 {
            "0".into()
        } else if !(1e-4..1e9).contains(&largest) {
            scientific(v, (exponent(v) - exponent(step)).clamp(0, 9) as usize, true)
        } else if largest >= 1e6 && step >= 1e4 {
            signed(v, &format!("{}M", plain(v.abs() / 1e6, -exponent(step / 1e6))))
        } else {
            signed(v, &plain(v.abs(), -exponent(step)))
        }
    };
    values.iter().map(|&v| label(v)).collect()
}

/// Labels for the ticks of a logarithmic axis: plain where all of them are short, else powers of ten.
pub fn log_labels(values: &[f64]) -> Vec<String> {
    let short = values.iter().all(|v| (1e-4..1e6).contains(v));
    let label = |v: f64| if short || v == 1.0 || v == 10.0 { plain(v, -exponent(v)) } else { scientific(v, 0, true) };
    values.iter().map(|&v| label(v)).collect()
}

/// A measured value with three significant digits (whole numbers from a thousand up are written out).
pub fn value_label(v: f64) -> String {
    if v.is_nan() {
        return "NaN".into();
    }
    if v.is_infinite() {
        return signed(v, "∞");
    }
    match v.abs() {
        0.0 => "0".into(),
        size if !(1e-3..1e9).contains(&size) => scientific(v, 2, false),
        size if size >= 999_999.5 => {
            let millions = size / 1e6;
            signed(v, &format!("{}M", plain(millions, 2 - exponent_of_rounded(millions))))
        }
        size => signed(v, &plain(size, 2 - exponent_of_rounded(size))),
    }
}

/// `v` ≥ 0 with so many decimals, thousands set off from ten thousand up.
fn plain(v: f64, decimals: i32) -> String {
    let text = format!("{v:.*}", decimals.clamp(0, 12) as usize);
    let (whole, fraction) = match text.split_once('.') {
        Some((whole, fraction)) => (whole, format!(".{fraction}")),
        None => (text.as_str(), String::new()),
    };
    if whole.len() < 5 {
        return text;
    }
    let mut grouped = String::new();
    for (i, digit) in whole.chars().enumerate() {
        if i > 0 && (whole.len() - i).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped + &fraction
}

/// `1.5×10⁻⁷`; with `bare`, `10⁻⁷` for one times a power.
fn scientific(v: f64, decimals: usize, bare: bool) -> String {
    let text = format!("{:.*e}", decimals, v.abs());
    let Some((mantissa, power)) = text.split_once('e') else { return text };
    let power: String = power
        .chars()
        .map(|c| match c {
            '-' => '⁻',
            '1' => '¹',
            '2' => '²',
            '3' => '³',
            '4'..='9' => char::from_u32('⁰' as u32 + (c as u32 - '0' as u32)).unwrap_or(c),
            _ => '⁰',
        })
        .collect();
    signed(v, &if bare && mantissa == "1" { format!("10{power}") } else { format!("{mantissa}×10{power}") })
}

/// With a true minus sign, except before what rounded to zero.
fn signed(v: f64, magnitude: &str) -> String {
    let zero = !magnitude.contains(|c: char| ('1'..='9').contains(&c) || c == '∞');
    if v < 0.0 && !zero { format!("−{magnitude}") } else { magnitude.into() }
}

/// The power of ten of the first digit; forgiving of 0.9999999 where 1 was meant.
pub fn exponent(v: f64) -> i32 {
    let v = v.abs();
    if v > 0.0 && v.is_finite() { (v.log10() + 1e-9).floor() as i32 } else { 0 }
}

/// The power of ten of the first digit once `v` is rounded to three of them: 9.999 counts as 10.
fn exponent_of_rounded(v: f64) -> i32 {
    format!("{v:.2e}").split_once('e').and_then(|(_, power)| power.parse().ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ticks(step: f64, numbers: &[f64]) -> String {
        tick_labels(numbers, step).join(" ")
    }

    #[test]
    fn ticks_have_the_decimals_of_their_step() {
        assert_eq!(ticks(0.1, &[0.0, 0.1, 0.2, 0.1 * 3.0]), "0 0.1 0.2 0.3");
        assert_eq!(ticks(0.05, &[0.95, 1.0, 1.05]), "0.95 1.00 1.05");
        assert_eq!(ticks(2.0, &[-2.0, 0.0, 2.0]), "−2 0 2");
        assert_eq!(ticks(1000.0, &[0.0, 1000.0, 2000.0]), "0 1000 2000");
        assert_eq!(ticks(5000.0, &[5000.0, 10_000.0, 15_000.0]), "5000 10,000 15,000");
        assert_eq!(ticks(500_000.0, &[0.0, 500_000.0, 1e6, 1.5e6]), "0 0.5M 1.0M 1.5M");
        assert_eq!(ticks(5e-5, &[0.0, 5e-5, 1e-4, 1.5e-4]), "0 0.00005 0.00010 0.00015");
        assert_eq!(ticks(2e-7, &[0.0, 2e-7, 4e-7]), "0 2×10⁻⁷ 4×10⁻⁷");
        assert_eq!(ticks(5e11, &[0.0, 5e11, 1e12]), "0 5×10¹¹ 1.0×10¹²");
    }

    #[test]
    fn logarithmic_ticks_stand_for_themselves() {
        assert_eq!(log_labels(&[1e-4, 0.002, 0.5, 1.0, 10.0, 20_000.0]).join(" "), "0.0001 0.002 0.5 1 10 20,000");
        assert_eq!(log_labels(&[1e-6, 1e-3, 0.5, 1.0, 10.0, 2e12]).join(" "), "10⁻⁶ 10⁻³ 5×10⁻¹ 1 10 2×10¹²");
    }

    #[test]
    fn values_have_three_digits() {
        for (v, text) in [
            (0.0, "0"),
            (-0.0, "0"),
            (0.031_23, "0.0312"),
            (0.3, "0.300"),
            (5.331_855_8, "5.33"),
            (9.999, "10.0"),
            (99.96, "100"),
            (-12.345, "−12.3"),
            (999.7, "1000"),
            (1234.4, "1234"),
            (23_456.7, "23,457"),
            (999_999.9, "1.00M"),
            (1.234e6, "1.23M"),
            (2.5e9, "2.50×10⁹"),
            (0.000_012_3, "1.23×10⁻⁵"),
            (-4.2e-300, "−4.20×10⁻³⁰⁰"),
            (f64::MAX, "1.80×10³⁰⁸"),
            (f64::NAN, "NaN"),
            (f64::INFINITY, "∞"),
            (f64::NEG_INFINITY, "−∞"),
        ] {
            assert_eq!(value_label(v), text);
        }
    }

    #[test]
    fn a_number_that_rounds_to_zero_has_no_sign() {
        assert_eq!(ticks(0.1, &[-1e-17, 0.1]), "0.0 0.1");
        assert_eq!(value_label(-0.0), "0");
    }
}
