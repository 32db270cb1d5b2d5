//! Toy models of superposition: worlds so small that everything in them is known.
//!
//! ```text
//! sparse features x ─► hidden, fewer dimensions ─► x̂        (two models, many instances at once)
//!                         └─► an SAE's training data, whose true directions are known ─► match_features
//! ```
//!
//! Plain loops on the processor, in f64: a GPU would spend its time starting kernels. What is long yields at checkpoints.

mod adam;
mod assignment;
mod bounds;
mod config;
mod data;
mod geometry;
mod interference;
mod linear;
mod match_features;
mod model;
mod normal;
mod orthogonalize;
mod pace;
mod relu_hidden;
mod relu_output;
mod sample;
mod train;
mod weights;
mod world;

pub use assignment::assign;
pub use bounds::{pca_loss, zero_loss};
pub use config::{Config, Kind};
pub use data::{Values, features};
pub use geometry::{dimensionality, norms};
pub use interference::{Example, Interference, interference};
pub use match_features::{Activity, Latents, Matching, Pair, match_features};
pub use model::{Reconstruction, loss_and_gradient, reconstruct};
pub use normal::quantile;
pub use orthogonalize::orthogonalize;
pub use sample::{Sample, sample};
pub use train::{Given, Instance, train};
pub use weights::Weights;
pub use world::{World, WorldSettings, world};
