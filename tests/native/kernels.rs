//! Fused steps on the CPU against the plain version and against f64, over odd sizes, views, and tensors that others hold.

use burn::tensor::{Device, Tensor};
use pollster::block_on;
use sae_lab::kernels::levels::prefixes;
use sae_lab::kernels::select::{Per, kth_largest, largest, plain_kth_largest, plain_largest};
use sae_lab::kernels::{Expr, Form, Numbers, Out, Source, compute, compute_one, plain};
use sae_lab::rng::Rng;
use sae_lab::tensors::{read, upload, upload_indices};

const ODD: [usize; 7] = [1, 3, 63, 64, 65, 257, 600];

fn values(x: &Tensor<2>) -> Vec<f32> {
    block_on(read(x.clone())).unwrap().data
}

/// Normal numbers, a share of which are not zero.
fn random([rows, cols]: [usize; 2], share: f64, rng: &mut Rng) -> Tensor<2> {
    let data = (0..rows * cols).map(|_| if rng.uniform() < share { rng.normal() as f32 } else { 0.0 }).collect();
    upload(data, [rows, cols], &Device::flex())
}

fn assert_near(name: &str, ours: &Tensor<2>, theirs: &Tensor<2>, tolerance: f32) {
    assert_eq!(ours.dims(), theirs.dims(), "{name}");
    let (ours, theirs) = (values(ours), values(theirs));
    let scale = theirs.iter().filter(|x| x.is_finite()).fold(1.0f32, |m, x| m.max(x.abs()));
    for (at, (a, b)) in ours.iter().zip(&theirs).enumerate() {
        assert!(a.to_bits() == b.to_bits() || (a - b).abs() <= tolerance * scale, "{name}: element {at} is {a}, not {b}");
    }
}

/// What an expression over elements of this shape may read.
struct Leaves {
    inputs: Vec<Expr>,
    others: Vec<Expr>,
}

impl Leaves {
    fn new([rows, cols]: [usize; 2], others: Vec<Expr>, rng: &mut Rng) -> Self {
        let device = Device::flex();
        let narrowed = random([rows + 3, cols], 1.0, rng).narrow(0, 2, rows);
        let transposed = random([cols, rows], 0.5, rng).transpose();
        let inputs = [random([rows, cols], 0.5, rng), narrowed, transposed, random([1, cols], 1.0, rng), random([cols, 1], 1.0, rng).transpose()];
        let longer = random([rows + 3, cols], 1.0, rng);
        let order: Vec<u32> = (0..rows + 1).map(|_| rng.below(rows + 3) as u32).collect();
        let order = upload_indices(&order, [rows + 1], &device);
        let parts = [Expr::rows(&longer, None, 2), Expr::rows(&longer, Some(&order), 1)];
        let columns = [random([rows, 1], 1.0, rng), random([1, 1], 1.0, rng)];
        let number = Expr::number(&Numbers::new(vec![0.5, rng.normal()]), 1);
        let inputs = inputs.into_iter().chain(columns).map(Expr::from).chain(parts).chain([number, Expr::constant(-0.75)]).collect();
        Self { inputs, others }
    }

    fn any(&self, rng: &mut Rng) -> Expr {
        let all = self.inputs.len() + self.others.len();
        let at = rng.below(all);
        self.inputs.get(at).unwrap_or_else(|| &self.others[at - self.inputs.len()]).clone()
    }

    /// A random expression; parts of `made` may be in it again.
    fn expr(&self, depth: usize, made: &mut Vec<Expr>, rng: &mut Rng) -> Expr {
        if depth == 0 {
            return self.any(rng);
        }
        let mut part = |rng: &mut Rng| match rng.below(6) {
            0 if !made.is_empty() => made[rng.below(made.len())].clone(),
            1 => self.any(rng),
            _ => self.expr(depth - 1, made, rng),
        };
        let (a, b) = (part(rng), part(rng));
        // What may be rounded otherwise is not compared: inputs alone are.
        let input = |rng: &mut Rng| self.inputs[rng.below(self.inputs.len())].clone();
        let expr = match rng.below(11) {
            0 => a + b,
            1 => a - b,
            2 | 3 => a * b,
            4 => a / (b.square() + 0.5),
            5 => a.max(b),
            6 => a.min(b),
            7 => (a.abs() + 0.1).sqrt(),
            8 => a.min(1.0).exp(),
            9 => a.tanh() - input(rng).greater(input(rng)),
            _ => a * input(rng).greater_equal(input(rng)).relu(),
        };
        made.push(expr.clone());
        expr
    }
}

/// A kernel of ours against the plain one, with the same tensors: outputs are new, over tensors of their own, and over tensors that others
/// hold. `source` is made for each and has `sums` sums of so many terms.
fn check(name: &str, source: &dyn Fn() -> Source, sums: usize, terms: usize, shape: [usize; 2], rng: &mut Rng) {
    let shared = random(shape, 1.0, rng);
    let before = values(&shared);
    let view = random([shape[1], shape[0]], 1.0, rng);
    let others = (0..sums).map(|k| Expr::sum(k) * (terms as f64).powf(-0.5)).chain([Expr::old(1), Expr::old(2), Expr::old(3)]).collect();
    let leaves = Leaves::new(shape, others, rng);
    let mut made = Vec::new();
    let mut exprs: Vec<Expr> = (0..4).map(|_| leaves.expr(4, &mut made, rng)).collect();
    exprs.extend((0..sums).map(Expr::sum));
    exprs.push(leaves.inputs[0].clone());
    exprs.push(leaves.inputs[6].clone());
    let unique = values(&random(shape, 1.0, rng));
    let outs = || {
        let own = upload(unique.clone(), shape, &Device::flex());
        let over = [None, Some(own), Some(shared.clone()), Some(view.clone().transpose())];
        let over = over.into_iter().chain(std::iter::repeat(None));
        exprs.iter().zip(over).map(|(expr, over)| if let Some(old) = over { Out::Over(old, expr.clone()) } else { Out::New(expr.clone()) }).collect()
    };
    let ours = compute(source(), shape, outs());
    let plain = plain::compute(source(), shape, outs());
    assert_eq!(ours.len(), plain.len());
    for (k, (ours, plain)) in ours.iter().zip(&plain).enumerate() {
        assert_near(&format!("{name}, output {k} of {shape:?}"), ours, plain, 2e-5);
    }
    assert_eq!(values(&shared), before, "{name}: what others hold has not changed");
    let again = compute(source(), shape, outs());
    for (first, second) in ours.iter().zip(&again) {
        let bits = |x: &Tensor<2>| values(x).into_iter().map(f32::to_bits).collect::<Vec<_>>();
        assert_eq!(bits(first), bits(second), "{name}: the same bits from the same numbers");
    }
}

#[test]
fn each_element() {
    let mut rng = Rng::new(1);
    for rows in ODD {
        for cols in ODD {
            check("each", &|| Source::Each, 0, 1, [rows, cols], &mut rng);
        }
    }
    check("each", &|| Source::Each, 0, 1, [2, 50257], &mut rng);
}

#[test]
fn sums_of_columns_and_rows() {
    let mut rng = Rng::new(2);
    for rows in ODD {
        for cols in ODD {
            let leaves = Leaves::new([rows, cols], Vec::new(), &mut rng);
            let of: Vec<Expr> = (0..2).map(|_| leaves.expr(3, &mut Vec::new(), &mut rng)).chain([leaves.inputs[8].clone()]).collect();
            check(&format!("over {rows} rows"), &|| Source::Columns { rows, of: of.clone() }, 3, rows, [1, cols], &mut rng);
            check(&format!("over {cols} columns"), &|| Source::Rows { cols, of: of.clone() }, 3, cols, [rows, 1], &mut rng);
        }
    }
    for shape in [[3, 50257], [50257, 3]] {
        let x = random(shape, 1.0, &mut rng);
        let exact: f64 = values(&x).iter().map(|x| f64::from(*x).powi(2)).sum();
        let squares = || vec![Expr::from(&x).square()];
        let columns = compute(Source::Columns { rows: shape[0], of: squares() }, [1, shape[1]], vec![Out::New(Expr::sum(0))]);
        let rows = compute(Source::Rows { cols: shape[1], of: squares() }, [shape[0], 1], vec![Out::New(Expr::sum(0))]);
        for sums in [columns, rows] {
            let ours: f64 = values(&sums[0]).iter().map(|x| f64::from(*x)).sum();
            assert!((ours - exact).abs() <= 1e-6 * exact, "{ours} for {exact}");
        }
    }
}

/// A matrix as `random`, but a view: transposed, or part of a larger one.
fn viewed([rows, cols]: [usize; 2], share: f64, rng: &mut Rng) -> Tensor<2> {
    match rng.below(4) {
        0 => random([cols, rows], share, rng).transpose(),
        1 => random([rows + 5, cols], share, rng).narrow(0, 3, rows),
        2 => random([rows, cols + 5], share, rng).narrow(1, 3, cols),
        _ => random([rows, cols], share, rng),
    }
}

/// Shapes of both factors of a product `[m, k] · [k, n]`.
fn factors(form: Form, [m, n]: [usize; 2], k: usize) -> [[usize; 2]; 2] {
    match form {
        Form::Plain => [[m, k], [k, n]],
        Form::Transposed => [[m, k], [n, k]],
        Form::Outer => [[k, m], [k, n]],
    }
}

const FORMS: [Form; 3] = [Form::Plain, Form::Transposed, Form::Outer];

fn check_product(form: Form, shape: [usize; 2], k: usize, shares: [f64; 3], pairs: usize, rng: &mut Rng) {
    let [a, b] = factors(form, shape, k);
    let pairs: Vec<(Tensor<2>, Tensor<2>)> = (0..pairs).map(|_| (viewed(a, shares[0], rng), viewed(b, shares[1], rng))).collect();
    let name = format!("{form:?} over {k}, {} pairs, {shares:?} not zero", pairs.len());
    check(&name, &|| Source::Product { form, pairs: pairs.clone(), only: None }, 1, k, shape, rng);
    let only = viewed(shape, shares[2], rng).abs();
    let masked = |only: &Tensor<2>| vec![Out::New(Expr::sum(0) * Expr::from(only).greater(0.0))];
    let source = |only: Option<&Tensor<2>>| Source::Product { form, pairs: pairs.clone(), only: only.cloned() };
    let ours = compute(source(Some(&only)), shape, masked(&only));
    // Where one is wanted, the largest may be a small one: what it is rounded by goes with its k terms.
    let tolerance = 2e-5f32.max(2e-6 * (k as f32).sqrt());
    assert_near(&format!("{name}, where wanted"), &ours[0], &plain::compute(source(None), shape, masked(&only))[0], tolerance);
}

#[test]
fn products_of_odd_sizes() {
    let mut rng = Rng::new(3);
    for form in FORMS {
        for m in ODD {
            for n in ODD {
                let k = ODD[rng.below(7)];
                let shares = [[1.0, 1.0, 1.0], [0.05, 1.0, 1.0], [1.0, 0.05, 1.0], [1.0, 1.0, 0.05], [0.02, 0.02, 0.5]][rng.below(5)];
                check_product(form, [m, n], k, shares, 1 + rng.below(2), &mut rng);
            }
        }
    }
}

#[test]
fn products_of_long_sums() {
    let mut rng = Rng::new(4);
    for form in FORMS {
        for shares in [[1.0, 1.0, 1.0], [0.03, 1.0, 1.0], [1.0, 0.03, 1.0], [1.0, 1.0, 0.03], [0.0, 1.0, 1.0], [1.0, 1.0, 0.0]] {
            check_product(form, [70, 33], 2500, shares, 2, &mut rng);
            check_product(form, [1, 33], 2500, shares, 1, &mut rng);
            check_product(form, [530, 1030], 5, shares, 1, &mut rng);
        }
        check_product(form, [5, 50257], 7, [1.0, 0.1, 1.0], 1, &mut rng);
        check_product(form, [50257, 5], 7, [0.1, 1.0, 1.0], 1, &mut rng);
        check_product(form, [5, 7], 50257, [0.1, 0.1, 1.0], 1, &mut rng);
    }
}

#[test]
fn products_against_f64() {
    let mut rng = Rng::new(5);
    let (m, n, k) = (65, 130, 3000);
    for share in [1.0, 0.5, 0.25, 0.02] {
        let (a, b) = (random([m, k], share, &mut rng), random([k, n], 1.0, &mut rng));
        let ours = values(&compute(Source::product(Form::Plain, &a, &b), [m, n], vec![Out::New(Expr::sum(0))])[0]);
        let (a, b) = (values(&a), values(&b));
        for (at, ours) in ours.into_iter().enumerate() {
            let terms = (0..k).map(|p| f64::from(a[at / n * k + p]) * f64::from(b[p * n + at % n]));
            let (exact, size) = terms.fold((0.0, 0.0), |(sum, size), x| (sum + x, size + x.abs()));
            assert!((f64::from(ours) - exact).abs() <= 3e-6 * size.max(1e-30), "{ours} for {exact}, {share} not zero");
        }
    }
}

#[test]
fn products_by_levels() {
    let mut rng = Rng::new(9);
    for (ends, rows, width) in [(vec![1], 3, 5), (vec![5, 64, 65], 65, 63), (vec![40, 300, 1000], 70, 33), (vec![3, 9], 1, 1)] {
        let latents = ends[ends.len() - 1];
        let blocks = ends.len() * width;
        for share in [1.0, 0.05, 0.0] {
            let (features, decoder) = (random([rows, latents], share, &mut rng).abs(), random([latents, width], 1.0, &mut rng));
            let errors = random([rows, blocks], 1.0, &mut rng);
            let active = Expr::from(&features).greater(0.0);
            let source = |form| {
                let (a, b) = if form == Form::Outer { (&features, &errors) } else { (&errors, &decoder) };
                let only = (form == Form::Transposed).then(|| features.clone());
                Source::Leveled { form, a: a.clone(), b: b.clone(), ends: ends.clone().into(), only }
            };
            for (form, shape) in [(Form::Transposed, [rows, latents]), (Form::Outer, [latents, width])] {
                let of = if form == Form::Outer { Expr::sum(0) * 2.0 } else { Expr::sum(0) * &active };
                let ours = compute_one(source(form), shape, of.clone());
                let theirs = plain::compute(source(form), shape, vec![Out::New(of)]);
                assert_near(&format!("{form:?}, {ends:?}, {share} not zero"), &ours, &theirs[0], 2e-6);
            }
            let target = random([rows, width], 1.0, &mut rng);
            let [first, second] = prefixes(&features, &decoder, &ends, |sum| {
                let residual = sum - &target;
                [residual.clone(), residual * 2.0]
            });
            let mut later = Tensor::zeros([rows, width], &Device::flex());
            for (level, &end) in ends.iter().enumerate().rev() {
                let residual = features.clone().narrow(1, 0, end).matmul(decoder.clone().narrow(0, 0, end)) - target.clone();
                later = later + residual.clone() * 2.0;
                let block = |x: &Tensor<2>| x.clone().narrow(1, level * width, width);
                assert_near(&format!("level {level} of {ends:?}"), &block(&first), &residual, 2e-6);
                assert_near(&format!("level {level} and later of {ends:?}"), &block(&second), &later, 2e-6);
            }
        }
    }
}

/// A step of Adam changes the tensors themselves where nobody else holds them.
#[test]
fn written_in_place() {
    let mut rng = Rng::new(6);
    let [d, features, batch] = [40, 300, 16];
    let (x, d_pre) = (random([batch, d], 1.0, &mut rng), random([batch, features], 0.1, &mut rng));
    let held: Vec<Tensor<2>> = (0..3).map(|_| random([d, features], 1.0, &mut rng).abs()).collect();
    let step = |p, m, v| {
        let (g, lr) = (Expr::sum(0), Expr::number(&Numbers::new(vec![1e-3]), 0));
        let m_now = Expr::old(1) * 0.9 + &g * 0.1;
        let v_now = Expr::old(2) * 0.999 + g.square() * 0.001;
        let moved = Expr::old(0) - &m_now * lr / (v_now.sqrt() + 1e-8);
        let outs = vec![Out::Over(p, moved), Out::Over(m, m_now), Out::Over(v, v_now)];
        compute(Source::product(Form::Outer, &x, &d_pre), [d, features], outs)
    };
    let address = |x: &Tensor<2>| x.clone().try_into_primitive::<burn_flex::Flex>().unwrap().bytes().as_ptr();
    let own: Vec<Tensor<2>> = held.iter().map(|x| upload(values(x), [d, features], &Device::flex())).collect();
    let before: Vec<_> = own.iter().map(address).collect();
    let [p, m, v] = own.try_into().unwrap();
    let ours = step(p, m, v);
    assert_eq!(ours.iter().map(address).collect::<Vec<_>>(), before, "in place");
    let [p, m, v] = [0, 1, 2].map(|k: usize| held[k].clone());
    let copies = step(p, m, v);
    for (k, (ours, copy)) in ours.iter().zip(&copies).enumerate() {
        assert_eq!(values(ours), values(copy), "output {k}");
        assert_ne!(address(copy), address(&held[k]), "output {k}: others hold it");
    }
}

#[test]
fn the_largest_as_the_plain_version_finds_them() {
    let mut rng = Rng::new(7);
    for (rows, n) in [(1, 1), (3, 63), (2, 64), (5, 65), (4, 257), (2, 50257)] {
        let cases = [random([rows, n], 1.0, &mut rng), random([rows, n], 0.1, &mut rng).abs(), random([n, rows], 1.0, &mut rng).transpose()];
        let mut odd = values(&cases[0]);
        let last = odd.len() - 1;
        odd[0] = f32::INFINITY;
        odd[last / 2] = f32::NEG_INFINITY;
        odd[last] = 1e-38;
        let cases = cases.into_iter().chain([upload(odd, [rows, n], &Device::flex())]);
        for values in cases {
            for k in [1, 2, 32, n / 2 + 1, n, n * rows + 1] {
                for per in [Per::Row, Per::Matrix] {
                    let name = format!("{k} of {rows} × {n}, {per:?}");
                    assert_near(&name, &kth_largest(&values, k, per), &plain_kth_largest(&values, k, per), 0.0);
                }
                for among in [Tensor::ones([1, n], &Device::flex()), random([1, n], 1.0, &mut rng).greater_elem(0.0).float()] {
                    let name = format!("{k} of {rows} × {n}");
                    let found = largest(&values, &values, k, &Expr::from(&among), |n| n);
                    assert_near(&name, &found.mask, &plain_largest(&values, k, &among), 0.0);
                }
            }
        }
    }
}

#[test]
fn exponentials_are_within_two_units_in_the_last_place() {
    let x: Vec<f32> = (-8700..=8871).map(|i| i as f32 / 100.0 + 0.003).chain([-0.0, 1e-30, -1e-3]).collect();
    let n = x.len();
    let ours = values(&compute_one(Source::Each, [1, n], Expr::from(upload(x.clone(), [1, n], &Device::flex())).exp()));
    for (x, ours) in x.into_iter().zip(ours) {
        let exact = f64::from(x).exp();
        assert!((f64::from(ours) - exact).abs() <= 2.0 * f64::from(f32::EPSILON) * exact, "e^{x}: {ours} for {exact}");
    }
    let ends = values(&compute_one(
        Source::Each,
        [1, 3],
        Expr::from(upload(vec![f32::INFINITY, f32::NEG_INFINITY, f32::NAN], [1, 3], &Device::flex())).exp(),
    ));
    assert!(ends[0] == f32::INFINITY && ends[1] < 1e-44 && ends[2].is_nan(), "{ends:?}");
}
