//! What runs once when the module is instantiated: the constructors of the crates (`inventory`, in
//! cubecl, registers its dialects through them).
//!
//! Where no code calls them, the linker takes the module for a program and makes *every* exported
//! function run them first, wasm-bindgen's own allocations included: a token took 3.0 s instead of
//! 0.25 s. Calling them here makes it leave the exports alone (wasm-ld, `createCommandExportWrappers`).

use wasm_bindgen::prelude::*;

unsafe extern "C" {
    fn __wasm_call_ctors();
}

#[wasm_bindgen(start)]
fn start() {
    // SAFETY: the linker defines it; it runs once, before anything else of the module.
    unsafe { __wasm_call_ctors() }
}
