//! What JavaScript calls: one class, [`Lab`], whose objects on the device are numbers.
//!
//! Every method is async and may interleave with others at checkpoints. Options are plain objects;
//! their defaults live in `www/engine/defaults.js`.

mod analysis;
mod convert;
mod files;
mod hash;
mod loss;
mod model;
mod objects;
mod options;
mod panic;
mod plot;
mod quality;
mod start;
mod toy;
mod train;

use std::cell::RefCell;
use std::rc::Rc;

use burn::tensor::{Device, Tensor};
use js_sys::{Array, Float32Array, Function, Int32Array, Object, Uint32Array};
use wasm_bindgen::prelude::*;

use self::convert::{JsCheckpoint, from_js, set, tensor_to_js, to_js, tokens_to_js};
use self::objects::{Collected, Model, Objects, Stored};
use self::options::{self as opt, Input};
use crate::activations::collect;
use crate::analysis as analyses;
use crate::device::{self, Processor};
use crate::error::{LabError, Result, check_setting};
use crate::gpt2::{self, Config, HookPoint, Hooks, LogitsWanted};
use crate::sae::{self, Parameter, Sae};
use crate::tensors::{HostTensor, check_rows, read, upload};

type JsResult = std::result::Result<JsValue, JsValue>;

/// The engine on one device.
#[wasm_bindgen]
pub struct Lab {
    device: Device,
    objects: RefCell<Objects>,
    loading: RefCell<model::AllLoading>,
}

#[wasm_bindgen]
impl Lab {
    /// Opens `"webgpu"` or `"cpu"`.
    pub async fn open(device: String) -> std::result::Result<Lab, JsValue> {
        panic::tell_the_worker();
        let processor = match device.as_str() {
            "webgpu" => Processor::WebGpu,
            "cpu" => Processor::Cpu,
            other => return Err(LabError::setting("device", format!("{other:?}"), "\"webgpu\" or \"cpu\"").into()),
        };
        Ok(Lab { device: device::open(processor).await?, objects: RefCell::default(), loading: RefCell::default() })
    }

    pub fn version(&self) -> String {
        env!("CARGO_PKG_VERSION").into()
    }

    pub async fn tokenize(&self, model: u32, text: String, options: JsValue) -> JsResult {
        let model = self.model(model)?;
        let options: opt::Tokenize = from_js(options)?;
        let ids = model.tokenizer.encode(&text, options.prepend_bos)?;
        Ok(tokens_to_js(&model.tokenizer, &ids)?.into())
    }

    pub async fn run(&self, model: u32, input: JsValue, options: JsValue) -> JsResult {
        let model = self.model(model)?;
        let options: opt::Run = from_js(options)?;
        let config = &model.gpt2.config;
        let ids = Input::from_js(input)?.ids(&model.tokenizer, options.prepend_bos)?;
        let points = options.hooks.iter().map(|name| HookPoint::parse(name, config)).collect::<Result<Vec<_>>>()?;
        let mut hooks = Hooks::reading(&points, opt::view(options.center));
        hooks.prompt_len = ids.len();
        for edit in options.edits {
            hooks.edits.push(edit.into_edit(config, &self.device)?);
        }
        for steer in &options.steer {
            hooks.edits.push(self.steering(steer, config)?);
        }
        let wanted = match (options.logits.as_str(), options.top_k) {
            ("all", _) => LogitsWanted::Normalized,
            ("last", _) => LogitsWanted::Last,
            ("none", 0.0) => LogitsWanted::None,
            ("none", _) => LogitsWanted::Last,
            (other, _) => return Err(LabError::setting("logits", format!("{other:?}"), "\"last\", \"all\" or \"none\"").into()),
        };
        let logits = model.gpt2.forward(&[&ids], None, &mut hooks, wanted)?;
        let out = Object::new();
        set(&out, "tokens", tokens_to_js(&model.tokenizer, &ids)?);
        let readings = Object::new();
        for (name, point) in options.hooks.iter().zip(points) {
            set(&readings, name, tensor_to_js(hooks.read_one(point, config).await?));
        }
        set(&out, "hooks", readings);
        set(&out, "logits", JsValue::NULL);
        set(&out, "loss", JsValue::NULL);
        set(&out, "top", JsValue::NULL);
        if let Some(logits) = logits {
            let logits = if wanted == LogitsWanted::Normalized {
                model.gpt2.read_logits(logits, hooks.view).await?
            } else {
                let mut logits = read(logits).await?;
                logits.shape.remove(0);
                logits
            };
            let last = &logits.data[logits.data.len() - config.d_vocab..];
            if options.top_k > 0.0 {
                set(&out, "top", to_js(&opt::top_tokens(last, opt::whole("topK", options.top_k)?, &model.tokenizer))?);
            }
            if wanted == LogitsWanted::Normalized && ids.len() > 1 {
                set(&out, "loss", gpt2::mean_loss(&logits.data, &ids, config.d_vocab));
            }
            if options.logits != "none" {
                set(&out, "logits", tensor_to_js(logits));
            }
        }
        Ok(out.into())
    }

    pub async fn generate(&self, model: u32, prompt: JsValue, options: JsValue, checkpoint: Function) -> JsResult {
        let model = self.model(model)?;
        let options: opt::Generate = from_js(options)?;
        let ids = Input::from_js(prompt)?.ids(&model.tokenizer, options.prepend_bos)?;
        let settings = options.settings()?;
        let mut edits = Vec::with_capacity(options.steer.len());
        for steer in &options.steer {
            edits.push(self.steering(steer, &model.gpt2.config)?);
        }
        let mut hooks = Hooks::editing(edits, opt::view(options.center));
        let made = gpt2::generate(&model.gpt2, &model.tokenizer, &ids, &settings, &mut hooks, &JsCheckpoint(checkpoint)).await?;
        let out = Object::new();
        set(&out, "text", made.text.as_str());
        set(&out, "ids", Uint32Array::from(&made.ids[..]));
        set(&out, "newIds", Uint32Array::from(&made.new_ids[..]));
        if options.logprobs {
            set(&out, "logprobs", Float32Array::from(&made.logprobs[..]));
        }
        Ok(out.into())
    }

    /// `texts` are texts and lists of token ids.
    pub async fn collect(&self, model: u32, texts: Array, options: JsValue, checkpoint: Function) -> JsResult {
        let model = self.model(model)?;
        let texts = texts.iter().map(Input::from_js).collect::<Result<Vec<_>>>()?;
        let options: opt::Collect = from_js(options)?;
        let settings = options.settings(&model.gpt2.config)?;
        let acts = collect(&model.gpt2, &model.tokenizer, &texts, &settings, &JsCheckpoint(checkpoint)).await?;
        let stats = acts.stats().await?;
        let out = Object::new();
        set(&out, "shape", to_js(&[acts.rows(), acts.width()])?);
        set(&out, "hook", acts.point.to_string());
        set(&out, "stats", to_js(&stats)?);
        let origin = model.origin(acts.point, acts.view, settings.prepend_bos);
        set(&out, "id", self.store(Stored::Collected(Rc::new(Collected { acts, origin, tokenizer: model.tokenizer.clone() }))));
        Ok(out.into())
    }

    /// Where each row of a data set comes from.
    pub async fn rows(&self, acts: u32) -> JsResult {
        let collected = self.collected(acts)?;
        let acts = &collected.acts;
        let text: Vec<i32> = acts.origins.iter().map(|o| acts.sequences[o.sequence].text).collect();
        let position: Vec<u32> = acts.origins.iter().map(|o| o.position as u32).collect();
        let token: Vec<u32> = (0..acts.rows()).map(|row| acts.token(row)).collect();
        let out = Object::new();
        set(&out, "text", Int32Array::from(&text[..]));
        set(&out, "position", Uint32Array::from(&position[..]));
        set(&out, "token", Uint32Array::from(&token[..]));
        Ok(out.into())
    }

    /// The values of activations or features.
    pub async fn read(&self, id: u32) -> JsResult {
        let tensor = self.objects.borrow().matrix(id)?;
        Ok(tensor_to_js(read(tensor).await?).into())
    }

    /// Forgets an object; its memory on the device is reused.
    pub async fn release(&self, id: u32) -> JsResult {
        let released = self.objects.borrow_mut().release(id)?;
        if matches!(released, Stored::Model(_)) {
            drop(released);
            self.device.memory_cleanup(); // weights are kept apart from what is used again
        }
        Ok(JsValue::UNDEFINED)
    }

    #[wasm_bindgen(js_name = createSae)]
    pub async fn create_sae(&self, options: JsValue) -> JsResult {
        let options: opt::CreateSae = from_js(options)?;
        let (config, init) = (options.config()?, options.init()?);
        let sae = match options.weights()? {
            Some(weights) => Sae::from_weights(config, weights, &self.device)?,
            None => Sae::new(config, &init, &self.device)?,
        };
        let out = Object::new();
        set(&out, "config", to_js(&sae.config)?);
        set(&out, "id", self.store(Stored::Sae(Rc::new(RefCell::new(sae)))));
        Ok(out.into())
    }

    #[wasm_bindgen(js_name = saeInfo)]
    pub async fn sae_info(&self, sae: u32) -> JsResult {
        let sae = self.sae(sae)?;
        let sae = sae.borrow();
        let out = Object::new();
        set(&out, "config", to_js(&sae.config)?);
        set(&out, "epochsTrained", sae.history.len() as f64);
        set(&out, "stepsTrained", sae.optimizer.as_ref().map_or(0, |o| o.steps) as f64);
        set(&out, "streamRows", sae.stream_rows().unwrap_or(0) as f64);
        set(&out, "history", to_js(&sae.history)?);
        set(&out, "settings", to_js(&sae.optimizer.as_ref().map(|o| &o.recipe))?);
        Ok(out.into())
    }

    pub async fn weights(&self, sae: u32) -> JsResult {
        let sae = self.sae(sae)?.borrow().inference();
        let out = Object::new();
        for Parameter { name, value } in sae.architecture.parameters() {
            set(&out, name, tensor_to_js(flat(name, read(value).await?)));
        }
        set(&out, "W_dec", tensor_to_js(read(sae.w_dec()).await?)); // a tied SAE has it too
        Ok(out.into())
    }

    pub async fn encode(&self, sae: u32, x: JsValue) -> JsResult {
        let sae = self.sae(sae)?;
        let x = self.matrix(x)?;
        sae.borrow().check_width(x.dims()[1])?;
        check_rows("rows", x.dims()[0], sae.borrow().config.d_sae, &self.device)?;
        let encoded = sae.borrow().inference().encode(x);
        self.store_matrix(encoded)
    }

    pub async fn decode(&self, sae: u32, features: JsValue) -> JsResult {
        let sae = self.sae(sae)?;
        let features = self.matrix(features)?;
        sae::check_width(features.dims()[1], sae.borrow().config.d_sae)?;
        check_rows("rows", features.dims()[0], sae.borrow().config.d_out, &self.device)?;
        let decoded = sae.borrow().inference().decode(features);
        self.store_matrix(decoded)
    }

    #[wasm_bindgen(js_name = topFeatures)]
    pub async fn top_features(&self, sae: u32, acts: u32, options: JsValue, checkpoint: Function) -> JsResult {
        let sae = self.sae(sae)?.borrow().inference();
        let collected = self.collected(acts)?;
        let options: opt::TopFeatures = from_js(options)?;
        let k = opt::whole("k", options.k)?;
        let order = opt::order(&options.by)?;
        let top = analyses::top_features(&sae, &collected.acts, k, order, options.skip_position0, &JsCheckpoint(checkpoint)).await?;
        Ok(to_js(&top)?)
    }

    pub async fn examples(&self, sae: u32, acts: u32, options: JsValue, checkpoint: Function) -> JsResult {
        let sae = self.sae(sae)?.borrow().inference();
        let collected = self.collected(acts)?;
        let settings = from_js::<opt::Examples>(options)?.settings()?;
        let found = analyses::examples(&sae, &collected.acts, &collected.tokenizer, &settings, &JsCheckpoint(checkpoint)).await?;
        Ok(to_js(&found)?)
    }

    pub async fn heatmap(&self, model: u32, sae: u32, text: JsValue, options: JsValue) -> JsResult {
        let model = self.model(model)?;
        let sae = self.sae(sae)?.borrow().inference();
        let options: opt::Heatmap = from_js(options)?;
        let ids = Input::from_js(text)?.ids(&model.tokenizer, options.prepend_bos)?;
        let map = analyses::heatmap(&model.gpt2, &sae, &ids, &options.settings(&model.gpt2.config)?).await?;
        let out = tokens_to_js(&model.tokenizer, &ids)?;
        set(&out, "shape", to_js(&[map.features.len(), map.positions])?);
        set(&out, "features", to_js(&map.features)?);
        set(&out, "data", Float32Array::from(&map.data[..]));
        Ok(out.into())
    }

    pub async fn direction(&self, sae: u32, options: JsValue) -> JsResult {
        let sae = self.sae(sae)?.borrow().inference();
        let options: opt::Direction = from_js(options)?;
        let direction = sae::direction(&sae, opt::whole("feature", options.feature)?, opt::direction(&options.kind)?)?;
        let mut host = read(direction).await?;
        host.shape.remove(0);
        Ok(tensor_to_js(host).into())
    }
}

/// Biases and thresholds, which are rows `[1, n]` inside, as vectors.
fn flat(name: &str, mut tensor: HostTensor) -> HostTensor {
    if !name.starts_with("W_") {
        tensor.shape.remove(0);
    }
    tensor
}

impl Lab {
    fn store(&self, object: Stored) -> f64 {
        self.objects.borrow_mut().store(object).into()
    }

    fn store_matrix(&self, matrix: Tensor<2>) -> JsResult {
        let out = Object::new();
        set(&out, "shape", to_js(&matrix.dims())?);
        set(&out, "id", self.store(Stored::Matrix(matrix)));
        Ok(out.into())
    }

    fn model(&self, id: u32) -> Result<Rc<Model>> {
        self.objects.borrow().model(id)
    }

    fn collected(&self, id: u32) -> Result<Rc<Collected>> {
        self.objects.borrow().collected(id)
    }

    fn sae(&self, id: u32) -> Result<Rc<RefCell<Sae>>> {
        self.objects.borrow().sae(id)
    }

    /// A matrix that is on the device (its id), or given as `{data, shape}`.
    fn matrix(&self, value: JsValue) -> Result<Tensor<2>> {
        if let Some(id) = value.as_f64() {
            return self.objects.borrow().matrix(id as u32);
        }
        let given = from_js::<opt::Tensor>(value)?.into_host()?;
        match given.shape[..] {
            [rows, columns] if rows > 0 && columns > 0 => {
                check_rows("rows", rows, columns, &self.device)?;
                Ok(upload(given.data, [rows, columns], &self.device))
            }
            _ => Err(LabError::setting("shape", format!("{:?}", given.shape), "two sizes, rows and columns, above 0")),
        }
    }

    /// A steering entry as an edit of the forward pass.
    fn steering(&self, steer: &opt::Steer, config: &Config) -> Result<gpt2::Edit> {
        let point = HookPoint::parse(&steer.hook, config)?;
        let positions = opt::positions(&steer.positions)?;
        let strength = opt::finite("strength", steer.strength)?;
        let kind = match (&steer.vector, steer.sae) {
            (Some(vector), None) => {
                opt::all_finite("vector", vector)?;
                let scaled: Vec<f32> = vector.iter().map(|v| (f64::from(*v) * strength) as f32).collect();
                gpt2::EditKind::Add(upload(scaled, [vector.len()], &self.device))
            }
            (None, Some(sae)) => {
                let sae = self.sae(sae)?;
                let (sae, transcoder) = (sae.borrow().inference(), sae.borrow().config.transcoder);
                let feature = opt::whole("feature", steer.feature.unwrap_or(f64::NAN))?;
                if let "scale" | "scale-decode" = steer.direction.as_str() {
                    check_setting(!transcoder, "direction", &steer.direction, "another for a transcoder, whose output belongs to another hook")?;
                    sae::check_feature(feature, sae.d_sae())?;
                    sae.check_width(point.vector_width(config)?)?;
                    let (factor, keep_error) = (strength as f32, steer.direction == "scale");
                    gpt2::EditKind::Map(Rc::new(move |x| {
                        if keep_error { sae.scale_feature(x, feature, factor) } else { sae.decode_scaled(x, feature, factor) }
                    }))
                } else {
                    let direction = sae::direction(&sae, feature, opt::direction(&steer.direction)?)?;
                    gpt2::EditKind::Add((direction * strength).reshape([sae.d_out()]))
                }
            }
            _ => return Err(LabError::setting("steer", "without a direction", "given a vector, or an sae and a feature")),
        };
        Ok(gpt2::Edit { point, kind, positions })
    }
}
