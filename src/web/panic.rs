//! A panic aborts the instance; the worker is told its message first.

use js_sys::{Function, Reflect, global};
use wasm_bindgen::{JsCast, JsValue};

/// From now on, a panic calls the worker's `saeLabPanicked(text)` if there is one. The instance
/// ends right after.
pub fn tell_the_worker() {
    std::panic::set_hook(Box::new(|info| {
        let text = JsValue::from(info.to_string());
        let listener = Reflect::get(&global(), &"saeLabPanicked".into()).and_then(JsCast::dyn_into::<Function>);
        if let Ok(listener) = listener {
            listener.call1(&JsValue::UNDEFINED, &text).ok();
        }
    }));
}
