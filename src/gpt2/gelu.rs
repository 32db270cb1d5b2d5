//! GPT-2's activation function, `gelu_new`: `x/2 · (1 + tanh(√(2/π) (x + 0.044715 x³)))`.

use burn::tensor::Tensor;

use crate::kernels::Expr;

/// The same as `x / (1 + e^{−x (a + b x²)})` with `a = 2√(2/π)`, `b = 0.044715 a`. burn's own takes a power and
/// a tanh: on the CPU that is a third of a forward pass, and on a GPU a tanh made of exponentials is no
/// number for the large values that GPT-2's first position has. The exponent ends where f32 does.
pub fn gelu<const D: usize>(x: Tensor<D>) -> Tensor<D> {
    let a = 2.0 * (2.0 / std::f64::consts::PI).sqrt();
    let exponent = (x.clone().square() * (-0.044715 * a) - a) * x.clone();
    x / (exponent.clamp_max(80.0).exp() + 1.0)
}

/// The same in a kernel.
pub fn gelu_of(x: &Expr) -> Expr {
    let a = 2.0 * (2.0 / std::f64::consts::PI).sqrt();
    let exponent = (x.square() * (-0.044715 * a) - a) * x;
    x / (exponent.min(80.0).exp() + 1.0)
}

#[cfg(test)]
mod tests {
    use burn::tensor::{Device, activation};
    use pollster::block_on;

    use super::*;
    use crate::tensors::{read, upload};

    #[test]
    fn the_same_as_the_formula() {
        let x: Vec<f32> = (-600..=600).map(|i| i as f32 / 50.0).chain([-1e4, -60.0, 60.0, 1e4]).collect();
        let n = x.len();
        let ours = block_on(read(gelu(upload(x.clone(), [n], &Device::flex())))).unwrap().data;
        let burns = block_on(read(activation::gelu_approximate(upload(x.clone(), [n], &Device::flex())))).unwrap().data;
        for ((x, ours), burns) in x.into_iter().zip(ours).zip(burns) {
            let v = f64::from(x);
            let exact = 0.5 * v * (1.0 + ((2.0 / std::f64::consts::PI).sqrt() * (v + 0.044715 * v.powi(3))).tanh());
            assert!((f64::from(ours) - exact).abs() <= 1e-6 * v.abs().max(1.0), "{x}: {ours} for {exact}");
            assert!((ours - burns).abs() <= 2e-6 * x.abs().max(1.0), "{x}: {ours}, burn's {burns}");
        }
    }
}
