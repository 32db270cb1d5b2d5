//! The objects that live on the device, by number.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

use burn::tensor::Tensor;

use crate::activations::Activations;
use crate::error::{LabError, Result, code};
use crate::gpt2::{Gpt2, HookPoint, View};
use crate::sae::{Metadata, Sae};
use crate::tokenizer::Tokenizer;

pub struct Model {
    pub name: String,
    pub gpt2: Gpt2,
    pub tokenizer: Rc<Tokenizer>,
}

impl Model {
    /// What an SAE is made for that is trained on this model's activations at `point`.
    pub fn origin(&self, point: HookPoint, view: View, prepend_bos: bool) -> Metadata {
        Metadata {
            model_name: Some(self.name.clone()),
            hook_name: Some(point.to_string()),
            prepend_bos: Some(prepend_bos),
            context_size: Some(self.gpt2.config.n_ctx),
            center: Some(view == View::TransformerLens),
            ..Metadata::default()
        }
    }
}

/// Activations, what they are of, and the tokenizer that their tokens are shown with.
pub struct Collected {
    pub acts: Activations,
    pub origin: Metadata,
    pub tokenizer: Rc<Tokenizer>,
}

#[derive(Clone)]
pub enum Stored {
    Model(Rc<Model>),
    Collected(Rc<Collected>),
    Sae(Rc<RefCell<Sae>>),
    /// Features or reconstructions.
    Matrix(Tensor<2>),
}

/// Numbers are never given twice, so a stale one is noticed.
#[derive(Default)]
pub struct Objects {
    stored: HashMap<u32, Stored>,
    last: u32,
}

impl Objects {
    pub fn store(&mut self, object: Stored) -> u32 {
        self.last += 1;
        self.stored.insert(self.last, object);
        self.last
    }

    pub fn release(&mut self, id: u32) -> Result<Stored> {
        self.stored.remove(&id).ok_or_else(|| gone(id, "object"))
    }

    pub fn model(&self, id: u32) -> Result<Rc<Model>> {
        match self.stored.get(&id) {
            Some(Stored::Model(model)) => Ok(model.clone()),
            _ => Err(gone(id, "model")),
        }
    }

    pub fn collected(&self, id: u32) -> Result<Rc<Collected>> {
        match self.stored.get(&id) {
            Some(Stored::Collected(collected)) => Ok(collected.clone()),
            _ => Err(gone(id, "data set of activations")),
        }
    }

    pub fn sae(&self, id: u32) -> Result<Rc<RefCell<Sae>>> {
        match self.stored.get(&id) {
            Some(Stored::Sae(sae)) => Ok(sae.clone()),
            _ => Err(gone(id, "SAE")),
        }
    }

    pub fn matrix(&self, id: u32) -> Result<Tensor<2>> {
        match self.stored.get(&id) {
            Some(Stored::Collected(collected)) => Ok(collected.acts.data.clone()),
            Some(Stored::Matrix(matrix)) => Ok(matrix.clone()),
            _ => Err(gone(id, "matrix")),
        }
    }
}

fn gone(id: u32, what: &str) -> LabError {
    LabError::new(code::RELEASED, format!("There is no {what} number {id}; it may have been disposed of."), "Make it again.")
}
