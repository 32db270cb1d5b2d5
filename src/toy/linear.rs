//! The two linear maps of both models, with a row `[n_hidden]` per feature, and their gradients.

/// Adds Σ_i x_i w_i to `hidden`. Features that are 0 cost nothing.
pub fn write(w: &[f64], x: &[f32], hidden: &mut [f64]) {
    for (&x, row) in x.iter().zip(w.chunks_exact(hidden.len())) {
        if x != 0.0 {
            add(hidden, f64::from(x), row);
        }
    }
}

/// The gradient of [`write`] by its weights.
pub fn write_backward(x: &[f32], d_hidden: &[f64], d_w: &mut [f64]) {
    for (&x, row) in x.iter().zip(d_w.chunks_exact_mut(d_hidden.len())) {
        if x != 0.0 {
            add(row, f64::from(x), d_hidden);
        }
    }
}

/// out_i = w_i · hidden + b_i
pub fn read(w: &[f64], bias: &[f64], hidden: &[f64], out: &mut [f64]) {
    for ((out, bias), row) in out.iter_mut().zip(bias).zip(w.chunks_exact(hidden.len())) {
        *out = bias + dot(row, hidden);
    }
}

/// The gradients of [`read`]: adds those of the weights and biases, and to `d_hidden`. Outputs without a gradient cost nothing.
pub fn read_backward(w: &[f64], hidden: &[f64], d_out: &[f64], d_w: &mut [f64], d_bias: &mut [f64], d_hidden: &mut [f64]) {
    let n_hidden = hidden.len();
    for (i, &d) in d_out.iter().enumerate().filter(|(_, d)| **d != 0.0) {
        let row = i * n_hidden..(i + 1) * n_hidden;
        add(&mut d_w[row.clone()], d, hidden);
        add(d_hidden, d, &w[row]);
        d_bias[i] += d;
    }
}

pub fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

pub fn add(to: &mut [f64], factor: f64, row: &[f64]) {
    to.iter_mut().zip(row).for_each(|(to, r)| *to += factor * r);
}

pub fn relu(values: &mut [f64]) {
    values.iter_mut().for_each(|v| *v = v.max(0.0));
}
