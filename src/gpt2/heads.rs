//! Products of matrices of each head by itself.

use std::rc::Rc;

use burn::tensor::Tensor;

use crate::kernels::{Expr, Form, Source, compute_one};

/// Of each head `a · bᵀ`, all in one kernel: burn's own batched product is reported to give zeros on Macs (burn issue 4907).
///
/// # Shapes
/// a `[batch, heads, m, k]`, b `[batch, heads, n, k]` → `[batch, heads, m, n]`
pub fn product(a: Tensor<4>, b: Tensor<4>) -> Tensor<4> {
    let ([batch, heads, m, k], [_, _, n, _]) = (a.dims(), b.dims());
    let all = batch * heads;
    let a = a.permute([2, 0, 1, 3]).reshape([m, all * k]);
    let ends: Rc<[usize]> = (1..=all).map(|head| head * n).collect();
    let source = Source::Leveled { form: Form::Transposed, a, b: b.reshape([all * n, k]), ends, only: None };
    compute_one(source, [m, all * n], Expr::sum(0)).reshape([m, batch, heads, n]).permute([1, 2, 0, 3])
}

#[cfg(test)]
mod tests {
    use burn::tensor::{Device, Distribution};
    use pollster::block_on;

    use super::*;
    use crate::tensors::read;

    #[test]
    fn as_burns_own_product() {
        for [batch, heads, m, n, k] in [[1, 1, 1, 1, 1], [2, 3, 5, 7, 4], [3, 2, 1, 9, 5], [1, 12, 16, 16, 8]] {
            let random = |rows: usize| Tensor::<4>::random([batch, heads, rows, k], Distribution::Default, &Device::flex());
            let (a, b) = (random(m), random(n));
            let difference = product(a.clone(), b.clone()) - a.matmul(b.swap_dims(2, 3));
            let largest = block_on(read(difference.abs().max())).unwrap().data[0];
            assert!(largest < 1e-5, "{largest}");
        }
    }
}
